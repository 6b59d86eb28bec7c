"""Snapshots of a day: their file forms, freezing and verifying."""
