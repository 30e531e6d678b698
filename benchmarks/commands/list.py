"""`unlearn-bench list`: what is registered, without importing torch."""

from collections.abc import Callable

import typer
from tabulate import tabulate

from unlearn_bench.benchmarks.data.sources import known_datasets
from unlearn_bench.benchmarks.suites.suite import known_suites
from unlearn_bench.errors import unknown
from unlearn_bench.metrics.shared.attacks import STANDARD, standard_metrics
from unlearn_bench.models.names import list_models
from unlearn_bench.registry import catalogue


def execute(*, what: str) -> int:
    """Print one table."""
    tables: dict[str, Callable[[], tuple[list[str], list[list[str]]]]] = {
        "methods": _methods,
        "datasets": _datasets,
        "suites": lambda: (["suite", "what it is"], [[name, text] for name, text in known_suites().items()]),
        "models": lambda: (["model", "what it is"], [[item.name, item.summary] for item in list_models()]),
        "metrics": _metrics,
    }
    if what not in tables:
        raise unknown("list", what, tables)
    headers, rows = tables[what]()
    typer.echo(tabulate(rows, headers=headers, tablefmt="simple"))
    return 0


def _methods() -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            entry.name,
            str(entry.facts.get("access", "")),
            str(entry.facts.get("kind", "method")),
            entry.summary,
        ]
        for entry in catalogue("methods").values()
    ]
    return ["method", "access", "kind", "what it does"], rows


def _datasets() -> tuple[list[str], list[list[str]]]:
    rows = [[entry.name, str(entry.facts.get("licence", "")), entry.summary] for entry in known_datasets().values()]
    rows.append(["folder:/path", "yours", "one folder per class, perhaps under train/ and test/"])
    rows.append(
        ["domains:/path", "yours", "<domain>/<class>/ folders (PACS, Office-Home, DomainNet); forget dog@sketch"]
    )
    rows.append(["captions:/path", "yours", "images with captions (Flickr30k's files); ?captions=FILE&topic=WORD"])
    rows.append(
        [
            "hf:owner/name",
            "its owner's",
            "an image dataset of the Hugging Face hub; ?image=..&label=..&domain=.. for its columns",
        ]
    )
    return ["dataset", "licence", "what it is"], rows


def _metrics() -> tuple[list[str], list[list[str]]]:
    rows = [
        [entry.name, str(entry.facts.get("unit", "")), str(entry.facts.get("direction", "")), entry.summary]
        for entry in catalogue("metrics").values()
    ]
    rows.append([STANDARD, "", "", f"a name for the attacks on what was forgotten: {', '.join(standard_metrics())}"])
    return ["metric", "unit", "better", "what it is"], rows
