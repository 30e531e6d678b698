"""Two keys: of a run, which any difference changes, and of its unlearned model, which measuring does not change."""

from dataclasses import replace
from typing import Any

import pytest

from tests.leaderboards.examples import DIGITS, SHAPES, run
from unlearn_bench.leaderboards.records.record import Run

SHOUTED = {"name": "shouted", "method": "lip", "template": "A {}!"}


def with_data(name: str, base: Run | None = None, **changes: Any) -> Run:
    """The run with another evaluation set of that name."""
    base = base or run()
    sets = [replace(item, **changes) if item.name == name else item for item in base.evaluation]
    return replace(base, evaluation=tuple(sets))


DECIDING: dict[str, Run] = {
    "fingerprint": run(fingerprint="beef"),
    "method": run(method="emb"),
    "version": run(method_version=2),
    "file": run(method_file="abcd"),
    "hyperparameters": run(hyperparameters={"sigma": 0.2, "steps": 25, "layers": ("a", "b")}),
    "forget set": run(forget=("blue cone",)),
    "order": run(forget=("red cube", "blue cone")),
    "dataset": run(dataset=DIGITS),
    "synthesis": run(synthesis={"images": 32}),
    "train split": run(train_split="val"),
    "seed": run(seed=1),
    "variant": run(variant={"name": "x", "method": "lip", "by_class": {"red cube": {"threshold": 0.5}}}),
    "version of the data": with_data(SHAPES, version="2"),
    "partition": with_data(SHAPES, split_name="official"),
    "class texts": with_data(SHAPES, template="{}"),
}

MEASURING: dict[str, Run] = {
    "metrics": run(metrics={"accuracy": 1, "linear-probe": 2}),
    "version of a metric": run(metrics={"accuracy": 2, "seconds": 1}),
    "other datasets": run(evaluation=run().evaluation[:1]),
    "version of another dataset": with_data(DIGITS, version="2"),
    "template of another dataset": with_data(DIGITS, template="{}"),
    "test split": with_data(SHAPES, split="val"),
    "precision": run(precision="bf16"),
}

NAMES: dict[str, Run] = {
    "suite": run(suite="mini-full"),
    "model": run(model="RN50:elsewhere.pt"),
    "access": run(access="not-ZS"),
    "kind": run(kind="ablation"),
}


@pytest.mark.parametrize("case", DECIDING)
def test_what_decides_the_model_changes_both_keys(case: str) -> None:
    assert DECIDING[case].unlearned_key != run().unlearned_key
    assert DECIDING[case].key != run().key


@pytest.mark.parametrize("case", MEASURING)
def test_what_is_measured_changes_the_key_of_the_run_alone(case: str) -> None:
    assert MEASURING[case].unlearned_key == run().unlearned_key
    assert MEASURING[case].key != run().key


@pytest.mark.parametrize("case", NAMES)
def test_names_change_neither(case: str) -> None:
    assert NAMES[case].unlearned_key == run().unlearned_key
    assert NAMES[case].key == run().key


def test_variants_that_ask_with_another_template_share_their_model() -> None:
    """A variant's template is for the evaluation alone; which one the method saw instead, its run does not say."""
    shouted = with_data(SHAPES, run(variant=SHOUTED), template="A {}!")
    whispered = with_data(
        SHAPES, run(variant={**SHOUTED, "name": "whispered", "template": "a {}.."}), template="a {}.."
    )
    assert shouted.unlearned_key == whispered.unlearned_key != run().unlearned_key
    assert shouted.key != whispered.key
    stronger = replace(shouted, hyperparameters={"sigma": 0.2})
    assert stronger.unlearned_key != shouted.unlearned_key


def test_keys_are_those_of_the_published_records() -> None:
    """A key that changes loses every record that there is: this one was written before the second key came."""
    assert run().key == "a077fb9fba5e8530"
