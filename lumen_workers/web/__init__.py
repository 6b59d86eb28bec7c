"""The HTTP interface: rules for loops that ask for them, samples from loops that send them."""

from typing import Final

DEFAULT_PORT: Final = 8700
"""Where loops look for it, unless they are told another port."""
