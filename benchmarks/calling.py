"""How the command line calls its commands, and how it reads lists of names; nothing heavy is imported here."""

import csv
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer


def execute(command: str, **options: Any) -> None:  # noqa: ANN401  (each command has its own options)
    """Run `commands/<command>.py`, whose `execute` returns the exit code; an interruption is 130."""
    try:
        module = import_module(f"unlearn_bench.benchmarks.commands.{command}")
        code = module.execute(**options)
    except KeyboardInterrupt:  # caught here, since Typer would end without a word
        typer.echo("interrupted; finished cells are kept, and the same command goes on from here", err=True)
        code = 130
    raise typer.Exit(code)


def split_names(names: str | None) -> list[str] | None:
    """`a, b` as a list; None stays None. Double quotes hold a name with commas together.

    >>> split_names('tench, "salt, pepper" ,cat'), split_names(None)
    (['tench', 'salt, pepper', 'cat'], None)
    """
    if names is None:
        return None
    try:
        fields = next(csv.reader([names.replace("\n", " ")], skipinitialspace=True), [])
    except csv.Error:  # a carriage return in a name
        fields = names.split(",")
    return [name.strip() for name in fields if name.strip()]


def all_names(given: Sequence[str] | None) -> list[str] | None:
    """What an option that may be repeated was given, as it was typed; None where it was not given.

    >>> all_names([]), all_names(["a, b", "c"])
    (None, ['a, b', 'c'])
    """
    return list(given) if given else None
