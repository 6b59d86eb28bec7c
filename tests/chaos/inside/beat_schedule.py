"""The shipped schedule, for the processes of the chaos suite; reading it also puts the holds into them."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().with_name("holds.py")))["install"]()

SCHEDULE = runpy.run_path(os.environ["CHAOS_SCHEDULE"])["SCHEDULE"]
