"""No input makes a verifier fail, say yes to what was changed, or take its time."""

from __future__ import annotations

import base64
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacks.both import ONE_FILE, one_file, package
from attacks.corpus import Asked
from attacks.forge import Forge, Json, make_day
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    folder = tmp_path_factory.mktemp("fuzz") / "2026-05-09"
    make_day(folder)
    return Forge(folder)


@pytest.fixture(scope="module")
def right(forge: Forge) -> bytes:
    return forge.build()


def both(data: bytes, forge: Forge) -> bool:
    """Whether both say yes; they must agree. A witness's line may be taken out, and then there is no time."""
    asked = Asked(policy={"quorum_required": True})
    results = [package(data, forge, asked), one_file(data, forge, asked)]
    assert results[0]["ok"] == results[1]["ok"], (results[0]["reason"], results[1]["reason"])
    assert results[0]["reason"] == results[1]["reason"]
    json.dumps(results)
    ok: bool = results[0]["ok"]
    return ok


@FUZZ
@given(data=st.binary(max_size=2000))
def test_any_bytes(data: bytes, forge: Forge) -> None:
    assert not both(data, forge)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


@FUZZ
@given(value=trees)
def test_any_json(value: Any, forge: Forge) -> None:
    assert not both(json.dumps(value).encode(), forge)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, but the hint that nothing is built on: a key id of the root's documents."""
    if at[:1] == ("trust",) and at[-1] == "keyid":
        return []
    found = [at] if at else []
    if isinstance(value, dict):
        return found + [place for key, item in value.items() for place in places(item, (*at, key))]
    if isinstance(value, list):
        return found + [place for number, item in enumerate(value) for place in places(item, (*at, number))]
    return found


@FUZZ
@given(data=st.data())
def test_any_value_in_the_place_of_another(data: st.DataObject, forge: Forge, right: bytes) -> None:
    value = json.loads(right)
    place = data.draw(st.sampled_from(places(value)))
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    before = inner[place[-1]]
    inner[place[-1]] = data.draw(trees)
    changed = json.dumps(value).encode()
    assert not both(changed, forge) or inner[place[-1]] == before


@FUZZ
@given(data=st.data())
def test_a_bit_of_any_part(data: st.DataObject, forge: Forge, right: bytes) -> None:
    value = json.loads(right)
    texts = [place for place in places(value) if isinstance(at(value, place), str)]
    place = data.draw(st.sampled_from(texts))
    text = at(value, place)
    try:
        raw = bytearray(base64.b64decode(text, validate=True))
    except ValueError:
        raw = bytearray(text.encode())
        wrap: Callable[[bytes], str] = lambda item: item.decode("utf-8", "replace")  # noqa: E731
    else:
        wrap = lambda item: base64.b64encode(item).decode()  # noqa: E731
    if not raw:
        return
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = wrap(bytes(raw))
    assert not both(json.dumps(value, ensure_ascii=False).encode(), forge), place


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _set(value: Json, **changes: Any) -> bytes:
    return json.dumps({**value, **changes}).encode()


def _many_subjects(value: Json) -> bytes:
    names = [{"name": f"f{number}", "digest": {"sha256": "ab" * 32}} for number in range(14_000)]
    payload = base64.b64encode(json.dumps({"subject": names}).encode()).decode()
    return _set(value, envelope={**value["envelope"], "payload": payload})


PROOF = "c2sp.org/tlog-proof@v1\nindex 0\n"
LINE = "— a AAAAAAAA\n"

NASTY: dict[str, Callable[[Json], bytes]] = {
    "deep lists": lambda value: b"[" * 4_000_000,
    "deep objects": lambda value: b'{"a":' * 800_000,
    "a number of millions of digits": lambda value: b'{"a": ' + b"9" * 4_000_000 + b"}",
    "millions of keys": lambda value: b"{" + b",".join(b'"%d":0' % n for n in range(400_000)) + b"}",
    "a long text of escapes": lambda value: b'"' + b"\\u0041" * 600_000 + b'"',
    "a long envelope": lambda value: _set(value, envelope={**value["envelope"], "payload": "A" * 4_000_000}),
    "many subjects": _many_subjects,
    "a long proof": lambda value: _set(value, proof="\n" * 3_900_000),
    "a proof of hashes": lambda value: _set(
        value, proof="c2sp.org/tlog-proof@v1\nindex 0\n" + ("A" * 43 + "=\n") * 85_000
    ),
    "a note of lines": lambda value: _set(value, proof=f"{PROOF}\no\n1\nAA==\n\n{LINE * 250_000}"),
    "long certificates": lambda value: _set(value, certificates=["MIID" + "A" * 250_000] * 15),
    "a long list": lambda value: _set(value, crl="MIID" + "A" * 3_900_000),
    "one thing three times": lambda value: _set(value, certificates=value["certificates"] * 16),
}


@pytest.mark.parametrize("case", NASTY)
def test_it_takes_neither_two_seconds_nor_two_hundred_megabytes(
    case: str, forge: Forge, right: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.lumen.json"
    path.write_bytes(NASTY[case](json.loads(right)))
    code = (
        "import json, resource, runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    sys.stderr.write(json.dumps([end.code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))\n"
    )
    words = [sys.executable, "-c", code, str(ONE_FILE), str(path), "--root", forge.root.fingerprint, "--json"]
    # A process begins with the peak of the one that it was forked from: a small shell stands between.
    words = ["sh", "-c", '"$@"; exit $?', "sh", *words]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, preexec_fn=_limit)
    ended, seconds, mebibytes = json.loads(ran.stderr)
    assert ended == 1, ran.stderr
    assert json.loads(ran.stdout)["ok"] is False
    assert seconds < 2, f"{seconds} s of CPU"
    assert mebibytes < 200, f"{mebibytes} MiB"


def _limit() -> None:
    """A runaway must not take the machine with it."""
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
