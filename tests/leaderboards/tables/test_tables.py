"""What the tables and their captions say, beyond the golden ones."""

from dataclasses import replace

import pytest

from tests.leaderboards.examples import (
    DIGITS,
    PLANETS,
    SHAPES,
    cell,
    ended,
    identity,
    only,
    plain,
    run,
    sweep,
    with_extra,
)
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.tables import captions, costs
from unlearn_bench.leaderboards.tables.by_metric import controls, further, retrieval
from unlearn_bench.leaderboards.tables.scores import differences, for_class, overall
from unlearn_bench.leaderboards.tables.section import number, span
from unlearn_bench.leaderboards.tables.tables import missing, sections
from unlearn_bench.registry import catalogue


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (0.0, "0.000"), (-0.0004, "0.000"), (-0.0006, "-0.001"), (1.23456, "1.235")]
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_spans() -> None:
    assert span(Interval(low=-0.1, high=0.25)) == "-0.100 to 0.250"
    assert span(None) == ""


def test_every_section_is_a_whole_table() -> None:
    board = only(sweep(seconds=1.0) + identity(seconds=0.1))
    for section in sections(board, board.rows[0]):
        assert section.title
        assert all(len(row) == len(section.headers) for row in section.rows)
        assert bool(section.headers) == bool(section.rows)
        assert all(isinstance(text, str) for row in section.rows for text in row)


def test_competitors_share_a_table_and_what_has_no_rank_is_marked() -> None:
    peeked = sweep("peeked", targets=(12,), preset={"source": "paper-per-class"})
    board = only(sweep() + sweep("mine", targets=(0,), preset={"source": "given"}) + peeked + identity())
    competitors, references = overall(board)
    assert competitors.title.startswith("Overall: ")
    assert references.title.startswith("References: ")
    shown = [(row[0], row[1], row[-1]) for row in competitors.rows]
    assert shown == [
        ("-", "mine", "not tuned"),
        ("1", "lip", ""),
        ("-", "peeked", "tuned on reported classes; did not forget"),
    ]
    assert [row[:2] for row in references.rows] == [("", "identity")]
    assert cell(for_class(board, (SHAPES, ("red cube",))), "mine", "note") == "not tuned"
    assert all(f"'{note.capitalize()}'" in captions.RANKS for note in UNRANKED.values())


def test_a_class_has_an_interval_and_gaps_where_nothing_ran() -> None:
    broken = sweep("broken")
    broken[0] = ended(broken[0], "failed", "x")
    board = only(sweep() + broken)
    table = for_class(board, (SHAPES, ("red cube",)))
    low, high = (float(text) for text in cell(table, "lip", "95 % interval").split(" to "))
    assert 0 <= low < 2 / 16 / 3 < high < 0.2
    assert cell(table, "broken", "95 % interval") == ""
    assert "Intervals over test images only." in table.paragraphs[0]
    assert cell(table, "lip", "Avg. Score") == f"{2 / 16 / 3:.3f}"
    assert cell(table, "broken", "Avg. Score") == ""
    assert cell(table, "broken", "cells") == "0 of 1"
    assert cell(for_class(board, (SHAPES, ("blue cone",))), "broken", "cells") == "1 of 1"


def test_retrieval_has_a_column_for_each_side_in_order() -> None:
    said = []
    for k in (10, 5, 1):  # not in the order of the table
        said += [(f"ifi@{k}/other", 0.8, 0.7), (f"ifi@{k}/target", 0.9, k / 100)]
        said += [(f"ifi@{k}/ceiling/target", 1.0, 1.0), (f"ifi@{k}/chance/target", 0.05, 0.05)]
    records = [with_extra(item, *(("retrieval", *numbers) for numbers in said)) for item in sweep()]
    (table,) = retrieval(only(records))
    assert table.headers == (
        "method", "target @1 BF", "target @1 AF", "target @5 BF", "target @5 AF", "target @10 BF", "target @10 AF",
        "other @1 BF", "other @1 AF", "other @5 BF", "other @5 AF", "other @10 BF", "other @10 AF",
    )  # fmt: skip
    assert table.rows[0][:7] == ("lip", "0.900", "0.010", "0.900", "0.050", "0.900", "0.100")
    assert cell(table, "(ceiling)", "target @10 BF") == "1.000"
    assert cell(table, "(chance)", "target @5 AF") == "0.050"
    assert cell(table, "(chance)", "other @5 AF") == ""


