"""The evidence file: one file with which a stranger can say yes or no, and why (docs/evidence.md)."""
