"""Typed settings: the only reader of environment variables and YAML files."""

from lumen_workers.config.settings import Settings, load

__all__ = ["Settings", "load"]
