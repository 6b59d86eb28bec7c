"""Certificates: the root's authority, what it issues and revokes, what it vouches for, and a home's share of it."""