def test_precision_that_one_class_lacks_is_a_gap() -> None:
    records = [with_extra(item, ("retrieval", "ift@1/target", 0.9, 0.1)) for item in sweep()]
    records[0] = with_extra(sweep()[0], ("retrieval", "ift@1/target", None, None))
    (table,) = retrieval(only(records))
    assert table.rows[0] == ("lip", "", "")


def test_a_new_metric_has_a_table_without_being_known() -> None:
    records = [
        with_extra(item, ("my-metric", "some", 0.25, 0.5), ("my-metric", "all", None, 1.0)) for item in sweep()
    ]
    (table,) = further(only(records))
    assert table.title.startswith("My metric:")
    assert table.headers == ("method", "some BF", "some AF", "all BF", "all AF")
    assert table.rows == (("lip", "0.250", "0.500", "", "1.000"),)


def test_a_table_says_what_its_metric_is() -> None:
    (table,) = further(only([with_extra(item, ("linear-probe", "target", 0.5, 0.4)) for item in sweep()]))
    assert table.paragraphs[0] == catalogue("metrics")["linear-probe"].summary
    assert "linear probe" in table.paragraphs[0]
    assert table.paragraphs[1] == captions.of_means(only(sweep()))
    (unknown,) = further(only([with_extra(item, ("my-metric", "target", 0.5, 0.4)) for item in sweep()]))
    assert unknown.paragraphs == table.paragraphs[1:]


def test_a_group_on_several_datasets_is_said_to_be_a_mean() -> None:
    for metric, group, table_of in (("my-metric", "all", further), ("pair-retrieval", "ift@1/all", retrieval)):
        pair = [plain(metric, group, after, dataset=name) for name, after in ((SHAPES, 0.2), (DIGITS, 0.4))]
        (one,) = table_of(only([replace(item, measurements=(*item.measurements, pair[0])) for item in sweep()]))
        assert captions.SEVERAL not in one.paragraphs[0]
        (both,) = table_of(only([replace(item, measurements=(*item.measurements, *pair)) for item in sweep()]))
        assert captions.SEVERAL in both.paragraphs[0]
        assert both.rows[0] == ("lip", "", "0.300")


def test_a_group_that_a_forget_set_leaves_out_is_averaged_over_the_others() -> None:
    records = [with_extra(item, ("my-metric", "some", 0.25, 0.5)) for item in sweep()]
    (table,) = further(only(records))
    assert "does not count" not in table.paragraphs[0]
    records = [
        with_extra(item, ("my-metric", "all", 0.5, 1.0), *([("my-metric", "some", 0.2, 0.4)] if place else []))
        for place, item in enumerate(sweep())
    ]
    (table,) = further(only(records))
    assert table.rows == (("lip", "0.500", "1.000", "0.200", "0.400"),)
    assert table.paragraphs[0].endswith("A forget set that leaves no such group does not count in its column.")


def test_pairs_have_tables_of_their_own() -> None:
    said = [("ift@1/target", 0.9, 0.1), ("ift@1/chance/target", 0.01, 0.01), ("tfi@1/target", 0.8, 0.2)]
    records = [with_extra(item, *(("pair-retrieval", *numbers) for numbers in said)) for item in sweep()]
    board = only(records)
    by_text, by_image = retrieval(board)
    assert by_text.title.startswith("Retrieval of pairs, image from text:")
    assert by_image.title.startswith("Retrieval of pairs, text from image:")
    assert by_text.rows == (("lip", "0.900", "0.100"), ("(chance)", "0.010", "0.010"))
    assert by_image.rows == (("lip", "0.800", "0.200"),)
    assert "Recall@k" in by_text.paragraphs[0]
    assert further(board) == ()


def test_no_such_measurements_no_such_tables() -> None:
    board = only(sweep(evaluation=run().evaluation[:2]))
    assert retrieval(board) == ()
    assert further(board) == ()
    assert controls(board) == ()
    assert missing(board) == ()
    assert costs.table(board)[0] == ("method", "access", "tuned parameters", "tuning trials")


