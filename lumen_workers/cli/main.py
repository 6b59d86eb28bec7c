"""Entry of the `lumen` command: global options, the command tree, and one line for every error."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from lumen_workers.cli import (
    alarms,
    alert,
    archive,
    attest,
    audit,
    broker,
    control,
    daily,
    data,
    effects,
    enqueue,
    experiment,
    exporter,
    findings,
    gateway,
    impact,
    letters,
    log,
    loop,
    outbox,
    pki,
    rhythm,
    rules,
    runs,
    schedule,
    simulate,
    status,
    system,
    tune,
    verify,
    web,
)
from lumen_workers.domain.errors import LumenError

app = typer.Typer(
    name="lumen",
    help="Watch a running loop, change its rules safely, prove what each change did.",
    epilog="All commands take --home DIR (else LUMEN_HOME, else ./var) and --debug, before or after the command; "
    "`lumen --version` tells the version.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
system.register(app)
status.register(app)
app.add_typer(rules.app, name="rules")
app.add_typer(loop.app, name="loop")
app.add_typer(gateway.app, name="gateway")
app.add_typer(effects.app, name="effects")
app.add_typer(findings.quotes, name="quotes")
app.add_typer(findings.risks, name="risks")
app.add_typer(experiment.app, name="experiment")
tune.register(app)
app.add_typer(rhythm.app, name="rhythm")
simulate.register(app)
impact.register(app)
daily.register(app)
enqueue.register(app)
schedule.register(app)
app.add_typer(runs.app, name="runs")
app.add_typer(letters.app, name="letters")
app.add_typer(outbox.app, name="outbox")
app.add_typer(pki.app, name="pki")
attest.register(app)
verify.register(app)
app.add_typer(log.app, name="log")
control.register(app)
alarms.register(alert.app)
app.add_typer(broker.app, name="broker")
exporter.register(app)
web.register(app)
app.add_typer(archive.app, name="archive")
app.add_typer(audit.app, name="audit")
app.add_typer(alert.app, name="alert")
data.register(app)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and return; exit otherwise: 1 the answer is no, 2 wrong usage, then by class of failure."""
    arguments, debug = take_globals(sys.argv[1:] if argv is None else argv)
    # What is worth a line for people is printed; the log is for whoever looks for the cause of something.
    logging.basicConfig(level=logging.INFO if debug else logging.CRITICAL + 1)
    command = typer.main.get_command(app)
    try:
        with command.make_context("lumen", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        sys.exit(end.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of a pipe has gone; what is left to print has no taker.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except TyperException as error:
        fail(*usage(error))
    except Exception as error:  # noqa: BLE001 — the outermost line: every error becomes one
        if debug:
            traceback.print_exc()
        fail(*told(error))


def take_globals(argv: Sequence[str]) -> tuple[list[str], bool]:
    """Take ``--home`` and ``--debug`` out of the arguments, wherever they stand before a ``--``."""
    rest: list[str] = []
    debug = False
    items = iter(argv)
    for item in items:
        if item == "--version" and not rest:
            from lumen_workers import __version__

            sys.stdout.write(f"lumen {__version__}\n")
            sys.exit(0)
        if item == "--":
            rest += [item, *items]
        elif item == "--debug":
            debug = True
        elif item == "--home" or item.startswith("--home="):
            value = item[7:] if item.startswith("--home=") else next(items, "")
            if not value or value.startswith("--"):
                fail("--home needs a folder", 2)
            os.environ["LUMEN_HOME"] = value
        else:
            rest.append(item)
    return rest, debug


def usage(error: TyperException) -> tuple[str, int]:
    """A mistake in the command line as one line; where nothing was asked for, the help."""
    text = error.format_message().strip().rstrip(".")
    if text.startswith("Usage:"):
        sys.stderr.write(text + "\n")
        sys.exit(2)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lumen"
    return f"{text}{'' if text.endswith('?') else ';'} `{command} --help` tells more", 2


def told(error: Exception) -> tuple[str, int]:
    """The line and the exit code for an error: ours say what to do, others are told by their class."""
    if isinstance(error, LumenError):
        return str(error), error.exit_code
    from lumen_workers.pipelines.failures import EXIT_CODES
    from lumen_workers.pipelines.verdicts import judge

    code = EXIT_CODES[judge(error).error_class]
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "more with --debug"
        return f"{where}{error.strerror}; {mend}", code
    return f"{type(error).__name__}: {error}; more with --debug", code


def fail(message: str, code: int) -> None:
    """One line on standard error, then exit."""
    sys.stderr.write(f"lumen: {' '.join(message.split())}\n")
    sys.exit(code)
