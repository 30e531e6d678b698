"""The table of what audits find after forgetting."""

from dataclasses import replace

from tests.leaderboards.examples import identity, plain, sweep
from unlearn_bench.leaderboards import remains
from unlearn_bench.leaderboards.aggregate import boards
from unlearn_bench.leaderboards.records import Record
from unlearn_bench.leaderboards.render import render


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


def test_nothing_without_audits() -> None:
    assert table(sweep() + identity()) == {}
    assert "What remains" not in render(sweep(), fmt="md")
    assert "What remains: what audits find" in render([audited(item, 0.5) for item in sweep()], fmt="md", short=True)
