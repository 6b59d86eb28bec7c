"""Dispatchers: how messages reach the lanes."""
