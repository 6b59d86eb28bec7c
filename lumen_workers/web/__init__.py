"""The HTTP interface: rules for loops that ask for them, samples from loops that send them."""
