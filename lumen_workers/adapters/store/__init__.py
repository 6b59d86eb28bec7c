"""The store on SQLite and PostgreSQL."""

from lumen_workers.adapters.store.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store"]
