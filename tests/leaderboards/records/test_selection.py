"""Filters over records: what they leave, and what they say to a name that is not there."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, ended, record, run, sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.selection import Selection, select

VARIANTS = [
    record(run(method="emb", variant={"name": name, "method": "emb"}, dataset=DIGITS, forget=("three",)))
    for name in ("emb-a", "emb-b")
]
TOGETHER = record(run(method="salun", forget=("red cube", "blue cone"), model="mini-vit", seed=1))
RECORDS = (*sweep(), *VARIANTS, TOGETHER, ended(record(run(method="amns")), "failed", "loss is nan"))


def names(records: Sequence[Record]) -> list[str]:
    return [f"{item.run.label} {'+'.join(item.run.forget)}" for item in records]


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({}, names(RECORDS)),
        ({"methods": ["lip"]}, ["lip red cube", "lip blue cone", "lip three"]),
        ({"methods": ["emb-b"]}, ["emb-b three"]),
        ({"methods": ["emb"]}, ["emb-a three", "emb-b three"]),
        ({"methods": ["amns", "salun"]}, ["salun red cube+blue cone", "amns red cube"]),
        ({"classes": ["three"]}, ["lip three", "emb-a three", "emb-b three"]),
        ({"classes": [f"{SHAPES}/red cube"], "methods": ["lip"]}, ["lip red cube"]),
        ({"classes": ["blue cone+red cube"]}, ["salun red cube+blue cone"]),
        ({"classes": [f"{SHAPES}/blue cone + red cube"]}, ["salun red cube+blue cone"]),
        ({"datasets": [DIGITS], "methods": ["lip"]}, ["lip three"]),
        ({"models": ["mini-vit"]}, ["salun red cube+blue cone"]),
        ({"seeds": ["1"]}, ["salun red cube+blue cone"]),
        ({"statuses": ["failed"]}, ["amns red cube"]),
        ({"statuses": ["skipped"]}, []),
        ({"models": ["mini-vit"], "methods": ["lip"]}, []),
        ({"methods": []}, []),
    ],
)
def test_what_a_filter_leaves(chosen: dict[str, Any], left: list[str]) -> None:
    assert names(select(RECORDS, Selection(**chosen))) == left
    assert Selection(**chosen).is_any == (chosen == {})


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"methods": ["lpi"]}, "unknown method in these records 'lpi'; known: amns, emb, emb-a, emb-b, lip, salun;"),
        ({"datasets": ["mini-digit"]}, f"known: {DIGITS}, {SHAPES}; did you mean '{DIGITS}'"),
        ({"classes": ["four"]}, f"unknown forget set in these records 'four'; known: {DIGITS}/three, {SHAPES}/blue"),
        ({"classes": [f"{DIGITS}/red cube"]}, f"unknown forget set in these records '{DIGITS}/red cube'"),
        ({"classes": ["red cube+three"]}, "unknown forget set in these records 'red cube+three'"),
        ({"models": ["mini-rm"]}, "unknown model in these records 'mini-rm'; known: mini-rn, mini-vit"),
        ({"seeds": ["7"]}, "unknown seed in these records '7'; known: 0, 1"),
        ({"statuses": ["fine"]}, "unknown status 'fine'; known: failed, ok, skipped"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_an_error_that_lists_what_there_is(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        select(RECORDS, Selection(**chosen))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_of_two_datasets_is_both_unless_the_dataset_is_named() -> None:
    both = [record(run(forget=("dot",))), record(run(dataset=DIGITS, forget=("dot",)))]
    assert len(select(both, Selection(classes=["dot"]))) == 2
    (found,) = select(both, Selection(classes=[f"{DIGITS}/dot"]))
    assert found.run.dataset == DIGITS


def test_a_class_with_a_stroke_in_its_name() -> None:
    stroke = record(run(forget=("AC/DC",)))
    assert select([stroke, record()], Selection(classes=["AC/DC"])) == (stroke,)
