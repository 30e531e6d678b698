"""What methods cost: medians of comparable runs, marks on the others, and how much they were tuned."""

from dataclasses import replace

import pytest

from tests.leaderboards.examples import cell, ended, extras, identity, only, sweep, with_extra
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.tables import costs
from unlearn_bench.leaderboards.tables.tables import costs_of


def test_costs_are_medians_of_what_was_measured() -> None:
    seconds = iter([1.0, 9.0, 2.0])
    records = [
        replace(item, measurements=(*item.measurements, *extras(item.run.dataset, next(seconds)))) for item in sweep()
    ]
    headers, rows = costs.table(only(records))
    found = dict(zip(headers, rows[0], strict=True))
    assert found == {
        "method": "lip", "access": "ZS", "method, s": "2.00", "synthesis, s": "0.50", "peak memory, MiB": "123.4",
        "changed scalars": "0.250", "changed tensors": "0.125", "relative change": "0.010",
        "tuned parameters": "-", "tuning trials": "40",
    }  # fmt: skip
    records[0] = ended(records[0], "failed", "x")
    assert costs.table(only(records))[0] == ("method", "access", *costs.TUNING)


@pytest.mark.parametrize(
    ("preset", "tuned", "trials"),
    [
        ({"source": "tuned", "trials": 16, "tuned_parameters": 2}, "2 of 3", "16"),
        ({"source": "tuned", "budget": 12, "tuned_parameters": 1}, "1 of 3", "12"),
        ({"source": "default"}, "0 of 3", "0"),
        ({"source": "paper", "trials": 16}, "-", "-"),
        ({"source": "paper-per-class"}, "-", "-"),
        ({"source": "given"}, "-", "-"),
    ],
)
def test_what_was_tuned_and_with_how_many_trials(preset: dict[str, object], tuned: str, trials: str) -> None:
    table = costs_of(only(sweep(preset=preset)))
    assert (cell(table, "lip", "tuned parameters"), cell(table, "lip", "tuning trials")) == (tuned, trials)


def test_nothing_to_tune_and_records_that_differ() -> None:
    assert costs.tuning(only(identity()).rows[0]) == (0, 0)
    records = sweep(preset={"source": "tuned", "trials": 16, "tuned_parameters": 2})
    records[0] = replace(records[0], preset={"source": "default"})
    assert costs.tuning(only(records).rows[0]) == (None, None)


def test_conditions_are_those_of_most_quiet_runs() -> None:
    records = sweep(seconds=1.0) + [
        replace(item, provenance={**item.provenance, "device": "H200"}) for item in sweep("fast", seconds=0.1)[:1]
    ]
    board = only(records)
    done = sum(len(row.records) for row in board.rows)
    assert costs.Costs(board).conditions == ("cpu x86_64", "1", "2")
    assert f"the machine's load was not measured ({done - 1} of {done} runs)" in costs.Costs(board).caption
    loud = [replace(item, provenance={**item.provenance, "contended": True}) for item in records]
    spent = costs.Costs(only(loud))
    assert spent.conditions is None
    assert "*: measured under other conditions or with neighbours, not comparable." in spent.caption
    assert "Seconds:" not in spent.caption
    assert spent.shown(only(loud).rows[0], "seconds", "method") == "1.00*"


def with_load(records: list[Record], *shares: float) -> list[Record]:
    return [
        replace(item, provenance={**item.provenance, "others_cpu_share": share})
        for item, share in zip(records, shares, strict=True)
    ]


def test_nothing_else_running_is_said_where_it_was_measured() -> None:
    quiet = with_load(sweep(seconds=1.0), 0.0, 0.04, 0.1)
    said = costs.Costs(only(quiet)).caption
    assert "threads 2, nothing else running: other processes used at most 10% of the cores (3 of 3 runs). " in said
    partly = costs.Costs(only([*quiet[:1], *sweep(seconds=1.0)[1:]])).caption
    assert "the machine's load was measured in 1 (3 of 3 runs)" in partly


def test_a_busy_machine_is_company() -> None:
    busy = with_load(sweep("busy", seconds=5.0), 0.5, 0.9, 0.11)
    board = only([*busy, *with_load(sweep("calm", seconds=1.0), 0.0, 0.0, 0.0)])
    spent = costs.Costs(board)
    assert {row.label: spent.shown(row, "seconds", "method") for row in board.rows} == {
        "busy": "5.00*",
        "calm": "1.00",
    }
    assert "at most 0% of the cores (3 of 6 runs)" in spent.caption


def test_memory_compares_where_records_say_that_it_was_counted_alike() -> None:
    def counted(records: list[Record], *, memory: str, mib: float) -> list[Record]:
        return [
            with_extra(
                replace(item, provenance={**item.provenance, "memory": memory}), ("peak-memory", "all", None, mib)
            )
            for item in records
        ]

    silent = [
        replace(item, provenance={name: value for name, value in item.provenance.items() if name != "memory"})
        for item in sweep("old")
    ]
    old = [with_extra(item, ("peak-memory", "all", None, 0.0)) for item in silent]
    spent = costs.Costs(only(old))
    assert (spent.counting, spent.shown(spent.board.rows[0], "peak-memory", "all")) == (None, "0.0*")
    assert "Peak memory:" not in spent.caption

    new = counted(sweep("new"), memory="pages of its own", mib=8.25)
    half = [*counted(sweep("half")[:2], memory="pages of its own", mib=3.0), *old[2:]]
    half = [replace(item, run=replace(item.run, method="half")) for item in half]
    grown = counted(sweep("grown")[:1], memory="growth of the process", mib=1.0) + sweep("grown")[1:]
    board = only([*old, *new, *half, *grown])
    spent = costs.Costs(board)
    assert spent.counting == ("cpu x86_64", "pages of its own")
    assert "Peak memory: cpu x86_64, pages of its own; above what was held before" in spent.caption
    headers, rows = costs.table(board)
    found = {row[0]: row[headers.index("peak memory, MiB")] for row in rows}
    assert found == {"old": "0.0*", "new": "8.2", "half": "3.0", "grown": "1.0*"}
