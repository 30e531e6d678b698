"""What shares a row, what is averaged over what, and who has a mean."""

from dataclasses import replace
from typing import Any

import pytest

from tests.leaderboards.examples import (
    ALL_N,
    DIGITS,
    OTHER_N,
    SHAPES,
    TARGET_N,
    accuracy,
    ended,
    identity,
    only,
    plain,
    record,
    run,
    sweep,
)
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record, Status
from unlearn_bench.leaderboards.statistics.aggregate import boards, difference
from unlearn_bench.leaderboards.statistics.identity import describe_differences
from unlearn_bench.leaderboards.statistics.rows import Board, Pair, Row
from unlearn_bench.metrics.score import average_score


def row(board: Board, name: str) -> Row:
    found = board.find(name)
    assert found is not None
    return found


def sides(pair: Pair | None) -> tuple[float, float]:
    assert pair is not None
    assert pair.before is not None
    assert pair.after is not None
    return pair.before, pair.after


def test_ratio_of_means_by_hand() -> None:
    said = {
        ("red cube", 0): (accuracy(SHAPES, "target", 20, 10, 2), accuracy(SHAPES, "other", 40, 20, 18)),
        ("red cube", 1): (accuracy(SHAPES, "target", 20, 10, 4), accuracy(SHAPES, "other", 40, 20, 22)),
        ("blue cone", 0): (accuracy(SHAPES, "target", 20, 20, 1), accuracy(SHAPES, "other", 40, 24, 16)),
        ("blue cone", 1): (accuracy(SHAPES, "target", 20, 20, 1), accuracy(SHAPES, "other", 40, 24, 16)),
    }
    elsewhere = accuracy(DIGITS, "all", 60, 50, 55)
    board = only(
        [
            record(run(forget=(name,), seed=seed), measurements=(*both, elsewhere))
            for (name, seed), both in said.items()
        ]
    )
    found = row(board, "lip").datasets[SHAPES]
    target = (0.5 + 1.0) / 2, (0.15 + 0.05) / 2  # seeds within a class, then classes
    other = (0.5 + 0.6) / 2, (0.5 + 0.4) / 2
    assert sides(found.target) == pytest.approx(target)
    assert found.others["other"].after == pytest.approx(other[1])
    assert found.score == pytest.approx(average_score(target=target, others=[other, (50 / 60, 55 / 60)]))
    assert found.score == pytest.approx((target[1] / target[0] + (other[0] - other[1]) / other[0]) / 3)
    assert found.interval is not None
    assert found.score is not None
    assert found.interval.low < found.score < found.interval.high


def test_the_overall_score_is_the_mean_of_the_datasets_not_of_the_classes() -> None:
    found = row(only(sweep(targets=(16, 16, 4))), "lip")  # shapes twice, digits once
    by_dataset = [found.datasets[name].score for name in (SHAPES, DIGITS)]
    assert by_dataset == [pytest.approx(1 / 3), pytest.approx(0.25 / 3)]
    assert found.overall.score == pytest.approx((1 / 3 + 0.25 / 3) / 2)
    assert sides(found.overall.target) == pytest.approx((0.8, (0.8 + 0.2) / 2))


def test_identity_scores_one_over_the_terms_with_certainty() -> None:
    found = row(only(identity()), "identity").overall
    assert found.score == pytest.approx(1 / 3, abs=1e-15)
    assert found.interval is not None
    assert found.interval.high - found.interval.low < 1e-15


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_cell_without_numbers_gives_no_mean(status: Status) -> None:
    records = sweep()
    records[0] = ended(records[0], status, "why")
    found = row(only(records), "lip")
    assert (found.overall.done, found.overall.planned) == (2, 3)
    assert found.overall.score is None
    assert found.overall.target is None
    assert found.overall.interval is None
    assert found.place is None
    assert found.datasets[SHAPES].score is None
    assert (found.datasets[SHAPES].done, found.datasets[SHAPES].planned) == (1, 2)
    assert found.datasets[DIGITS].score is not None
    assert found.datasets[DIGITS].interval is not None
    assert found.classes[SHAPES, ("red cube",)].score is None
    assert found.classes[SHAPES, ("blue cone",)].score is not None
    assert found.mean("accuracy", "control").after is None


def test_cells_that_another_method_has_are_planned_for_all() -> None:
    board = only(sweep(seeds=(0, 1)) + sweep("emb"))
    assert (row(board, "emb").overall.done, row(board, "emb").overall.planned) == (3, 6)
    assert row(board, "emb").overall.score is None
    assert row(board, "lip").overall.score is not None


