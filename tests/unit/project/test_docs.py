"""The pages are true: links, targets, commands, variables, exit codes and reasons are those of the code."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from lumen_workers.archive.faults import Reason
from lumen_workers.cli.main import app
from lumen_workers.config.settings import Environment, variables
from lumen_workers.domain.errors import LumenError
from lumen_workers.pipelines.failures import EXIT_CODES, POLICIES
from lumen_workers.trust.audit.faults import REASONS

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = ROOT / "docs" / "operations.md"

ANYWHERE = {"--home", "--debug"}

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)


def code(path: Path) -> list[str]:
    """What stands in code: spans, and the lines of blocks."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    return [*spans, *(line for block in blocks for line in block.splitlines())]


@page
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", path.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


@page
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for line in code(path):
        if match := re.match(r"make (?:[A-Z_]+=\S+ )*([a-z0-9-]+)", line):
            assert match[1] in targets, line


@page
def test_commands_and_their_options_exist(path: Path) -> None:
    for line in code(path):
        match = re.match(r"(?:\.venv/bin/)?lumen ([a-z].*)", line.split("  #")[0].strip())
        if match:
            check_command(shlex.split(match[1]), line)


def check_command(words: list[str], line: str) -> None:
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        word = words.pop(0)
        assert word in command.commands, f"{line}: there is no {word}"
        command = command.commands[word]
    known = {option for parameter in command.params for option in parameter.opts} | ANYWHERE
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{line}: there is no {word}"


def test_a_command_that_is_not_there_is_found() -> None:
    with pytest.raises(AssertionError, match="there is no fly"):
        check_command(["fly"], "lumen fly")
    with pytest.raises(AssertionError, match="there is no --far"):
        check_command(["daily", "--far"], "lumen daily --far")
    assert isinstance(app, typer.Typer)


def test_every_variable_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(LUMEN_[A-Z_]+)` \| (.+?) \|", OPERATIONS.read_text("utf-8"), re.M))
    assert set(rows) == {f"LUMEN_{name.upper()}" for name in Environment.model_fields}
    for name, field in Environment.model_fields.items():
        if isinstance(field.default, bool | int | float):
            assert float(rows[f"LUMEN_{name.upper()}"].strip("`")) == float(field.default), name


@page
def test_no_page_speaks_of_a_variable_that_nobody_reads(path: Path) -> None:
    known = {*variables(), "LUMEN_QB", "LUMEN_RL"}
    assert set(re.findall(r"\bLUMEN_[A-Z_]+[A-Z]\b", path.read_text("utf-8"))) <= known


def test_every_exit_code_is_documented() -> None:
    def codes(cls: type[LumenError]) -> set[int]:
        return {cls.exit_code}.union(*(codes(child) for child in cls.__subclasses__()))

    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", OPERATIONS.read_text("utf-8"), re.M)}
    assert documented == {0} | codes(LumenError) | set(EXIT_CODES.values())


def test_every_failure_class_has_its_policy_and_its_section() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    shown = {}
    for line in text[text.index("<!-- figures:failures -->") :].splitlines():
        if match := re.match(r"\| `(\w+)` \| (\d+) \| (.*?) \| (\w+) \| (.*?) \|$", line):
            shown[match[1]] = match.groups()[1:]
    assert shown == {
        name: (
            str(policy.reruns),
            ", ".join(f"{seconds:g} s" for seconds in policy.backoff_s[: policy.reruns]) or "–",
            policy.severity.value,
            str(policy.budget) if policy.reruns else "–",
        )
        for name, policy in POLICIES.items()
    }
    for name in POLICIES:
        section = text.split(f"\n### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
        assert [f"\n{word}: " in section for word in ("Means", "Lumen", "You")] == [True] * 3, name


def test_every_reason_for_refusing_a_snapshot_is_documented() -> None:
    text = (ROOT / "docs" / "verification.md").read_text("utf-8")
    table = text[text.index("| Reason |") : text.index("## Without Lumen")]
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1] if line else "")}
    assert named == {reason.value for reason in Reason}


def test_every_fault_of_the_audit_log_is_documented() -> None:
    text = (
        (ROOT / "docs" / "verification.md").read_text("utf-8").split("## Audit log")[1].split("**What it proves.**")[0]
    )
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(REASONS)


def test_picture_is_what_the_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "make_picture.py"))["render"]()
    assert (ROOT / "docs" / "picture.svg").read_text("utf-8") == drawn
