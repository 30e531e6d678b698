"""How the command line runs a command: its module is imported when it runs, and not before."""

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


def split(names: str | None) -> list[str] | None:
    """`a, b` as a list; None stays None.

    >>> split("a, b"), split(None)
    (['a', 'b'], None)
    """
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]
