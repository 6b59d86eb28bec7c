"""Hash trees, keys, signatures and pinned fingerprints."""
