"""Which of a model's records make its leaderboard, where some were measured in other settings than others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.identity import Names


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Records of one setting that are left out of a leaderboard, since fuller ones say the same of their methods.

    Attributes:
        records: of one suite, model and setting. main: those of the leaderboard, of the same suite and model.
    """

    records: tuple[Record, ...]
    main: tuple[Record, ...]


def by_settings(records: Iterable[Record]) -> list[list[Record]]:
    """The records parted into those that may share a board.

    By suite and model; of each, the most complete first: the one with most cells that are ok, then that with most
    metrics, then the newest.
    """
    ordered = sorted(records, key=lambda record: record.run.key)
    groups: dict[str, list[Record]] = {}
    names = Names()
    for record in ordered:
        groups.setdefault(names.of_board(record.run), []).append(record)
    newest = sorted(groups.values(), key=last_time, reverse=True)
    return sorted(newest, key=_precedence)


def main_settings(records: Iterable[Record]) -> tuple[tuple[Record, ...], tuple[Aside, ...]]:
    """The records that leaderboards are made of, and those that are only named beside them.

    Where records of one suite and model (with the same weights) were measured in several settings, the most complete
    ones (`by_settings`) are the main ones, with all others that share no method on the same dataset with them: a
    variant that is asked with another template, or a dataset for which there are other metrics, is said nowhere else.
    """
    chosen: dict[tuple[str, str, str], list[Record]] = {}
    left: list[tuple[Record, ...]] = []
    for group in by_settings(records):
        main = chosen.setdefault(_weights(group), [])
        if _said(group) & _said(main):
            left.append(tuple(group))
        else:
            main.extend(group)
    kept = tuple(record for group in chosen.values() for record in group)
    return kept, tuple(Aside(records=group, main=tuple(chosen[_weights(group)])) for group in left)


def last_time(records: Iterable[Record]) -> str:
    """When the newest of them was measured, in ISO format; empty where none says so (a CSV does not)."""
    return max((str(record.provenance.get("time", "")) for record in records), default="")


def done(records: Iterable[Record]) -> int:
    """How many of them are ok."""
    return sum(record.status == "ok" for record in records)


def _precedence(group: Sequence[Record]) -> tuple[str, str, int, int]:
    return *_model(group), -done(group), -len(group[0].run.metrics)


def _model(group: Sequence[Record]) -> tuple[str, str]:
    return group[0].run.suite, group[0].run.model


def _weights(group: Sequence[Record]) -> tuple[str, str, str]:
    """Two models may have one name."""
    return *_model(group), group[0].run.fingerprint


def _said(records: Iterable[Record]) -> set[tuple[str, str]]:
    return {(record.run.label, record.run.dataset) for record in records}
