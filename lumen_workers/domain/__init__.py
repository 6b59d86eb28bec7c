"""Records, ports, errors, clock and ids: what every other layer speaks in. Imports nothing of ours."""
