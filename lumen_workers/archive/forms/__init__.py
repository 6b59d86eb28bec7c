"""The SPEC file forms of a loop: written from the store, read back without loss."""

from lumen_workers.archive.forms.exporter import export_loop
from lumen_workers.archive.forms.importer import import_dir
from lumen_workers.archive.forms.outcome import FileReport, ImportReport

__all__ = ["FileReport", "ImportReport", "export_loop", "import_dir"]
