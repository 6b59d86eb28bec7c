"""Which class of failure an exception belongs to, and which rule said so. No SDK is imported for it."""

from lumen_workers.pipelines.verdicts.judge import judge

__all__ = ["judge"]
