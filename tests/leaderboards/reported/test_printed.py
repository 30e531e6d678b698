"""The reported numbers: whole, as printed, and consistent with each other where the paper says they should be."""

import math
import shutil
from pathlib import Path

import pytest

from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.reported.printed import (
    FOLDER,
    METHODS,
    ReportedRow,
    quantity,
    reported_tables,
)
from unlearn_bench.metrics.score import average_score

TABLES = reported_tables()
DATASETS = ("StanfordCars", "StanfordDogs", "Caltech101", "OxfordFlowers")
CUT = "The row breaks off"

# Read off the paper once more, row by row: target BF, AF, other BF, AF, the other datasets' BF, AF, score.
AGAIN = {
    ("Emb", "StanfordCars"): (0.397, 0.087, 0.558, 0.536, 0.517, 0.51, 0.857, 0.85, 0.661, 0.649, 0.06),
    ("AmnsRetain", "StanfordDogs"): (0.593, 0.044, 0.516, 0.663, 0.558, 0.521, 0.857, 0.838, 0.661, 0.61, 0.048),
    ("Amns", "Caltech101"): (0.838, 0.33, 0.857, 0.834, 0.558, 0.553, 0.517, 0.502, 0.661, 0.627, 0.102),
    ("SalUn", "OxfordFlowers"): (0.848, 0.059, 0.659, 0.924, 0.558, 0.534, 0.517, 0.503, 0.857, 0.857, 0.028),
    ("EMMN", "OxfordFlowers"): (0.848, 0.0, 0.659, 0.121, 0.558, 0.121, 0.517, 0.112, 0.857, 0.676, 0.519),
}
ABLATIONS = {
    "Original": (0.669, 0.046, 0.648, 0.644, 0.558, 0.557, 0.517, 0.514, 0.857, 0.865, None, None, None),
    "NoTextLoss": (0.669, 0.606, 0.648, 0.641, 0.558, 0.557, 0.517, 0.511, 0.857, 0.854, 0.661, 0.651, 0.189),
    "CuPLGen": (0.669, 0.038, 0.648, 0.609, 0.558, 0.535, 0.517, 0.494, 0.857, 0.838, 0.661, 0.625, 0.055),
    "EvalTemplChange": (0.522, 0.133, 0.544, 0.538, 0.492, 0.494, 0.412, 0.414, 0.81, 0.801, 0.518, 0.519, 0.068),
}


def rows(method: str) -> list[ReportedRow]:
    return [row for row in TABLES.table1 if row.method == method]


def test_every_method_has_a_row_for_each_dataset() -> None:
    assert [(row.method, row.forget_dataset) for row in TABLES.table1] == [
        (method, dataset) for dataset in DATASETS for method in METHODS
    ]
    for row in TABLES.table1:
        assert list(row.datasets) == [name for name in DATASETS if name != row.forget_dataset]


@pytest.mark.parametrize("place", AGAIN)
def test_rows_of_table_1_as_printed(place: tuple[str, str]) -> None:
    (row,) = [row for row in TABLES.table1 if (row.method, row.forget_dataset) == place]
    assert tuple(row.numbers.values()) == AGAIN[place]


def test_table_3_as_printed() -> None:
    assert {row.ablation: tuple(row.numbers.values()) for row in TABLES.table3} == ABLATIONS
    assert [row.method for row in TABLES.table3] == ["Lip", "ULip", "Lip", "Lip"]
    assert list(TABLES.table3[0].datasets) == list(DATASETS)


def test_table_2_as_printed_is_so_many_of_twelve_queries() -> None:
    found = {row.kind: row for row in TABLES.table2}
    assert list(found["IFT"].numbers.values()) == [0.833, 0.08, 0.683, 0.23, 0.583, 0.191]
    assert list(found["IFI"].numbers.values()) == [0.417, 0.333, 0.367, 0.367, 0.317, 0.325]
    for row in TABLES.table2:
        for k, pair in row.precision.items():
            for value in (pair.before, pair.after):
                assert value is not None
                digits = len(str(value)) - 2
                counts = [math.floor(hits / (12 * k) * 10**digits) / 10**digits for hits in range(12 * k + 1)]
                rounded = [round(hits / (12 * k), digits) for hits in range(12 * k + 1)]
                assert value in counts or value in rounded


def test_what_the_source_lacks_is_empty_and_said() -> None:
    lip = next(row for row in TABLES.table1 if row.standing != "reported")
    assert (lip.method, lip.forget_dataset, lip.standing) == ("Lip", "StanfordCars", "incomplete")
    assert [name for name, value in lip.numbers.items() if value is None] == [
        "Caltech101 AF",
        "OxfordFlowers AF",
        "Avg. Score",
    ]
    assert lip.remark.startswith(CUT)
    assert [row.standing for row in TABLES.table3] == ["incomplete", "reported", "reported", "inconsistent"]
    gaps = [row for row in (*TABLES.table1, *TABLES.table3) if None in row.numbers.values()]
    assert all(row.standing == "incomplete" and row.remark.startswith(CUT) for row in gaps)


