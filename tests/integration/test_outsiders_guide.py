"""What docs/outsiders.md tells a stranger to type works on a real day, and says no to a day that was changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.contexts import A, World
from support.day import DAY, full_day

from lumen_workers.engine.attesting import log_folder
from lumen_workers.pipelines.tasks import TASKS
from lumen_workers.web.listen import bind, server_of
from lumen_workers.web.tlog import make_log_app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "outsiders.md").read_text("utf-8")
OWN, OTHERS = PAGE.split("## With other people's tools")
BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)


HARM = """python3 - "$DAY/$REGION.lumen.json" <<'END'
import base64, json, pathlib, sys
path = pathlib.Path(sys.argv[1])
evidence = json.loads(path.read_bytes())
{change}
path.write_text(json.dumps(evidence))
END"""
ANOTHER_VERSION = """payload = base64.b64decode(evidence["trust"]["payload"]).replace(b'"version":', b'"version":1')
evidence["trust"]["payload"] = base64.b64encode(payload).decode()"""
ANOTHER_SIGNATURE = """at = -9
other = "A" if evidence["proof"][at] != "A" else "B"
evidence["proof"] = evidence["proof"][:at] + other + evidence["proof"][at + 1 :]"""


@dataclass
class Stranger:
    """A folder with verify_lumen.py, a copy of the day, and a shell."""

    folder: Path
    env: dict[str, str]

    def types(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    world = World(tmp_path / "world", regions=(A,))
    full_day(world.store, events=6)
    run_id = TASKS["lumen.daily"].run(world.context(), {"day": DAY.isoformat()})
    while world.outbox.sent:
        message = world.outbox.sent.pop(0)
        TASKS[message.task].run(world.context(message.region), message.payload)
    assert world.store.runs.get(run_id).winner
    log, trust = log_folder(world.folder / "trusted"), world.folder / "trusted" / "trust" / "trust.json"
    with bind("127.0.0.1", 0) as listener:
        server = server_of(make_log_app(log, trust))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        folder = tmp_path / "stranger"
        (folder / "bin").mkdir(parents=True)
        shutil.copy(ROOT / "verify_lumen.py", folder)
        shutil.copytree(world.folder / "archive" / str(DAY), folder / "day")
        (folder / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (folder / "bin" / "python3").chmod(0o755)
        yield Stranger(
            folder,
            {
                "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "DAY": str(folder / "day"),
                "ROOT": world.roots()[0],
                "REGION": A,
                "LOG": f"http://127.0.0.1:{listener.getsockname()[1]}",
                "INDEX": "0",
            },
        )
        server.should_exit = True
        thread.join()
    world.close()


def script(part: str) -> str:
    """Every block of a part of the page, in order. The world's clock stands in February 2026: so does theirs."""
    text = "\n".join(BLOCKS.findall(part))
    return text.replace("openssl verify ", "openssl verify -attime 1769915400 ")


def test_other_peoples_tools_say_yes(stranger: Stranger) -> None:
    ran = stranger.types(script(OTHERS))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "signer.pem: OK" in ran.stdout
    assert f"URI:urn:lumen:region:{A}" in ran.stdout
    assert ran.stdout.count("Signature Verified Successfully\n") == 2
    assert "Verified OK\n" in ran.stdout
    assert ran.stdout.count(" OK\n") >= 3
    assert "entry 0 is under its root" in ran.stdout
    assert '"rootHash"' in ran.stdout


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("echo x >>$DAY/bundle.tar.gz", "AssertionError: bundle.tar.gz"),
        ("export ROOT=00", ""),
        ('sed -i \'s/"sig": "./"sig": "x/\' $DAY/$REGION.lumen.json', "Signature Verification Failure"),
        (HARM.format(change=ANOTHER_VERSION), "Verification failure"),
        (HARM.format(change=ANOTHER_SIGNATURE), "Verified OK\nSignature Verification Failure"),
    ],
)
def test_other_peoples_tools_say_no(stranger: Stranger, harm: str, said: str) -> None:
    ran = stranger.types(f"{harm}\n{script(OTHERS)}")
    assert ran.returncode != 0
    assert said in ran.stdout + ran.stderr


def test_the_one_file_says_yes(stranger: Stranger) -> None:
    # The day was attested in February 2026 under a development root: years later its list has ended, and it says so.
    blocks = BLOCKS.findall(OWN)
    assert len(blocks) == 2
    clock = "faketime '2026-02-01 03:30:00Z'"
    ran = stranger.types(re.sub(r"^python3 ", f"{clock} python3 ", "\n".join(blocks), flags=re.M))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("NO_TIME, signed by") == 2
    assert ran.stdout.rstrip().endswith("ok")
