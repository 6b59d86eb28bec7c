"""Phrases come from a file, the environment or a prompt, never from the command line, which others can read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import SecretStr

PHRASE, CONFIRM = "LUMEN_GATEWAY_PHRASE", "LUMEN_GATEWAY_CONFIRM"

PhraseFile = Annotated[
    Path | None, typer.Option("--phrase-file", help="A file (mode 0600) with the phrase, instead of being asked.")
]
ConfirmFile = Annotated[
    Path | None, typer.Option("--confirm-file", help="The same for the confirm phrase, where it is another one.")
]


def phrase(
    what: str,
    file: Path | None,
    environment: SecretStr | None,
    variable: str,
    *,
    twice: bool = False,
    from_file: bool = True,
) -> str:
    """The phrase. ``from_file``: the command has an option for the file.

    Raises ConfigError for the file, UsageError where nobody can be asked.
    """
    from lumen_workers.config.secrets import read_phrase
    from lumen_workers.domain.errors import UsageError

    if file is not None:
        return read_phrase(file, what)
    if environment is not None:
        return environment.get_secret_value()
    if not sys.stdin.isatty():
        ways = f"give a file (mode 0600) or set {variable}" if from_file else f"set {variable}"
        raise UsageError(f"the {what} is not there and nobody can be asked: {ways}")
    answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return answer
