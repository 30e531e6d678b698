"""Which records make the leaderboard of a model, and in what order settings stand."""

from dataclasses import replace

from tests.leaderboards.examples import DIGITS, SHAPES, ended, run, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.statistics.settings import by_settings, last_time, main_settings

FEW, MORE = {"accuracy": 1}, {"accuracy": 1, "linear-probe": 2, "seconds": 1}


def at(time: str, records: list[Record]) -> list[Record]:
    return [replace(item, provenance={**item.provenance, "time": time}) for item in records]


def metrics_of(records: list[Record]) -> list[tuple[str, ...]]:
    """The metrics of each group, in the order in which they stand; of the boards just the same."""
    found = [tuple(sorted(group[0].run.metrics)) for group in by_settings(records)]
    assert [tuple(sorted(board.run.metrics)) for board in boards(records)] == found
    return found


def test_the_most_complete_setting_stands_first() -> None:
    """Whatever its key, and whichever came first: cells that are ok count before metrics, metrics before time."""
    few, more = sweep(metrics=FEW), sweep(metrics=MORE)
    for records in (few + more, more + few):
        assert metrics_of(records) == [tuple(MORE), tuple(FEW)]
        assert metrics_of(at("2026-01-01", few) + at("2025-01-01", more)) == [tuple(MORE), tuple(FEW)]
    assert metrics_of(few + more[:2]) == [tuple(FEW), tuple(MORE)]
    assert metrics_of([*few, more[0], *(ended(item, "failed", "x") for item in more[1:])]) == [
        tuple(FEW),
        tuple(MORE),
    ]


def test_of_equally_complete_ones_the_newest_stands_first() -> None:
    other = tuple(replace(item, template="{}") for item in run().evaluation)
    one, two = sweep(), sweep(evaluation=other)
    for old, new in ((one, two), (two, one)):
        records = at("2025-03-01T00:00:00+00:00", old) + at("2025-03-02T00:00:00+00:00", new)
        (first, second) = by_settings(records)
        assert {record.run.evaluation for record in first} == {new[0].run.evaluation}
        assert last_time(first) == "2025-03-02T00:00:00+00:00" > last_time(second)


def test_only_the_first_of_a_model_makes_its_leaderboard() -> None:
    few, more = sweep(metrics=FEW), sweep(metrics=MORE) + sweep("emb", metrics=MORE)
    main, (aside,) = main_settings(few + more)
    assert set(map(id, main)) == set(map(id, more))
    assert set(map(id, aside.records)) == set(map(id, few))
    assert set(map(id, aside.main)) == set(map(id, more))


def test_other_models_and_suites_have_leaderboards_of_their_own() -> None:
    records = sweep(metrics=FEW) + sweep(metrics=MORE, model="mini-vit") + sweep(metrics=MORE, suite="mini-full")
    main, asides = main_settings(records)
    assert (len(main), asides) == (len(records), ())


def test_what_is_said_nowhere_else_is_no_repetition() -> None:
    """Another method, say a variant that is asked with a template, or a dataset that has metrics of its own."""
    captions = [item for item in sweep(metrics={**MORE, "pair-retrieval": 1}) if item.run.dataset == DIGITS]
    classes = [item for item in sweep(metrics=MORE) if item.run.dataset == SHAPES]
    assert main_settings(captions + classes)[1] == ()
    asked = sweep("asked", evaluation=tuple(replace(item, template="{}") for item in run().evaluation))
    assert main_settings(asked + sweep())[1] == ()
    _, (aside,) = main_settings(asked + sweep() + sweep("asked")[:1])
    assert {record.run.label for record in aside.records} == {"asked"}  # one row of it is among the fuller ones


def test_no_records() -> None:
    assert main_settings([]) == ((), ())
    assert last_time([]) == ""
