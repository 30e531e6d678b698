"""The table of what audits find after forgetting."""

import csv
import io
from dataclasses import replace

from tests.leaderboards.attack_examples import swept
from tests.leaderboards.examples import cell, ended, identity, only, plain, sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.aggregate import boards
from unlearn_bench.leaderboards.tables import audits as remains
from unlearn_bench.leaderboards.tables.render import parts_of, render


def audited(found: Record, probe: float | None, distance: float | None = None) -> Record:
    new = (
        plain("linear-probe", "target", probe, before=0.9),
        plain("linear-probe", "other", 0.5, before=0.9),
        plain("retrain-distance", "target", distance, before=0.3),
    )
    return replace(found, measurements=(*found.measurements, *new))


def table(records: list[Record]) -> dict[str, tuple[str, ...]]:
    ((board,), titles) = boards(records), {}
    for section in remains.sections(board):
        assert section.title == "What remains: mini-rn, suite mini"
        titles = {"": section.headers[2:], **{row[0]: row[2:] for row in section.rows}}
    return titles


def test_after_forgetting_by_hand() -> None:
    # mini-shapes: two classes, one seed each in the mean; mini-digits: one
    values = {"red cube": 0.2, "blue cone": 0.4, "three": 0.6}
    forgotten = [audited(item, values[item.run.forget[0]], 0.8) for item in sweep()]
    found = table(forgotten + [audited(item, 0.9, 0.3) for item in identity()])
    assert found[""] == ("zero-shot", "linear probe", "unlike retrained: target")
    assert found["lip"][1:] == ("0.450", "0.800")
    assert found["identity (reference)"][1:] == ("0.900", "0.300")


def test_a_gap_gives_no_number_and_an_audit_without_any_no_column() -> None:
    records = [audited(item, 0.5) for item in sweep()]
    records[0] = audited(sweep()[0], None)
    found = table(records + [audited(item, 0.9) for item in identity()])
    assert found[""] == ("zero-shot", "linear probe")
    assert found["lip"][1] == ""


def test_a_row_without_any_number_is_left_out() -> None:
    absent = [ended(item, "skipped", "no retrained model") for item in sweep("retrain", kind="reference")]
    found = table([audited(item, 0.5) for item in sweep()] + absent)
    assert set(found) == {"", "lip"}
    assert "retrain" in render([audited(item, 0.5) for item in sweep()] + absent, fmt="md")  # among cells without


def test_a_relearned_target_stands_beside_the_kept_classes() -> None:
    said = {"relearning": {"shots@16/target": 1.0, "shots@16/other": 0.0}, "separability": {"target-gap": 0.25}}
    new = tuple(plain(metric, group, value) for metric, found in said.items() for group, value in found.items())
    found = table([replace(item, measurements=(*item.measurements, *new)) for item in sweep()])
    assert found[""] == ("zero-shot", "relearned, 16 images", "relearned, 16 images: kept classes", "separability")
    assert found["lip"][1:] == ("1.000", "0.000", "0.250")


def test_any_of_the_audits_brings_the_words_about_them() -> None:
    weights = plain("quantisation", "target", 0.4)
    page = render([replace(item, measurements=(*item.measurements, weights)) for item in sweep()], fmt="md")
    assert remains.READING in page


def test_nothing_without_audits() -> None:
    assert table(sweep() + identity()) == {}
    assert "What remains" not in render(sweep(), fmt="md")
    assert "What remains: what audits find" in render([audited(item, 0.5) for item in sweep()], fmt="md")


def attacked() -> list[Record]:
    """Lip comes back by prototypes: (10 - 4) / (16 - 4); the probe teaches the class; emb has no such attack."""
    found = swept("lip", {"prototype, 4 images": 10, "linear probe": 15})
    return found + swept("retrain", {"prototype, 4 images": 4, "linear probe": 9})


def test_the_standard_attack_has_columns_and_a_table_of_its_own() -> None:
    board = only(attacked())
    competing = next(part for part in parts_of(board, None) if part.title.startswith("Overall"))
    assert cell(competing, "lip", "worst known recovery") == "0.500"
    assert cell(competing, "lip", "found by") == "prototype, 4 images"
    place = competing.headers.index("worst known recovery")
    assert competing.rows[0][place + 1].count(" to ") == 1
    assert len(competing.headers) == len(competing.rows[0])
    (table,) = remains.recoveries(board)
    assert cell(table, "lip", "linear probe") == "(0.857)"
    assert cell(table, "retrain (reference)", "prototype, 4 images") == "0.000"
    page = render(attacked(), fmt="md")
    assert "Standard attack: mini-rn, suite mini" in page
    assert "Worst known recovery: the largest share" in page


def test_bare_shares_are_marked_in_tables_and_files() -> None:
    records = swept("lip", {"prototype, 4 images": 10})
    overall = next(part for part in parts_of(only(records), None) if part.title.startswith("Overall"))
    assert cell(overall, "lip", "found by") == "prototype, 4 images (bare share)"
    lines = list(csv.DictReader(io.StringIO(render(records, fmt="csv"))))
    (worst,) = [line for line in lines if line["metric"] == "worst-known-recovery"]
    assert (worst["group"], worst["after"]) == ("prototype, 4 images, bare", "0.625")
    assert float(worst["low"]) < 0.625 < float(worst["high"])


def test_unreliable_attacks_are_marked_in_files() -> None:
    lines = list(csv.DictReader(io.StringIO(render(attacked(), fmt="csv"))))
    groups = {line["group"] for line in lines if line["metric"] == "recovery" and line["method"] == "lip"}
    assert "linear probe, unreliable" in groups
    assert "pruning" in groups


def test_nothing_of_it_where_the_set_did_not_run() -> None:
    records = [audited(item, 0.5) for item in sweep()]
    assert remains.recoveries(only(records)) == ()
    for fmt in ("md", "csv"):
        page = render(records, fmt=fmt)
        assert "recovery" not in page
        assert "Standard attack" not in page