def test_cells_of_the_plan_that_nobody_has() -> None:
    (board,) = boards(sweep(), plan=[(DIGITS, ("four",), 0)])
    assert row(board, "lip").overall.planned == 4
    assert row(board, "lip").overall.score is None


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"method_version": 2}, "lip (version=2)"),
        ({"method_file": "abcd"}, "lip (file=abcd)"),
        ({"hyperparameters": {"sigma": 0.2, "steps": 25, "layers": ("a", "b")}}, "lip (sigma=0.2)"),
        ({"synthesis": {"images": 32}}, "lip (synthesis.images=32)"),
    ],
)
def test_rows_never_mix(change: dict[str, Any], label: str) -> None:
    board = only(sweep(targets=(0,)) + sweep(targets=(8,), **change))
    assert label in {found.label for found in board.rows}
    after = {found.label: sides(found.overall.target)[1] for found in board.rows}
    assert sorted(after.values()) == [0.0, pytest.approx(0.4)]
    assert after[label] == pytest.approx(0.4)
    assert board.find("lip") is None  # two rows have that name
    assert board.find(label) is not None


@pytest.mark.parametrize(
    ("change", "variant"),
    [
        ({"fingerprint": "beef"}, "fingerprint=beef"),
        ({"train_split": "half"}, "train_split=half"),
        ({"metrics": {"accuracy": 2, "seconds": 1}}, "metrics.accuracy=2"),
    ],
)
def test_tables_never_mix(change: dict[str, Any], variant: str) -> None:
    found = boards(sweep() + sweep(**change))
    assert len(found) == 2
    assert variant in {board.variant for board in found}
    assert all(len(board.rows) == 1 for board in found)


def test_another_split_of_one_dataset_is_another_table() -> None:
    sets = list(run().evaluation)
    sets[1] = EvaluationSet(name=DIGITS, version="1", split="official", template="a photo of a {}.")
    found = boards(sweep() + sweep(evaluation=tuple(sets)))
    assert sorted(board.variant for board in found) == [
        f"evaluation.{DIGITS}.split=official",
        f"evaluation.{DIGITS}.split=test",
    ]


def test_suites_and_models_have_their_own_tables() -> None:
    found = boards(sweep() + sweep(suite="mini-full") + sweep(model="mini-vit"))
    assert [(board.run.suite, board.run.model, board.variant) for board in found] == [
        ("mini", "mini-rn", ""),
        ("mini", "mini-vit", ""),
        ("mini-full", "mini-rn", ""),
    ]


def test_thresholds_by_class_do_not_split_a_row() -> None:
    records = [
        replace(item, run=replace(item.run, synthesis={"threshold": number}), preset={"source": "paper-per-class"})
        for number, item in enumerate(sweep())
    ]
    (found,) = only(records).rows
    assert found.standing == "apart"
    assert found.overall.score is not None


def test_settings_of_a_variant_by_class_do_not_split_a_row_and_others_do() -> None:
    def of(variant: dict[str, Any], *threshold: float) -> list[Record]:
        found = zip(sweep(variant={"name": "mine", **variant}), threshold, strict=True)
        return [replace(item, run=replace(item.run, synthesis={"threshold": number})) for item, number in found]

    by_class = {"by_class": {"red cube": {"threshold": 0.1}, "blue cone": {"threshold": 0.2}}}
    assert [item.label for item in only(of(by_class, 0.1, 0.2, 0.3)).rows] == ["mine"]
    old, new = of({}, 0.1, 0.1, 0.1), of({}, 0.2, 0.2, 0.2)
    labels = {item.label for item in only(old + new).rows}
    assert labels == {"mine (synthesis.threshold=0.1)", "mine (synthesis.threshold=0.2)"}


def test_sentences_go_by_dataset_and_do_not_split_a_row() -> None:
    variant = {"name": "mine", "descriptions": {SHAPES: "a.json", DIGITS: "b.json"}}
    records = [
        replace(item, run=replace(item.run, synthesis={"images": 64, "descriptions": f"hash of {item.run.dataset}"}))
        for item in sweep(variant=variant)
    ]
    assert [item.label for item in only(records).rows] == ["mine"]


def test_one_cell_twice_is_refused() -> None:
    with pytest.raises(InputError, match="red cube, seed 0"):
        boards([record(), record()])


def test_an_undefined_accuracy_gives_no_score() -> None:
    nothing_before = sweep(measured={"target_before": 0}, targets=(0,))
    found = row(only(nothing_before), "lip")
    assert found.overall.score is None
    assert found.overall.interval is None
    assert found.overall.ratio is None
    assert found.place is None
    without = [replace(item, measurements=item.measurements[:2]) for item in sweep()]  # other datasets missing
    assert row(only(without), "lip").overall.score is None


def test_without_outcomes_there_is_a_score_and_no_interval() -> None:
    bare = [replace(item, measurements=tuple(replace(m, outcomes="") for m in item.measurements)) for item in sweep()]
    found = row(only(bare), "lip").overall
    assert found.score is not None
    assert found.interval is None


