"""`lumen attest`: evidence for files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli.output import Json, Region, echo_json

if TYPE_CHECKING:
    from lumen_workers.engine.context import Context
    from lumen_workers.trust.evidence.attest import Attested


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(attest)


def attest(
    files: Annotated[list[Path], typer.Argument(help="What to attest.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="One evidence file for all of them.")] = None,
    split: Annotated[Path | None, typer.Option("--split", help="A folder for the parts, for other tools.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an evidence file that is there.")] = False,
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Sign files and log that: FILE.lumen.json beside each holds all that a stranger needs to verify it, offline."""
    from lumen_workers.cli import open as opened
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.evidence.form import SUFFIX

    groups = [(output, files)] if output else [(path.with_name(path.name + SUFFIX), [path]) for path in files]
    for target, members in groups:
        _check(target, members, force)
    if len({path.resolve() for path in files}) != len(files):
        raise UsageError("a file stands twice")
    if split is not None and len({target.name for target, _ in groups}) != len(groups):
        raise UsageError("two files have one name, and so would their parts; use --split for one at a time")
    made = []
    with opened.context(region) as (ctx, _):
        for target, members in groups:
            one = _attest(ctx, members, target.parent)
            _write(target, one.evidence)
            if split is not None:
                _split(target, one.evidence, split)
            made.append((target, one))
    if as_json:
        echo_json([_row(target, one) for target, one in made])
        return
    for target, one in made:
        typer.echo(f"{target}")
        typer.echo(f"  entry {one.index} of the log {one.origin}")
        typer.echo(f"  verify it with: lumen verify {target} --root {one.root_fingerprint}")


def _check(target: Path, members: list[Path], force: bool) -> None:
    from lumen_workers.domain.errors import NotFound, UsageError

    for path in members:
        if not path.is_file() or path.is_symlink():
            raise NotFound(f"{path} is no plain file")
        if not path.resolve().is_relative_to(target.parent.resolve()):
            raise UsageError(
                f"{path} does not lie below {target.parent}, where the evidence goes; choose another --output"
            )
    if target.exists() and not force:
        raise UsageError(f"{target} exists; --force replaces it")


def _attest(ctx: Context, members: list[Path], folder: Path) -> Attested:
    from lumen_workers import __version__
    from lumen_workers.domain.clock import iso
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.pipelines.provenance import code_of
    from lumen_workers.trust.evidence.plain import digest_of
    from lumen_workers.trust.statement import Material, Statement

    attestor, trace_id, began = ctx.attestor(), new_trace_id(), ctx.store.now()
    names = [path.resolve().relative_to(folder.resolve()).as_posix() for path in members]
    statement = Statement(
        subjects=[
            Material(name=name, sha256=digest_of(path.parent, path.name))
            for name, path in zip(names, members, strict=True)
        ],
        build_type="lumen/attest@v1",
        external={"files": names},
        internal={"region": ctx.region, "trace_id": trace_id, "code_version": ctx.code_version},
        materials=code_of(ctx),
        builder=attestor.identity,
        version=__version__,
        invocation=trace_id,
        started=iso(began),
        finished=iso(ctx.store.now()),
    )
    try:
        return attestor.attest(statement, key=f"attest/{trace_id}", trace_id=trace_id)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _write(target: Path, data: bytes) -> None:
    from lumen_workers.trust.files import replace_file

    replace_file(target, data)


def _split(target: Path, data: bytes, folder: Path) -> None:
    from lumen_workers.trust.evidence.form import SUFFIX, parse_evidence
    from lumen_workers.trust.evidence.split import split

    split(parse_evidence(data), folder, target.name.removesuffix(SUFFIX))


def _row(target: Path, one: Attested) -> dict[str, object]:
    return {
        "evidence": str(target),
        "envelope_sha256": one.envelope_sha256,
        "log": one.origin,
        "index": one.index,
        "root_fingerprint": one.root_fingerprint,
    }