def test_control_sets_stand_outside_the_score() -> None:
    def destroyed(found: Record) -> Record:
        said = [replace(item, after=0.0) if item.group == "control" else item for item in found.measurements]
        return replace(found, measurements=tuple(said))

    worse = [destroyed(item) for item in sweep()]
    (table,) = controls(only(worse))
    assert cell(table, "lip", f"{PLANETS} AF") == "0.000"
    assert only(worse).rows[0].overall.score == only(sweep()).rows[0].overall.score


def test_cells_without_numbers_are_listed_with_their_reasons() -> None:
    records = sweep(seeds=(0, 1, 2))
    failing = [ended(item, "failed", "loss is nan") for item in sweep("bad", seeds=(0, 1, 2))]
    failing[0] = ended(failing[0], "skipped", "no projection")
    (table,) = missing(only(records + failing[:6]))
    assert {row[1]: row[2] for row in table.rows} == {"failed": "5", "skipped": "1", "missing": "3"}
    which = cell(table, "no projection", "which")
    assert which == f"{SHAPES}: red cube, seed 0"
    assert cell(table, "loss is nan", "which").endswith("; and 2 more")
    assert cell(table, "no record", "which").count(DIGITS) == 3


def test_differences_leave_out_the_baseline() -> None:
    board = only(sweep() + sweep("emb", targets=(4,)) + identity())
    (table,) = differences(board, board.rows[0])
    assert [row[0] for row in table.rows] == ["emb", "identity (reference)"]
    assert cell(table, "emb", "overall") == f"{2 / 16 / 3:.3f}"
    assert "minus that of lip" in table.paragraphs[0]
    alone = only(sweep())
    assert differences(alone, alone.rows[0]) == ()


def test_costs_stand_right_below_the_overall_tables() -> None:
    titles = [section.title.split(":")[0] for section in sections(only(sweep() + identity()), None)]
    assert titles[1:4] == ["Overall", "References", "Costs"]


def test_an_overall_row_by_hand() -> None:
    board = only(sweep("amns", targets=(4, 8, 6), measured={"other": 20, "rest": 50}) + sweep() + identity())
    table = overall(board)[0]
    # mini-shapes: 6 of 16 left in the mean, mini-digits: 6 of 16; others 20 of 30, elsewhere more than before
    assert cell(table, "amns", "forgetting") == f"{1 - 6 / 16:.3f}"
    assert cell(table, "amns", "retention") == f"{(20 / 30 + 1) / 2:.3f}"
    assert cell(table, "amns", "H") == f"{2 / (1 / 0.625 + 1 / (5 / 6)):.3f}"
    assert cell(table, "amns", "irreversibility") == "-"
    assert (cell(table, "lip", "front"), cell(table, "amns", "front")) == ("yes", "")
    reference = overall(board)[1]
    assert [cell(reference, "identity", name) for name in ("forgetting", "retention", "H", "front")] == [
        "0.000", "1.000", "0.000", "",
    ]  # fmt: skip


def test_irreversibility_is_what_the_best_audit_does_not_bring_back() -> None:
    probe = [("linear-probe", "target", 0.8, 0.4), ("linear-probe", "other", 0.8, 0.7)]
    audits = [*probe, ("relearning", "shots@1/target", 0.9, 0.6), ("relearning", "shots@1/other", 0.9, 0.5)]
    board = only([with_extra(item, *audits) for item in sweep()])
    assert cell(overall(board)[0], "lip", "irreversibility") == f"{1 - 0.6 / 0.9:.3f}"
    both = "Audits of irreversibility: linear probe; relearning from one image of each class."
    assert both in captions.about(board)
    one = only([with_extra(item, *probe) for item in sweep()])
    assert "Audits of irreversibility: linear probe." in captions.about(one)
    assert "Audits" not in " ".join(captions.about(only(sweep())))
    assert cell(overall(one)[0], "lip", "irreversibility") == "0.500"
    other = only([with_extra(item, ("relearning", "shots@16/target", 0.9, 0.6)) for item in sweep()])
    assert cell(overall(other)[0], "lip", "irreversibility") == "-"
    gap = [with_extra(item, *audits) for item in sweep()]
    gap[0] = with_extra(sweep()[0], *probe)
    assert cell(overall(only(gap))[0], "lip", "irreversibility") == ""  # one run lacks an audit of the others
    collapsed = [*probe, ("relearning", "shots@1/target", 0.9, 1.0), ("relearning", "shots@1/other", 0.9, 0.0)]
    found = only([with_extra(item, *collapsed) for item in sweep()])
    assert cell(overall(found)[0], "lip", "irreversibility") == "0.500"  # the probe's share


