"""What some events need of the machine."""

from __future__ import annotations

import subprocess
import tempfile

from chaos.harness.region import faketime


def cannot_mount() -> str:
    """Why no small file system can be made here; empty: it can."""
    with tempfile.TemporaryDirectory(prefix="lumen-mount-") as folder:
        try:
            command = ["mount", "-t", "tmpfs", "-o", "size=1m", "lumen-mount", folder]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return "there is no mount program"
        if made.returncode:
            return f"a work folder of its own size needs the right to mount ({made.stderr.strip()})"
        subprocess.run(["umount", folder], check=True)
    return ""


def no_faketime() -> str:
    """Why no clock can be set for some processes only; empty: it can."""
    return "" if faketime() else "libfaketime is not installed (the package faketime)"
