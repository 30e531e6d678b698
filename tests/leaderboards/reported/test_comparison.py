"""Measured beside reported: the numbers by hand, and every reason why there is none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.leaderboards.examples import ended
from tests.leaderboards.paper_examples import CALTECH, CARS, DOGS, paper_record, paper_run, paper_sweep, small_tables
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record, Run
from unlearn_bench.leaderboards.reported.comparison import ComparedCell, Comparison, compare_with_reported
from unlearn_bench.leaderboards.reported.configurations import EVALUATION, ORIGINAL, TEMPLATES, configuration_of
from unlearn_bench.metrics.score import average_score

TABLES = small_tables()
SCORE = average_score(target=(0.8, 0.1), others=[(0.8, 0.75), *[(0.8, 0.75)] * 3])


def compared(records: Sequence[Record]) -> Comparison:
    return compare_with_reported(records, TABLES)


def cell(found: Comparison, table: str, row: str, forget: str, quantity: str) -> ComparedCell:
    (only,) = [
        item
        for item in found.cells
        if (item.table, item.row, item.forget_dataset, item.quantity) == (table, row, forget, quantity)
    ]
    return only


def variant(name: str, **changed: Any) -> dict[str, Any]:
    return {"name": name, "method": "lip", **changed}


def everywhere(run: Run, template: str) -> Run:
    return replace(run, evaluation=tuple(replace(item, template=template) for item in run.evaluation))


def asked(template: str, name: str, **changes: Any) -> list[Record]:
    """A sweep that is evaluated with another template."""
    found = paper_sweep(variant=variant(name, template=template), **changes)
    return [replace(record, run=everywhere(record.run, template)) for record in found]


def test_a_whole_sweep_fills_the_three_tables() -> None:
    found = compared(paper_sweep())
    assert found.left_out == ()
    assert {item.table for item in found.comparable} == {"table1", "table2", "table3"}
    assert len(found.cells) == 4 * 11 + 12 + 13
    # What the source lacks: 3 numbers of Table 1 and 3 of Table 3.
    assert {item.why_not for item in found.cells} == {"", "the source has no number here"}
    assert len(found.comparable) == len(found.cells) - 6
    for item in found.comparable:
        assert item.measured is not None
        assert item.interval is not None
        assert item.interval.low - 1e-9 <= item.measured <= item.interval.high + 1e-9
        assert item.measured_row == "lip (suite paper; ranked)"


def test_numbers_of_table_1_by_hand() -> None:
    found = compared(paper_sweep(target=(2, 2, 2, 4, 2, 3), other=30, rest=45))
    target = cell(found, "table1", "Lip", "StanfordDogs", "target AF")
    assert target.measured == pytest.approx((4 + 2 + 3) / 60)
    assert target.reported == 0.048
    assert target.difference == pytest.approx(0.15 - 0.048)
    assert cell(found, "table1", "Lip", "StanfordDogs", "target BF").measured == pytest.approx(0.8)
    assert cell(found, "table1", "Lip", "StanfordDogs", "other AF").measured == pytest.approx(0.75)
    assert cell(found, "table1", "Lip", "StanfordDogs", "Caltech101 BF").measured == pytest.approx(0.8)
    score = cell(found, "table1", "Lip", "StanfordDogs", "Avg. Score")
    expected = average_score(target=(0.8, 0.15), others=[(0.8, 0.75), *[(0.8, 0.75)] * 3])
    assert score.measured == pytest.approx(expected)
    assert target.holds_reported is False


def test_a_column_is_its_own_dataset() -> None:
    records = []
    for record in paper_sweep():
        changed = [
            replace(item, after=0.5, outcomes="") if item.dataset == DOGS and item.group == "all" else item
            for item in record.measurements
        ]
        records.append(replace(record, measurements=tuple(changed)))
    found = compared(records)
    dogs = cell(found, "table1", "Lip", "Caltech101", "StanfordDogs AF")
    assert dogs.measured == pytest.approx(0.5)
    assert dogs.interval is None  # outcomes are missing
    assert dogs.holds_reported is None
    assert cell(found, "table1", "Lip", "Caltech101", "StanfordCars AF").measured == pytest.approx(0.75)


def test_seeds_are_averaged_first_and_intervals_cover_classes_and_images() -> None:
    found = compared(paper_sweep(seeds=(0, 1), target=(0, 4)))
    target = cell(found, "table1", "Lip", "StanfordCars", "target AF")
    assert target.measured == pytest.approx(0.1)
    assert target.interval is not None
    # Each class has .1 over its seeds, so only images are drawn: images 0 to 3 are right in one of two seeds.
    # Over 60 independent images of three classes the deviation is sqrt(.2 * .8 / 60) / 2 = .026.
    assert target.interval.high - target.interval.low == pytest.approx(4 * 0.0258, rel=0.25)


def test_intervals_of_a_certain_quantity_have_no_width() -> None:
    found = compared(paper_sweep(target=(20,), other=40, rest=60))
    for name in ("target AF", "other AF", "Caltech101 AF"):
        item = cell(found, "table1", "Lip", "StanfordDogs", name)
        assert item.interval is not None
        assert (item.interval.low, item.interval.high) == pytest.approx((1.0, 1.0))


def test_table_2_is_one_query_for_each_class() -> None:
    found = compared(paper_sweep(hits=0.25))
    assert cell(found, "table2", "IFI", "", "precision@5 BF").measured == pytest.approx(0.75)
    text = cell(found, "table2", "IFT", "", "precision@1 AF")
    assert text.measured == pytest.approx(0.25)
    assert text.reported == 0.08
    assert text.interval is not None
    assert text.interval.high - text.interval.low == pytest.approx(0)


def test_intervals_of_retrieval_are_over_classes() -> None:
    records = [paper_record(record.run, hits=float(place % 2)) for place, record in enumerate(paper_sweep())]
    text = cell(compared(records), "table2", "IFT", "", "precision@1 AF")
    assert text.measured == pytest.approx(0.5)
    assert text.interval is not None
    # Two thirds of one or the other in each of four datasets of three classes: deviation sqrt(2/9 / 3 / 4) = .136.
    assert text.interval.high - text.interval.low == pytest.approx(4 * 0.136, rel=0.2)


def test_table_3_is_the_mean_over_forget_datasets() -> None:
    found = compared(paper_sweep(target=(2, 2, 2, 8, 8, 8, 2, 2, 2, 2, 2, 2)))
    assert cell(found, "table3", "Original", "", "target AF").measured == pytest.approx((0.1 * 3 + 0.4) / 4)
    assert cell(found, "table3", "Original", "", "StanfordCars AF").measured == pytest.approx(0.75)
    parts = [cell(found, "table1", "Lip", name, "Avg. Score") for name in ("StanfordDogs", "Caltech101")]
    assert parts[0].measured == pytest.approx(SCORE + (0.5 - 0.125) / 5)
    assert parts[1].measured == pytest.approx(SCORE)
    assert cell(found, "table3", "Original", "", "Avg. Score").why_not == "the source has no number here"


def test_other_methods_fill_table_1_alone() -> None:
    found = compared(paper_sweep(method="amns-retain", access="not-ZS", hyperparameters={"steps": 3}))
    assert {(item.table, item.row) for item in found.cells} == {("table1", "AmnsRetain")}
    assert len(found.comparable) == 44


def test_several_rows_of_one_method_stay_apart() -> None:
    published = paper_sweep(
        target=(4,), variant=variant("lip-published", by_class={"euphonium": {"threshold": 0.75}})
    )
    found = compared([*paper_sweep(), *published])
    targets = {
        item.measured_row: item.measured
        for item in found.comparable
        if (item.table, item.forget_dataset, item.quantity) == ("table1", "Caltech101", "target AF")
    }
    assert targets == {
        "lip (suite paper; ranked)": pytest.approx(0.1),
        "lip-published (suite paper; ranked)": pytest.approx(0.2),
    }


@pytest.mark.parametrize(
    ("changes", "configuration"),
    [
        ({}, "Original"),
        ({"by_class": {"Pekinese": {"threshold": 0.98}}, "source": "paper-per-class"}, "Original"),
        ({"hyperparameters": {"text_loss": False}}, "NoTextLoss"),
        ({"hyperparameters": {"text_loss": False, "perturbations": 5}}, ""),
        ({"hyperparameters": {"selective": False}}, ""),
        ({"descriptions": {CALTECH: "cal.json"}}, "CuPLGen"),
        ({"descriptions": {CALTECH: "cal.json"}, "hyperparameters": {"text_loss": False}}, ""),
    ],
)
def test_configurations(changes: dict[str, Any], configuration: str) -> None:
    assert configuration_of(paper_run(variant=variant("some", **changes))) == configuration
    other = configuration_of(paper_run(method="emb", variant=variant("some", **changes)))
    assert other == (ORIGINAL if configuration == ORIGINAL else "")


def test_configurations_by_template() -> None:
    one = paper_run(variant=variant("asked", template=TEMPLATES[0]))
    assert configuration_of(everywhere(one, TEMPLATES[0])) == EVALUATION
    assert configuration_of(everywhere(one, TEMPLATES[0] + ".")) == EVALUATION
    assert configuration_of(everywhere(one, "a sketch of a {}")) == ""
    assert configuration_of(everywhere(replace(one, method="emb"), TEMPLATES[0])) == ""


def test_ablations_fill_their_rows_and_no_other() -> None:
    quiet = paper_sweep(variant=variant("lip-no-text", hyperparameters={"text_loss": False}), target=(8,))
    told = paper_sweep(variant=variant("lip-cupl", descriptions={CARS: "c.json"}), target=(4,))
    free = paper_sweep(variant=variant("lip-all", hyperparameters={"selective": False}))
    found = compared([*quiet, *told, *free])
    assert {(item.table, item.row) for item in found.cells} == {("table3", "NoTextLoss"), ("table3", "CuPLGen")}
    assert cell(found, "table3", "NoTextLoss", "", "target AF").measured == pytest.approx(0.4)
    score = cell(found, "table3", "CuPLGen", "", "Avg. Score")
    assert score.measured == pytest.approx(SCORE + 0.125 / 5)
    assert score.interval is not None
    (left,) = found.left_out
    assert left.what == "lip-all (suite paper; ranked)"
    assert "no printed row" in left.why


def test_changed_templates_are_averaged() -> None:
    records = [
        record
        for place, template in enumerate(TEMPLATES)
        for record in asked(template, f"asked-{place}", target=(2 * place,))
    ]
    found = compared(records)
    target = cell(found, "table3", EVALUATION, "", "target AF")
    assert target.measured == pytest.approx((0 + 0.1 + 0.2) / 3)
    assert target.reported == 0.133
    assert "asked-0" in target.measured_row
    assert "asked-2" in target.measured_row
    assert {item.table for item in found.cells} == {"table3"}
    two = compared(records[:24])
    assert {item.why_not for item in two.cells} == {"needs one row for each of 3 templates, found 2 of 2"}
    twice = compared([*records, *asked(TEMPLATES[0], "again")])
    assert {item.why_not for item in twice.cells} == {"needs one row for each of 3 templates, found 4 of 3"}
    short = compared(records[:-1])
    assert {item.why_not for item in short.cells} == {"incomplete: no cell for trumpet creeper (OxfordFlowers)"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "mini-rn"}, "another model"),
        ({"model": "ViT-B-16:openai"}, "another model"),
        ({"model": "RN50:random"}, "another model"),
        ({"dataset": "mini-digits"}, "another dataset: mini-digits; the paper's are stanford-cars,"),
        ({"forget": ("cup",)}, "other classes: cup; the paper's of Caltech101 are euphonium, minaret, platypus"),
        ({"forget": ("minaret", "platypus")}, "other classes: minaret + platypus"),
        ({"method": "identity"}, "the paper's tables have no row of identity"),
    ],
)
def test_runs_that_fit_no_row(changes: dict[str, Any], says: str) -> None:
    found = compared([paper_record(paper_run(**changes)), paper_record(paper_run(seed=1, **changes))])
    (left,) = found.left_out
    assert left.runs == 2
    assert left.why.startswith(says)
    assert found.cells == ()


@pytest.mark.parametrize("model", ["RN50", "RN50:openai", "RN50-quickgelu:openai"])
def test_names_of_the_paper_s_model(model: str) -> None:
    assert compared(paper_sweep(model=model)).comparable


def test_a_file_with_the_same_weights_is_the_same_model() -> None:
    local = paper_sweep(model="RN50-quickgelu:weights.pt", suite="mine")
    assert compared(local).comparable == ()
    hub = paper_sweep(model="RN50:openai")[:1]
    assert compared([*local, *hub]).comparable
    other = compared([*paper_sweep(model="RN50:file.pt", fingerprint="cafe"), *hub])
    assert other.comparable == ()


def with_set(name: str, **changes: Any) -> list[Record]:
    """A sweep in which one evaluated dataset differs."""
    base = paper_run()
    sets = tuple(replace(item, **changes) if item.name == name else item for item in base.evaluation)
    return paper_sweep(evaluation=sets)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split_name": "official", "version": "official-1"}, "another split of StanfordDogs: test of 'official'"),
        ({"split": "val"}, "another split of StanfordDogs: val of 'split_alexey_stanford_dogs'"),
        ({"template": "a sketch of a {}."}, "another template for StanfordDogs: 'a sketch of a {}.'"),
    ],
)
def test_another_split_or_template_spoils_its_own_columns(changes: dict[str, Any], says: str) -> None:
    found = compared(with_set(DOGS, **changes))
    why = {(item.table, item.forget_dataset, item.quantity): item.why_not for item in found.cells}
    assert why["table1", "StanfordDogs", "target AF"].startswith(says)
    assert why["table1", "StanfordDogs", "other BF"].startswith(says)
    assert why["table1", "StanfordDogs", "Caltech101 AF"] == ""
    assert why["table1", "Caltech101", "target AF"] == ""
    assert why["table1", "Caltech101", "StanfordDogs AF"].startswith(says)
    assert why["table1", "Caltech101", "Avg. Score"].startswith(says)
    assert why["table2", "", "precision@1 AF"].startswith(says)
    assert why["table3", "", "target AF"].startswith(says)
    assert why["table3", "", "StanfordCars AF"] == ""


def test_a_split_is_found_in_the_version_too() -> None:
    assert compared(with_set(DOGS, split_name="", version="split_alexey_stanford_dogs-12")).left_out == ()
    assert not any(item.why_not.startswith("another") for item in compared(with_set(DOGS, split_name="")).cells)


def test_the_number_of_test_images_must_be_the_paper_s() -> None:
    protocol = {
        name: replace(item, test_images=59) if name == "Caltech101" else item
        for name, item in TABLES.protocol.items()
    }
    found = compare_with_reported(paper_sweep(), replace(TABLES, protocol=protocol))
    says = "another split of Caltech101: 60 test images; the paper's has 59"
    assert cell(found, "table1", "Lip", "Caltech101", "target AF").why_not == says
    assert cell(found, "table1", "Lip", "StanfordCars", "other AF").why_not == ""


def test_datasets_that_are_not_evaluated_and_datasets_beyond() -> None:
    base = paper_run().evaluation
    fewer = compared(paper_sweep(evaluation=base[:3]))
    assert cell(fewer, "table1", "Lip", "Caltech101", "Avg. Score").why_not == "OxfordFlowers was not evaluated"
    assert cell(fewer, "table1", "Lip", "Caltech101", "StanfordCars AF").why_not == ""
    more = compared(paper_sweep(evaluation=(*base, replace(base[0], name="food101"))))
    assert cell(more, "table1", "Lip", "Caltech101", "Avg. Score").why_not == "other datasets are part of it: food101"
    assert cell(more, "table1", "Lip", "Caltech101", "target AF").why_not == ""
    control = compared(paper_sweep(evaluation=(*base, replace(base[0], name="food101", control=True))))
    assert cell(control, "table1", "Lip", "Caltech101", "Avg. Score").why_not == ""


def test_incomplete_rows_say_what_is_missing() -> None:
    records = paper_sweep(seeds=(0, 1))
    kept = [record for record in records if record.run.forget != ("minaret",)]
    kept = [ended(item, "failed", "no") if item.run.forget == ("gazania",) else item for item in kept]
    found = compared(kept)
    assert cell(found, "table1", "Lip", "Caltech101", "other AF").why_not == (
        "incomplete: no cell for minaret (Caltech101)"
    )
    assert cell(found, "table1", "Lip", "OxfordFlowers", "target AF").why_not == (
        "incomplete: 4 of 6 cells of OxfordFlowers"
    )
    assert cell(found, "table1", "Lip", "StanfordDogs", "target AF").why_not == ""
    assert cell(found, "table2", "IFT", "", "precision@1 AF").why_not.startswith("incomplete")
    assert cell(found, "table3", "Original", "", "StanfordCars BF").why_not.startswith("incomplete")


def test_a_dataset_that_was_not_run_has_no_row_but_spoils_the_means() -> None:
    found = compared([record for record in paper_sweep() if record.run.dataset == CARS])
    assert {item.forget_dataset for item in found.cells} == {"StanfordCars", ""}
    assert cell(found, "table1", "Lip", "StanfordCars", "target AF").why_not == ""
    assert cell(found, "table3", "Original", "", "target AF").why_not == (
        "incomplete: nothing forgotten from StanfordDogs"
    )


def test_what_was_not_measured_or_undefined_is_a_reason() -> None:
    bare = [
        replace(record, measurements=tuple(item for item in record.measurements if item.metric == "accuracy"))
        for record in paper_sweep()
    ]
    item = cell(compared(bare), "table2", "IFT", "", "precision@1 AF")
    assert (item.measured, item.interval, item.difference) == (None, None, None)
    assert "not measured" in item.why_not


def test_class_names_are_compared_without_case_and_underscores() -> None:
    records = []
    for record in paper_sweep():
        name = record.run.forget[0].upper().replace(" ", "_")
        records.append(replace(record, run=replace(record.run, forget=(name,))))
    assert len(compared(records).comparable) == len(compared(paper_sweep()).comparable)


def test_a_run_twice_is_an_error() -> None:
    with pytest.raises(InputError, match="give each run once"):
        compared([*paper_sweep(), *paper_sweep()])


def test_nothing_is_nothing() -> None:
    assert compared([]) == Comparison(cells=(), left_out=())
