"""The page of the paper's tables: everything reported is on it, measured numbers stand where they belong."""

from pathlib import Path

import pytest

from tests.leaderboards.examples import sweep
from tests.leaderboards.paper_examples import paper_sweep, small_tables
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards import paper_page as paper
from unlearn_bench.leaderboards.paper_page import UNMEASURED, as_printed, is_stale, page, publish_page, report
from unlearn_bench.leaderboards.reported.printed import reported_tables


def table(text: str, title: str) -> list[list[str]]:
    """The rows of the table under a heading, header first, as stripped cells."""
    part = text.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|") and not line.startswith("|:")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "reported_tables", small_tables)


def test_numbers_are_shown_as_printed() -> None:
    assert [as_printed(value) for value in (0.08, 0.85, 0.0, 0.191, None)] == ["0.08", "0.85", "0.0", "0.191", ""]


def test_the_page_without_records_has_every_reported_number_and_empty_columns() -> None:
    text = page([])
    reported = reported_tables()
    for row in reported.table1:
        after = table(text, f"Forgetting from {row.forget_dataset}: after")
        before = table(text, f"Forgetting from {row.forget_dataset}: before")
        (line,) = [item for item in after[1:] if item[0] == row.method]
        (early,) = [item for item in before[1:] if item[0] == row.method]
        assert line[1:3] == [row.access, row.standing]
        assert line[-1] == early[-1] == UNMEASURED
        shown = {
            name: cell
            for header, cells in ((after[0], line), (before[0], early))
            for name, cell in zip(header, cells, strict=True)
            if name in row.numbers
        }
        assert shown == {name: as_printed(value) for name, value in row.numbers.items()}
        for header, cells in ((after[0], line), (before[0], early)):
            measured = [cell for name, cell in zip(header, cells, strict=True) if name == "measured"]
            assert set(measured) == {""}
            assert len(measured) in {6, 5}
    assert text.count(UNMEASURED) == 28 * 2 + 2 + 4 * 2
    assert "can't be compared" not in text


def test_tables_2_and_3_and_their_remarks_are_on_the_page() -> None:
    text = page([])
    precision = table(text, "Precision@k")
    assert precision[2][:2] == ["IFI", "reported"]
    assert [cell for cell in precision[1] if cell.startswith("0.")] == [
        "0.833",
        "0.08",
        "0.683",
        "0.23",
        "0.583",
        "0.191",
    ]
    ablations = table(text, "Over all forget datasets: after")
    assert ablations[0][:3] == ["row", "method", "standing"]
    assert ablations[4][:4] == ["EvalTemplChange", "Lip", "inconsistent", "0.133"]
    assert "0.068" in ablations[4]
    assert "EvalTemplChange: The score does not follow from the averages beside it" in text
    assert "Lip: The row breaks off" in text
    assert text.count("Reported, not measured. Source: Alexey Kravets") == 3


def test_measured_numbers_stand_beside_the_reported_ones(small: None) -> None:
    text = page([*paper_sweep(), *paper_sweep(method="emb", other=20)])
    after = table(text, "Forgetting from StanfordDogs: after")
    lines = {line[0]: line for line in after[1:]}
    at = after[0].index("target AF")
    assert lines["Lip"][at : at + 4] == ["0.048", "0.100", "0.516", "0.750"]
    assert lines["Emb"][at : at + 4] == ["0.261", "0.100", "0.479", "0.500"]
    assert lines["Lip"][-1] == "lip (suite paper; ranked)"
    assert lines["SalUn"][-1] == UNMEASURED
    low, high = (float(part) for part in lines["Lip"][after[0].index("95 % interval")].split(" to "))
    assert low < 0.075 < high
    assert table(text, "Precision@k")[1][2:6] == ["0.833", "0.750", "0.08", "0.250"]


def test_every_measured_row_has_its_line(small: None) -> None:
    other = {"name": "lip-published", "method": "lip", "thresholds": {"Pekinese": 0.98}}
    lines = table(page([*paper_sweep(), *paper_sweep(variant=other)]), "Forgetting from StanfordDogs: after")
    assert [line[-1].split()[0] for line in lines[1:] if line[0] == "Lip"] == ["lip", "lip-published"]


def test_a_report_shows_cells_differences_and_reasons(small: None) -> None:
    text = report([*paper_sweep(target=(1,)), *sweep(fingerprint="beef")])
    first = table(text, "Table 1, cell by cell")
    assert first[0][4:] == ["reported", "measured", "difference", "95 % interval", "holds reported"]
    (line,) = [item for item in first if item[:3] == ["Lip", "StanfordDogs", "target AF"]]
    assert line[4:7] == ["0.048", "0.050", "+0.002"]
    assert line[8] == "yes"
    assert table(text, "Table 2, cell by cell")[1][:3] == ["IFT", "all", "precision@1 BF"]
    assert table(text, "Table 3, cell by cell")[1][:3] == ["Original", "all", "target BF"]
    assert ["Table 1", "Lip", "StanfordCars"] in [item[:3] for item in table(text, "Cells that can't be compared")]
    assert table(text, "Runs that stand in no reported row")[1][:2] == ["mini-rn, suite mini", "3"]
    assert "63 measured numbers stand beside reported ones" in text
    assert UNMEASURED not in text


def test_a_report_without_comparable_cells_shows_the_reported_tables_and_says_so() -> None:
    text = report(sweep())
    assert "No measured number can stand beside a reported one" in text
    assert "Forgetting from StanfordCars: after" in text
    assert "another model" in text
    wrong_split = report(paper_sweep())
    assert "another split" in wrong_split  # 60 test images are not 8041
    assert "No measured number" in wrong_split


def test_the_published_page_is_fresh_until_anything_changes(tmp_path: Path) -> None:
    path = tmp_path / "paper.md"
    assert is_stale(path, ())
    publish_page(path, ())
    assert not is_stale(path, ())
    path.write_text(path.read_text().replace("0.087", "0.078"))
    assert is_stale(path, ())
    publish_page(path, ())
    assert is_stale(path, sweep())  # its runs fit no row, and the page says so
    with pytest.raises(InputError, match="can't be read"):
        is_stale(tmp_path, ())