def test_the_original_model_is_one_model() -> None:
    before: dict[str, set[float | None]] = {}
    for row in TABLES.table1:
        before.setdefault(row.forget_dataset + " target", set()).add(row.target.before)
        before.setdefault(row.forget_dataset + " other", set()).add(row.other.before)
        for name, pair in row.datasets.items():
            before.setdefault(name, set()).add(pair.before)
    several = {name: values for name, values in before.items() if len(values) > 1}
    assert several == {"Caltech101 target": {0.838, 0.839}}  # printed so, and said in the row's remark
    assert "0.838" in rows("Amns")[2].remark


def test_table_3_s_first_row_is_the_mean_of_table_1_s() -> None:
    original, lip = TABLES.table3[0], rows("Lip")
    pairs = [(original.target, [row.target for row in lip]), (original.other, [row.other for row in lip])]
    pairs += [(pair, [row.datasets[n] for row in lip if n in row.datasets]) for n, pair in original.datasets.items()]
    compared = 0
    for printed, several in pairs:
        for side in ("before", "after"):
            value, known = getattr(printed, side), [getattr(pair, side) for pair in several]
            if value is not None and None not in known:
                assert sum(known) / len(known) == pytest.approx(value, abs=0.0011)
                compared += 1
    assert compared == 9


def test_the_inconsistent_score_does_not_follow_from_its_averages() -> None:
    def recomputed(row: ReportedRow) -> float:
        def pair(before: float | None, after: float | None) -> tuple[float, float]:
            assert before is not None
            assert after is not None
            return before, after

        others = [pair(item.before, item.after) for item in (row.other, *row.datasets.values())]
        return 6 * average_score(target=pair(row.target.before, row.target.after), others=others)

    found = {row.ablation: row for row in TABLES.table3 if row.standing != "incomplete"}
    assert {
        name: any(abs(recomputed(row) / terms - (row.score or 0)) < 0.0015 for terms in (5, 6))
        for name, row in found.items()
    } == {"NoTextLoss": True, "CuPLGen": True, "EvalTemplChange": False}


def test_the_protocol() -> None:
    found = TABLES.protocol
    assert {item.spec: item.test_images for item in found.values()} == {
        "stanford-cars": 8041,
        "stanford-dogs": 8336,
        "caltech101": 2465,
        "oxford-flowers": 2463,
    }
    assert found["StanfordDogs"].classes == ("Pekinese", "toy poodle", "Scotch terrier")
    assert found["OxfordFlowers"].template == "a photo of a {}, a type of flower."
    assert {item.template for name, item in found.items() if name != "OxfordFlowers"} == {"a photo of a {}."}
    assert found["Caltech101"].split == "split_zhou_Caltech101.json"
    assert all(len(item.classes) == 3 for item in found.values())


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_each_table_names_its_source_and_says_that_it_is_not_measured(name: str) -> None:
    first = TABLES.notes[name][0]
    assert first.startswith("Reported, not measured. Source: Alexey Kravets")
    assert f"Table {name[-1]}, https://arxiv.org/abs/2407.07485" in first
    assert len(TABLES.notes[name]) >= 2


def test_quantities_are_the_columns() -> None:
    assert list(TABLES.table1[0].numbers) == [
        *(quantity(name, side) for name in ("target", "other", *DATASETS[1:]) for side in ("before", "after")),
        "Avg. Score",
    ]
    assert list(TABLES.table2[0].numbers)[:2] == ["precision@1 BF", "precision@1 AF"]


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("table1.csv", "0.087", "O.087", "line 6: could not convert"),
        ("table1.csv", ",reported,", ",measured,", "standing 'measured' is none of reported"),
        ("table1.csv", "Emb,StanfordCars", "Embb,StanfordCars", "unknown method 'Embb'"),
        ("table1.csv", "Emb,StanfordCars", "Emb,Stanford", "dataset 'Stanford'"),
        ("table1.csv", "target_af", "target", "no column 'target_af'"),
        ("table3.csv", "0.189,reported,", "0.189,reported,,more", "more or fewer fields"),
        ("table2.csv", "IFI,forget", "IFI,forgotten", "needs the states original and forget"),
        ("protocol.csv", "8041", "many", "line 4: invalid literal"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    folder = tmp_path / "reported"
    shutil.copytree(FOLDER, folder)
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        reported_tables(folder)
    assert "\n" not in str(caught.value)
    assert file in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"protocol\.csv.*can't be read"):
        reported_tables(tmp_path)