def test_did_not_forget() -> None:
    board = only(sweep("over", targets=(9,)) + sweep("half", targets=(8,)) + identity())
    marks = {found.label: found.overall.did_not_forget for found in board.rows}
    assert marks == {"over": True, "half": False, "identity": True}


def test_paired_differences() -> None:
    board = only(sweep("good", targets=(2,)) + sweep("bad", targets=(12,)) + sweep("same", targets=(2,)))
    good, bad, same = (row(board, name) for name in ("good", "bad", "same"))
    found = difference(bad, good)
    assert found.mean == pytest.approx((12 - 2) / 16 / 3)
    assert found.interval is not None
    assert found.mean is not None
    assert 0 < found.interval.low < found.mean < found.interval.high
    # The images are the same ones: the interval is narrower than independent draws would make it.
    spread = (bad.draws[""].var() + good.draws[""].var()) ** 0.5
    assert (bad.draws[""] - good.draws[""]).std() <= spread * 1.05
    nothing = difference(same, good)
    assert (nothing.mean, nothing.interval and (nothing.interval.low, nothing.interval.high)) == (0.0, (0.0, 0.0))
    assert difference(bad, good, SHAPES).mean == pytest.approx((12 - 2) / 16 / 3)


def test_no_difference_to_an_incomplete_row() -> None:
    records = sweep("broken")
    records[0] = ended(records[0], "failed", "x")
    board = only(sweep() + records)
    assert difference(row(board, "broken"), row(board, "lip")).mean is None
    assert difference(row(board, "lip"), row(board, "broken")).interval is None


def test_ranks_are_shared_where_the_difference_includes_nothing() -> None:
    board = only(
        sweep("a", targets=(2,))
        + sweep("b", targets=(3, 1, 2))  # the same mean
        + sweep("c", targets=(12,))
        + sweep("d", targets=(12,))
        + identity()
    )
    assert [(found.label, found.place) for found in board.rows] == [
        ("a", 1), ("b", 1), ("c", 3), ("d", 3), ("identity", None)
    ]  # fmt: skip


def test_quantities_are_averaged_over_seeds_classes_datasets() -> None:
    values = iter([1.0, 3.0, 5.0, 7.0, 100.0, 102.0])  # shapes: two classes of two seeds, digits: one class
    records = [
        replace(item, measurements=(*item.measurements, plain("target-cosine", "target", next(values))))
        for item in sweep(seeds=(0, 1))
    ]
    found = row(only(records), "lip")
    assert found.mean("target-cosine", "target").after == pytest.approx((4 + 101) / 2)
    assert found.mean("target-cosine", "other") == Pair(before=None, after=None)


def test_a_group_on_several_datasets_is_averaged_over_all_of_them() -> None:
    def spread(found: Record, shapes: float | None, digits: float | None, n: int = 5) -> Record:
        new = (
            plain("distance", "all", shapes, before=0.5, dataset=SHAPES),
            plain("distance", "all", digits, before=0.7, dataset=DIGITS, n=n),
            plain("distance", "target", 0.9, dataset=found.run.dataset),
        )
        return replace(found, measurements=(*found.measurements, *new))

    def lip(*values: tuple[float | None, float | None], n: int = 5) -> Row:
        return row(only([spread(item, *both, n=n) for item, both in zip(sweep(), values, strict=True)]), "lip")

    found = lip((0.1, 0.3), (0.2, 0.6), (0.5, 0.7))  # shapes are forgotten from twice, digits once
    both = found.mean("distance", "all")
    assert sides(both) == pytest.approx((0.6, ((0.2 + 0.4) / 2 + 0.6) / 2))
    assert found.mean("distance", "all", dataset=DIGITS).after == pytest.approx(((0.3 + 0.6) / 2 + 0.7) / 2)
    assert found.mean("distance", "target").after == pytest.approx(0.9)
    gap = lip((0.1, None), (0.2, 0.6), (0.5, 0.7)).mean("distance", "all")
    assert gap.before == pytest.approx(0.6)
    assert gap.after is None
    alone = lip((0.1, None), (0.2, None), (0.5, None), n=0)  # nothing to look at in digits
    assert alone.mean("distance", "all").after == pytest.approx(((0.1 + 0.2) / 2 + 0.5) / 2)
    assert alone.mean("distance", "all", dataset=DIGITS).after is None


def test_counts_of_the_examples_are_what_the_tests_assume() -> None:
    found = row(only(sweep()), "lip").by_class[SHAPES, ("red cube",)][0]
    assert [item.n for item in found.measurements] == [TARGET_N, OTHER_N, ALL_N, 10]


