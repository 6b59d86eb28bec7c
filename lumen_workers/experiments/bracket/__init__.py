"""Brackets: two values of a rule compared in pairs of periods (A/B, a switchback experiment; S12)."""