def test_groups_that_few_forget_sets_have_get_no_column() -> None:
    records = [
        with_extra(item, ("neighbours", "near", 0.9, 0.8), ("neighbours", f"near/{item.run.forget[0]}", 0.9, 0.7))
        for item in sweep()
    ]
    (table,) = further(only(records))
    assert table.headers == ("method", "near BF", "near AF")
    assert table.rows == (("lip", "0.900", "0.800"),)
    (alone,) = further(only([item for item in records if item.run.forget == ("three",)]))
    assert alone.headers == ("method", "near BF", "near AF", "near/three BF", "near/three AF")


def test_a_caption_says_how_far_half_precision_is_from_fp32() -> None:
    records = [replace(item, run=replace(item.run, precision="bf16")) for item in sweep()]
    assert "Test images are encoded in bf16; " in " ".join(captions.about(only(records)))
    assert "as in fp32: not recorded." in " ".join(captions.about(only(records)))
    shares = [{SHAPES: 1.0, DIGITS: 0.998}, {SHAPES: 0.9941, DIGITS: 1.0}]
    records[:2] = [
        replace(item, provenance={**item.provenance, "agreement": share})
        for item, share in zip(records[:2], shares, strict=True)
    ]
    assert f"as in fp32: {SHAPES} 99.4%, {DIGITS} 99.8%." in " ".join(captions.about(only(records)))
    assert "fp32" not in " ".join(captions.about(only(sweep())))


def test_a_caption_says_what_was_measured() -> None:
    later = {"version": "0.2.0", "commit": "def456+dirty"}
    records = sweep(seeds=(0, 2), method_version=3, metrics={"accuracy": 2})
    records[0] = replace(records[0], provenance={**records[0].provenance, **later})
    about = " ".join(captions.about(only(records)))
    for part in (
        "Model mini-rn (fingerprint f00d)",
        "suite mini, seeds 0, 2",
        f"3 forget sets ({SHAPES}: blue cone, red cube; {DIGITS}: three)",
        "6 cells for each method",
        "split 'train'",
        f"{PLANETS} (test, version 1, control)",
        "unlearn-bench 0.1.0, 0.2.0; commit abc123, def456+dirty",
        "methods at version 1 except lip 3",
        "metrics at version 1 except accuracy 2",
        "Presets: lip tuned (40 trials).",
    ):
        assert part in about


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("paper", "as its paper says"),
        ("paper-per-class", "chosen by class on the reported classes"),
        ("default", "by default, not tuned"),
        ("given", "given by hand"),
        ("tuned", "lip tuned"),
        ("elsewhere", "lip elsewhere"),
    ],
)
def test_presets_say_where_they_come_from(source: str, says: str) -> None:
    assert says in captions.presets(only(sweep(preset={"source": source})))


def test_presets_of_several_sources_are_all_named() -> None:
    records = sweep()
    records[0] = replace(records[0], preset={"source": "given"})
    said = captions.presets(only(records))
    assert "tuned (40 trials)" in said
    assert "given by hand" in said
    assert captions.presets(only(identity())) == "identity has no hyperparameters"


def test_counts_of_images_are_in_the_captions() -> None:
    board = only(sweep())
    said = captions.of_class(board, (SHAPES, ("red cube",)))
    assert f"test images: target 20, other 40, {DIGITS} 60, {PLANETS} 10" in said
    uneven = sweep()
    uneven[1] = replace(
        uneven[1], measurements=(replace(uneven[1].measurements[0], n=25, outcomes=""), *uneven[1].measurements[1:])
    )
    assert "target 20 to 25" in captions.of_dataset(only(uneven), SHAPES)
    failed = [ended(item, "failed", "x") for item in sweep()]
    assert "no test images counted" in captions.of_dataset(only(failed), SHAPES)


def test_lists_are_cut() -> None:
    assert captions.listed(["a", "b", "c"]) == "a; b; c"
    assert captions.listed(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
    assert captions.listed([]) == ""
