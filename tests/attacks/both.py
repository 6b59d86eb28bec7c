"""The two verifiers, asked the same."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from attacks.corpus import Asked
from attacks.forge import Forge, Json

from lumen_workers.archive.evidence import check_folder
from lumen_workers.trust.evidence.policy import read_policy
from lumen_workers.trust.evidence.question import LogView, Question
from lumen_workers.trust.evidence.verify import verify_evidence
from lumen_workers.trust.pki.trust_file import parse_trust_file

ONE_FILE = Path(__file__).resolve().parents[2] / "verify_lumen.py"


def load() -> ModuleType:
    """The one-file verifier."""
    spec = importlib.util.spec_from_file_location("verify_lumen", ONE_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_lumen"] = module
    spec.loader.exec_module(module)
    return module


verify_lumen: Any = load()


def package(data: bytes, forge: Forge, asked: Asked, log: LogView | None = None) -> Json:
    """What `lumen verify` finds."""
    question = Question(
        roots=[forge.root.fingerprint] if asked.roots is None else asked.roots,
        now=asked.now,
        folder=forge.folder,
        files=asked.files,
        day=None if asked.day is None else date.fromisoformat(asked.day),
        policy=read_policy(json.dumps(asked.policy).encode()),
        trust_file=None if asked.trust is None else parse_trust_file(asked.trust),
        crl=asked.crl,
        snapshot=check_folder,
        log=log,
    )
    return verify_evidence(data, question).as_json()


def one_file(data: bytes, forge: Forge, asked: Asked, log: Any = None) -> Json:
    """What verify_lumen.py finds."""
    found: Json = verify_lumen.Verifier(
        data,
        roots=[forge.root.fingerprint] if asked.roots is None else asked.roots,
        now=asked.now,
        folder=forge.folder,
        files=asked.files,
        day=asked.day,
        policy=verify_lumen.POLICY | asked.policy,
        trust=None if asked.trust is None else verify_lumen.trust_file(asked.trust),
        crl=asked.crl,
        log=log,
    ).run()
    return found


VERIFIERS = {"package": package, "one file": one_file}
