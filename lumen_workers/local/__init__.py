"""One machine: the broker, the processes of ``lumen run`` and what keeps them together."""
