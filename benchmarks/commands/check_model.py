"""`unlearn-bench check-model`: does a model of one's own fit, and which methods take it."""

import typer

from unlearn_bench.benchmarks.checkup.checkup import check_model
from unlearn_bench.benchmarks.referee.conditions import choose_device

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def execute(*, model: str, device: str) -> int:
    """Check it, line by line; 0 if it can be used, 1 if an error was found."""
    found = check_model(model, device=choose_device(device), say=_show)
    counted = ", ".join(f"{found.count(verdict)} {verdict}s" for verdict in ("error", "warning"))
    typer.echo(f"\n{'not usable yet' if found.errors else 'usable'}: {counted}")
    return 1 if found.errors else 0


def _show(line: str) -> None:
    """The verdict in its colour, on a terminal; plain text elsewhere."""
    verdict, _, rest = line.partition(" ")
    colour = _COLOURS.get(verdict)
    typer.echo(f"{typer.style(verdict, fg=colour)} {rest}" if colour else line)
