"""Places that keep published snapshots."""

from lumen_workers.adapters.remotes.local import LocalRemote

__all__ = ["LocalRemote"]
