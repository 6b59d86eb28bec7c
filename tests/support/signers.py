"""Keys elsewhere, for tests: commands that sign with OpenSSL, and a real token (SoftHSM2)."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.servers import missing

from lumen_workers.cli.main import main
from lumen_workers.trust.pki.upkeep import public_from
from lumen_workers.trust.signers.base import ElsewhereSigner
from lumen_workers.trust.signers.command import CommandDevice

REGION = "ap-northeast-2"
ROOT = Path(__file__).resolve().parents[2]

_ALGORITHMS = {
    "ed25519": ("-algorithm", "ed25519"),
    "p256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
}
_ENV = {"PATH": os.environ.get("PATH", os.defpath)}

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
_MAKE_KEYS = """
import sys, pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

KINDS = {"p256": (KeyType.EC, "secp256r1"), "p384": (KeyType.EC, "secp384r1"),
         "ed25519": (KeyType.EC_EDWARDS, "1.3.101.112")}
with pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2]).open(user_pin=sys.argv[3], rw=True) as session:
    for name in sys.argv[4:]:
        label, _, kind = name.partition("=")
        kind, curve = KINDS[kind or label]
        params = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        session.create_domain_parameters(kind, params, local=True).generate_keypair(store=True, label=label)
"""


def openssl(folder: Path, *words: str) -> bytes:
    return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True).stdout


def make_key(folder: Path, kind: str) -> None:
    """``key.pem`` and ``public.pem`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    openssl(folder, "genpkey", *_ALGORITHMS[kind], "-out", "key.pem")
    openssl(folder, "pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def openssl_command(folder: Path, kind: str) -> Path:
    """The script of docs/operations.md, at ``folder``/sign, for the key there."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8").split("### Keys elsewhere")[1]
    shown = page[page.index("#!/bin/sh\n") : page.index("```", page.index("#!/bin/sh\n"))]
    body = shown.removeprefix("#!/bin/sh\n").replace("/secure/key.pem", str(folder / "key.pem"))
    assert "/secure" not in body
    return script(folder / "sign", body.replace(" -in ", " -rawin -in ") if kind == "ed25519" else body)


def command_signer(folder: Path, command: str = "sign", *, limit_s: float = 20) -> ElsewhereSigner:
    """What signs with ``folder``'s command for the key ``public.pem`` beside it."""
    public = public_from((folder / "public.pem").read_text())
    return ElsewhereSigner(CommandDevice([str(folder / command)], env=_ENV, limit_s=limit_s), public)


@dataclass(frozen=True, kw_only=True)
class SoftToken:
    """A SoftHSM2 token in a folder of its own."""

    module: str
    label: str
    pin: str
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def make_keys(self, *names: str) -> None:
        """Keys ``label=kind``, or ``kind`` labelled by it: p256, p384, ed25519."""
        words = [sys.executable, "-c", _MAKE_KEYS, self.module, self.label, self.pin, *names]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, **self.env})

    def python(self, code: str, *words: str) -> str:
        """What a process of its own prints: a PKCS#11 library is a process's, and stays in it."""
        ran = subprocess.run(
            [sys.executable, "-c", code, self.module, str(self.folder / "lock"), *words],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


def soft_token(folder: Path) -> SoftToken:
    """A token ``lumen`` with a P-256 key ``p256`` and an Ed25519 key ``ed25519``."""
    module = next((path for path in _MODULES if Path(path).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        missing("softhsm2")
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    token = SoftToken(module=module, label="lumen", pin="482913", folder=folder)
    words = ["softhsm2-util", "--init-token", "--free", "--label", token.label, "--pin", token.pin, "--so-pin", "0000"]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, **token.env})
    token.make_keys("p256", "ed25519")
    return token


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A home whose region may sign elsewhere."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def root(self) -> str:
        """The fingerprint of its root."""
        manifest = json.loads((self.home / "trust" / "chain_manifest.json").read_text())
        return str(manifest["root_fingerprint_sha256"])

    def configure(self, entry: Mapping[str, object] | None) -> None:
        (self.folder / "configs").mkdir(exist_ok=True)
        signers = {} if entry is None else {REGION: entry}
        (self.folder / "configs" / "lumen.yaml").write_text(json.dumps({"regions": [REGION], "signers": signers}))

    def run(self, *words: str) -> Ended:
        """`lumen` in this process."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self._env.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            try:
                main(words)
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code=code, said=out.getvalue() + err.getvalue())

    def apart(self, *words: str, program: Sequence[str] = ("-m", "lumen_workers"), **env: str) -> Ended:
        """`lumen`, or another program, in a process of its own."""
        ran = subprocess.run(
            [sys.executable, *program, *words],
            cwd=self.folder,
            env={**os.environ, **self._env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Ended(code=ran.returncode, said=ran.stdout + ran.stderr)

    def call(self, *words: str) -> str:
        """`lumen`, if it says yes."""
        ended = self.run(*words)
        assert ended.code == 0, (words, ended.said)
        return ended.said

    def stranger(self, name: str) -> Ended:
        """The one-file verifier on ``name``, with nothing but the root's fingerprint."""
        return self.apart(name, "--root", self.root, program=(str(ROOT / "verify_lumen.py"),))

    @property
    def _env(self) -> dict[str, str]:
        return {"LUMEN_CONFIGS": str(self.folder / "configs"), "LUMEN_HOME": str(self.home)}
