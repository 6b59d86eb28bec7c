"""Several values of one rule against each other: Thompson sampling on brackets, and what its log is worth (S13)."""
