"""Self-tuning (S11): decide from recorded inputs, change one rule, watch it, confirm it or take it back."""
