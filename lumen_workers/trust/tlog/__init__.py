"""The transparency log: entries, tiles, proofs, the one who writes it, those who witness and audit it."""