def test_describe_differences() -> None:
    mine = {"a": 1, "b": {"c": (1, 2)}, "d": {"x": 1}}
    assert describe_differences(mine, [mine]) == ""
    assert describe_differences(mine, [mine, {"a": 1, "b": {"c": [1, 2]}, "d": {"x": 1}}]) == ""
    assert describe_differences(mine, [mine, {"a": 2, "b": {"c": (1, 2)}, "d": 3}]) == 'a=1, d={"x":1}'
    assert describe_differences({"a": {}, "c": None}, [{"b": "x, y", "c": 1}]) == "a present, c=null, b absent"
    assert describe_differences({"b": "x, y"}, [{"b": "z"}]) == "b=x, y"


def test_a_dataset_s_score_is_made_of_its_forgetting_and_retention() -> None:
    board = only(sweep(targets=(2, 7, 5), measured={"other": 21, "rest": 44}))
    for summary in [*board.rows[0].datasets.values(), *board.rows[0].classes.values()]:
        assert summary.forgetting is not None
        assert summary.retention is not None
        terms = len(summary.others)
        score = (1 - summary.forgetting + terms * (1 - summary.retention)) / (terms + 1)
        assert summary.score == pytest.approx(score, abs=1e-12)


def test_overall_forgetting_is_that_of_the_target_shown_and_retention_a_mean_over_datasets() -> None:
    overall = only(sweep(targets=(2, 7, 5), measured={"other": 21, "rest": 44})).rows[0].overall
    before, after = sides(overall.target)
    assert overall.forgetting == pytest.approx(1 - after / before)
    datasets = only(sweep(targets=(2, 7, 5), measured={"other": 21, "rest": 44})).rows[0].datasets.values()
    assert overall.retention == pytest.approx(sum(item.retention or 0 for item in datasets) / 2)


def test_intervals_of_all_quantities_hold_their_values_in_every_scope() -> None:
    found = only(sweep(targets=(4, 7, 5), measured={"other": 21, "rest": 40})).rows[0]
    for summary in [found.overall, *found.datasets.values(), *found.classes.values()]:
        values = {
            "score": summary.score,
            "forgetting": summary.forgetting,
            "retention": summary.retention,
            "harmonic": summary.harmonic,
        }
        assert summary.intervals.keys() == values.keys()
        for name, spread in summary.intervals.items():
            value = values[name]
            assert value is not None
            assert spread.low < value < spread.high


def test_without_outcomes_there_are_numbers_and_no_intervals() -> None:
    bare = [
        replace(item, measurements=tuple(replace(said, outcomes="") for said in item.measurements))
        for item in sweep()
    ]
    found = only(bare).rows[0]
    assert found.overall.forgetting == pytest.approx(1 - 2 / 16)
    assert found.overall.intervals == found.classes[SHAPES, ("red cube",)].intervals == {}
    assert found.on_front  # nothing says that it can't be told from doing nothing


def test_an_undefined_target_leaves_retention_defined_and_the_harmonic_mean_not() -> None:
    found = only(sweep(measured={"target_before": 0}, targets=(0,))).rows[0].overall
    assert (found.score, found.forgetting, found.harmonic) == (None, None, None)
    assert found.retention == 1.0


def test_the_front_is_of_what_did_not_see_the_reported_classes_and_without_references() -> None:
    better = {"target_before": 16, "other": 30, "rest": 45}
    board = only(
        [
            *sweep("keeps", targets=(8,), measured=better),
            *sweep("forgets", targets=(0,), measured={"other": 20, "rest": 30}),
            *sweep("neither", targets=(9,), measured={"other": 19, "rest": 29}),
            *sweep("nothing", targets=(16,), measured=better),
            *sweep("barely", targets=(15,), measured=better),
            *sweep("peeked", targets=(0,), measured=better, preset={"source": "paper-per-class"}),
            *identity(),
        ]
    )
    on = {item.label for item in board.rows if item.on_front}
    # "barely" keeps as much as "keeps" and forgets less; "peeked" would be better than all
    assert on == {"keeps", "forgets"}
    given = sweep("given", targets=(0,), measured=better, preset={"source": "given"})
    records = [record for item in board.rows for record in item.records]
    assert {item.label for item in only([*records, *given]).rows if item.on_front} == {"given"}


def test_forgetting_that_chance_may_have_made_puts_nobody_on_the_front() -> None:
    board = only(sweep("lucky", targets=(15, 16, 16)) + sweep("lossy", targets=(4,), measured={"other": 25}))
    spread = row(board, "lucky").overall.intervals["forgetting"]
    assert spread.low == 0.0
    assert row(board, "lucky").overall.forgetting != 0.0
    assert not row(board, "lucky").on_front
    assert row(board, "lossy").on_front
