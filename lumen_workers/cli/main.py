"""Entry of the `lumen` command: global options, the command tree, and one line for every error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from lumen_workers.cli import archive, data, effects, loop, rules, runs, system
from lumen_workers.domain.errors import LumenError

app = typer.Typer(
    name="lumen",
    help="Watch a running loop, change its rules safely, prove what each change did.",
    epilog="All commands take --home DIR (else LUMEN_HOME, else ./var) and --debug, before or after the command.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
system.register(app)
app.add_typer(rules.app, name="rules")
app.add_typer(loop.app, name="loop")
app.add_typer(effects.app, name="effects")
app.add_typer(effects.quotes, name="quotes")
app.add_typer(effects.risks, name="risks")
runs.register(app)
app.add_typer(runs.app, name="runs")
app.add_typer(runs.letters, name="letters")
app.add_typer(archive.app, name="archive")
data.register(app)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 the answer is no, 2 wrong usage, then a code for each failure class."""
    arguments, debug = take_globals(sys.argv[1:] if argv is None else argv)
    try:
        app(args=arguments, prog_name="lumen")
    except LumenError as error:
        if debug:
            raise
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of a pipe has gone; what is left to print has no taker.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        from lumen_workers.pipelines.failures import EXIT_CODES, classify

        fail(f"{type(error).__name__}: {error}; more with --debug", EXIT_CODES[classify(error)])


def take_globals(argv: Sequence[str]) -> tuple[list[str], bool]:
    """Take ``--home`` and ``--debug`` out of the arguments, wherever they stand before a ``--``."""
    rest: list[str] = []
    debug = False
    items = iter(argv)
    for item in items:
        if item == "--":
            rest += [item, *items]
        elif item == "--debug":
            debug = True
        elif item == "--home" or item.startswith("--home="):
            value = item[7:] if item.startswith("--home=") else next(items, "")
            if not value:
                fail("--home needs a folder", 2)
            os.environ["LUMEN_HOME"] = value
        else:
            rest.append(item)
    return rest, debug


def fail(message: str, code: int) -> None:
    """One line on standard error, then exit."""
    sys.stderr.write(f"lumen: {' '.join(message.split())}\n")
    sys.exit(code)
