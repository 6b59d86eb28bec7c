"""Checkpoints: the published example, and what is refused."""

from __future__ import annotations

import pytest

from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint, parse_hash, parse_size

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
EXAMPLE = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"


def test_the_published_example() -> None:
    found = parse_checkpoint(EXAMPLE)
    assert (found.origin, found.size, len(found.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert found.text() == EXAMPLE


def test_extension_lines_are_tolerated_and_not_read() -> None:
    assert parse_checkpoint(f"{EXAMPLE}one\ntwo three\n") == parse_checkpoint(EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        EXAMPLE[:-1],
        EXAMPLE + "\n",
        f"{EXAMPLE}\nextension\n",
        f"\n20852163\n{ROOT}\n",
        "example.com/log\n20852163\n",
        f"example.com/log\n020852163\n{ROOT}\n",
        f"example.com/log\n00\n{ROOT}\n",
        f"example.com/log\n+1\n{ROOT}\n",
        f"example.com/log\n-1\n{ROOT}\n",
        f"example.com/log\n 1\n{ROOT}\n",
        f"example.com/log\n1_0\n{ROOT}\n",
        f"example.com/log\n١\n{ROOT}\n",
        f"example.com/log\n0x1\n{ROOT}\n",
        f"example.com/log\n{2**63}\n{ROOT}\n",
        f"example.com/log\n1\n{ROOT[:-1]}\n",
        f"example.com/log\n1\n{ROOT[:-2]}J=\n",
        f"example.com/log\n1\n{ROOT} \n",
        f"example.com/log\n1\n{ROOT.replace('/', '_')}\n",
        "example.com/log\n1\nAAAA\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|size|hash|base64"):
        parse_checkpoint(text)


def test_the_ends_of_sizes() -> None:
    assert [parse_size("0"), parse_size(str(2**63 - 1))] == [0, 2**63 - 1]
    assert Checkpoint("a", 0, bytes(32)).text().splitlines()[1] == "0"


def test_a_hash_has_32_bytes() -> None:
    assert parse_hash("A" * 43 + "=") == bytes(32)
    for text in ("A" * 44, "", "A" * 42 + "=="):
        with pytest.raises(ValueError, match=r"hash|base64"):
            parse_hash(text)
