"""A log that cheats, asked over HTTP by both verifiers: rolled back, forked, cut off, silent."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attacks.both import one_file, package, verify_lumen
from attacks.corpus import Asked
from attacks.forge import NOW, ORIGIN, Forge, b64, leaf, make_day, tree

from lumen_workers.adapters.tlog import HttpLog


class Served:
    """Static files in ``folder``, over HTTP on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

        self.folder = folder
        handler = functools.partial(Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def lay(self, forge: Forge, entries: list[bytes]) -> None:
        """Checkpoint, tiles and bundles of these entries, as a log of this key would have them."""
        hashes = [leaf(item) for item in entries]
        text = f"{ORIGIN}\n{len(entries)}\n{b64(tree(hashes))}\n"
        (self.folder / "checkpoint").write_bytes((text + "\n" + forge.log.line(text)).encode())
        for number in range(0, len(entries), 256):
            bundle = b"".join(len(item).to_bytes(2, "big") + item for item in entries[number : number + 256])
            self.put("entries", number // 256, len(entries[number : number + 256]), bundle)
        level = 0
        while hashes:
            for number in range(0, len(hashes), 256):
                part = hashes[number : number + 256]
                self.put(str(level), number // 256, len(part), b"".join(part))
            full = len(hashes) // 256
            hashes = [tree(hashes[n * 256 : n * 256 + 256]) for n in range(full)]
            level += 1
        (self.folder / "trust.json").write_bytes(forge.trust_file())

    def put(self, level: str, number: int, width: int, data: bytes) -> None:
        path = self.folder / "tile" / level / (f"{number:03d}" if width == 256 else f"{number:03d}.p/{width}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "www").mkdir()
    made = Served(tmp_path / "www")
    yield made
    made.close()


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    make_day(tmp_path / "2026-05-09")
    made = Forge(tmp_path / "2026-05-09", leaves=(300, 30))
    made.data = made.build()  # type: ignore[attr-defined]
    return made


def reasons(forge: Forge, served: Served) -> set[str]:
    data: bytes = forge.data  # type: ignore[attr-defined]
    results = [
        package(data, forge, Asked(), HttpLog(served.url)),
        one_file(data, forge, Asked(), verify_lumen.Log(served.url)),
    ]
    assert all(result["ok"] == (result["reason"] == "") for result in results)
    return {result["reason"] for result in results}


def more(count: int) -> list[bytes]:
    return [f"later {number}".encode() for number in range(count)]


@pytest.mark.parametrize("grown", [0, 1, 181, 182, 400])
def test_a_log_that_only_grew(forge: Forge, served: Served, grown: int) -> None:
    served.lay(forge, [*forge.entries, *more(grown)])
    assert reasons(forge, served) == {""}


def _rolled_back(forge: Forge, served: Served) -> None:
    served.lay(forge, forge.entries[:310])


def _forked(forge: Forge, served: Served) -> None:
    served.lay(forge, [b"another first", *forge.entries[1:], *more(5)])


def _another_entry(forge: Forge, served: Served) -> None:
    # The tree is the promised one; the bundle has something else in the entry's place.
    served.lay(forge, forge.entries)
    path = served.folder / "tile" / "entries" / "001.p" / "75"
    data = path.read_bytes()
    assert forge.entries[300] in data
    path.write_bytes(data.replace(b"attestation", b"attestatiox"))


def _no_tile(forge: Forge, served: Served) -> None:
    served.lay(forge, [*forge.entries, *more(9)])
    (served.folder / "tile" / "0" / "001.p" / "84").unlink()


def _short_tile(forge: Forge, served: Served) -> None:
    served.lay(forge, [*forge.entries, *more(9)])
    path = served.folder / "tile" / "0" / "001.p" / "84"
    path.write_bytes(path.read_bytes()[:-32])


def _short_bundle(forge: Forge, served: Served) -> None:
    served.lay(forge, forge.entries)
    path = served.folder / "tile" / "entries" / "001.p" / "75"
    path.write_bytes(path.read_bytes()[:100])


def _wrong_tile(forge: Forge, served: Served) -> None:
    served.lay(forge, [*forge.entries, *more(9)])
    (served.folder / "tile" / "1" / "000.p" / "1").write_bytes(bytes(32))


def _another_key(forge: Forge, served: Served) -> None:
    served.lay(Forge(forge.folder), forge.entries)


def _nothing(forge: Forge, served: Served) -> None:
    pass


def _garbage(forge: Forge, served: Served) -> None:
    (served.folder / "checkpoint").write_bytes(b"\xff" * 100)


@pytest.mark.parametrize(
    ("lay", "reason"),
    [
        (_rolled_back, "log_rolled_back"),
        (_forked, "log_forked"),
        (_another_entry, "entry_mismatch"),
        (_no_tile, "log_truncated"),
        (_short_tile, "log_truncated"),
        (_short_bundle, "log_truncated"),
        (_wrong_tile, "log_truncated"),
        (_another_key, "checkpoint_signature_invalid"),
        (_nothing, "log_unreachable"),
        (_garbage, "checkpoint_malformed"),
    ],
)
def test_a_log_that_cheats(forge: Forge, served: Served, lay: Callable[[Forge, Served], None], reason: str) -> None:
    lay(forge, served)
    assert reasons(forge, served) == {reason}


def test_nobody_answers(forge: Forge, served: Served) -> None:
    served.lay(forge, forge.entries)
    closed = Served(served.folder)
    closed.close()
    closed.folder = served.folder
    assert reasons(forge, closed) == {"log_unreachable"}


def entry(served: Served, index: int, root: str, *words: str) -> dict[str, Any]:
    args = verify_lumen.arguments(["--tlog", served.url, "--index", str(index), "--root", root, *words])
    found: dict[str, Any] = verify_lumen.log_entry(args, NOW)
    return found


def test_an_entry_of_a_log(forge: Forge, served: Served) -> None:
    served.lay(forge, [*forge.entries, *more(9)])
    root = forge.root.fingerprint
    told = entry(served, 300, root, "--artifact", str(forge.path))
    assert (told["ok"], told["artifact"]["verdict"], told["size"]) == (True, "VALID", 340), told["checks"]
    assert entry(served, 300, root)["ok"]
    assert entry(served, 0, root)["reason"] == "entry_malformed"
    assert entry(served, 340, root)["reason"] == "index_out_of_range"
    assert entry(served, 300, "ab" * 32)["reason"] == "root_mismatch"
    (served.folder / "trust.json").write_bytes(Forge(forge.folder, root=forge.root).trust_file())
    assert entry(served, 300, root)["reason"] == "checkpoint_signature_invalid"
    (served.folder / "trust.json").write_bytes(b"{}")
    assert entry(served, 300, root)["reason"] == "trust_malformed"
