"""The store on SQLite and PostgreSQL."""

from lumen_workers.adapters.store.look import StoreLook, inspect_store
from lumen_workers.adapters.store.store import SqlStore, open_simulation, open_store

__all__ = ["SqlStore", "StoreLook", "inspect_store", "open_simulation", "open_store"]
