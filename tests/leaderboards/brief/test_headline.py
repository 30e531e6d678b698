"""What a leaderboard comes to, in sentences that its rows bear out."""

from dataclasses import replace

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import ended, identity, only, plain, sweep
from tests.leaderboards.page.page_examples import audited
from unlearn_bench.leaderboards.brief.headline import counted, headline, measured_line, sentences
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.findings import findings

BAD = {"other": 20, "rest": 30}


def retrained(probe: float) -> list[Record]:
    found = sweep("retrain", targets=(3,), kind="reference", hyperparameters={})
    return audited(found, probe, 0.2)


def test_who_leads_and_by_how_much() -> None:
    board = only(sweep("lip", targets=(0,)) + sweep("amns", targets=(12,), measured=BAD) + identity())
    found = findings(board)
    assert [row.label for row in found.leaders] == ["lip"]
    assert found.follower is not None
    assert found.follower.label == "amns"
    assert found.lead is not None
    lip, amns = (board.find(name) for name in ("lip", "amns"))
    assert lip is not None
    assert amns is not None
    assert found.lead.mean == (amns.overall.score or 0) - (lip.overall.score or 0)
    first, second, third = sentences(board)
    assert first.startswith("lip leads with a score of .000 (.000 to .000): it forgets 100.0 % of what it should")
    assert second.startswith("The next, amns, is .")
    assert " to ." in second
    assert third == "1 of 2 methods did not forget."
    assert headline(board) == " ".join((first, second, third))


def test_methods_that_are_not_told_apart_are_named() -> None:
    said = headline(only(sweep("lip") + sweep("emb") + identity()))
    assert "not told apart from lip: it" in said or "not told apart from emb: it" in said
    assert "The next" not in said
    many = [item for place in range(6) for item in sweep(f"m{place}")]
    assert "not told apart from m1, m2, m3 and 2 more" in headline(only(many))


def test_irreversibility_is_set_against_the_retrained_model() -> None:
    soft, hard = audited(sweep("lip"), 0.75, 0.6), audited(sweep("hard"), 0.1, 0.0)
    said = headline(only(soft + retrained(0.4)))
    assert "None of those that forgot with less harm than good is as irreversible as the model that was" in said
    assert "trained again without it (.500); the nearest is lip (.062)." in said
    assert "the nearest is lip (.062)." in said
    assert "As irreversible as the model that was trained again without it (.500): hard." in headline(
        only(soft + hard + retrained(0.4))
    )
    assert "Of those that forgot with less harm than good, lip is the least reversible: .062" in headline(only(soft))
    kept = audited(sweep("amns", targets=(16,)), 0.0, 0.0)  # what never forgot is not hard to bring back
    hardest = findings(only(soft + kept)).hardest
    assert hardest is not None
    assert (hardest[0].label, hardest[1]) == ("lip", 0.0625)


def test_a_model_that_knows_nothing_any_more_is_no_example() -> None:
    """Who did more harm than good is irreversible as broken glass is."""
    soft = audited(sweep("lip"), 0.75, 0.6)
    broken = audited(sweep("broken", targets=(0,), measured={"other": 0, "rest": 0}), 0.0, 0.0)
    found = findings(only(soft + broken + retrained(0.4) + identity()))
    assert found.unforgotten == 0
    assert found.hardest is not None
    assert found.hardest[0].label == "lip"
    assert found.as_hard == ()
    alone = findings(only(soft + broken + retrained(0.4)))  # nobody says what doing nothing scores
    assert [row.label for row in alone.as_hard] == ["broken"]


def test_nobody_forgot_and_nobody_is_ranked() -> None:
    assert "No method forgot" in headline(only(sweep("lip", targets=(15,)) + sweep("emb", targets=(16,))))
    untuned = headline(only(sweep("lip", preset={"source": "default"})))
    assert untuned.startswith("No method was tuned for this, so none is ranked; lip has the best score")
    failed = [ended(item, "failed", "x") for item in sweep()]
    assert headline(only(failed)) == "No method has all its cells yet, so none has a score."


def linked(records: list[Record], after: float) -> list[Record]:
    """The same of forgotten links: the accuracy on the entity's other links, .8 before."""
    metrics = {**records[0].run.metrics, "association-accuracy": 1}
    return [
        replace(
            item,
            run=replace(item.run, metrics=metrics),
            measurements=(
                *item.measurements,
                plain("association-accuracy", "same-entity", after, before=0.8, dataset=item.run.dataset),
            ),
        )
        for item in records
    ]


def test_what_a_forgotten_link_takes_with_it_is_told() -> None:
    records = linked(sweep("lip"), 0.6) + linked(sweep("emb"), 0.2) + linked(identity(), 0.8)
    found = findings(only(records))
    assert [row.label for row, _ in found.spared] == ["lip", "emb"]
    assert found.spilled == 1
    assert (
        "1 of 2 lost more than half of what the model knew of the entity's other links; lip lost least of it "
        "(accuracy .800 before, .600 after)."
    ) in headline(only(records))
    unforgotten = linked(sweep("lip", targets=(15,)), 0.7) + linked(sweep("emb"), 0.2)
    assert [row.label for row, _ in findings(only(unforgotten)).spared] == ["emb"], "of those that forgot"
    assert "other links" not in headline(only(sweep("lip")))


def test_pairs_without_class_names_have_no_score_and_nothing_is_missing() -> None:
    def of_pairs(record: Record) -> Record:
        kept = [item for item in record.measurements if item.metric not in {"accuracy", "average-score"}]
        return replace(record, measurements=tuple(kept))

    said = headline(only([of_pairs(record) for record in sweep("lip")]))
    assert said.endswith("so no method has a score; what was measured is in the tables.")


def test_a_score_without_an_interval_has_none() -> None:
    bare = [
        replace(item, measurements=tuple(replace(said, outcomes="") for said in item.measurements))
        for item in sweep("lip")
    ]
    assert headline(only(bare)).startswith("lip leads with a score of .042: it forgets 87.5 %")


def test_curves_are_told_by_their_area() -> None:
    board = only(front("lip", (12, 30, 45), (2, 27, 40)) + front("emb", (9, 20, 30)) + nothing())
    assert headline(board).startswith("lip reaches most: its settings dominate .8")
    failed = [ended(item, "failed", "x") for item in front("lip", (12, 30, 45))]
    assert headline(only(failed + nothing())).startswith("No method has all the points of its front yet")


def test_what_was_measured_in_one_line() -> None:
    assert measured_line(only(sweep() + identity())) == (
        "mini-rn: 3 forget sets of 2 datasets, 1 seed, 1 method and 1 reference"
    )
    assert counted(2, "class") == "2 classes"
