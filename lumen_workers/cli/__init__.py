"""The `lumen` command."""
