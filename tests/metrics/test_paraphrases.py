"""Other wordings: models that are tables from sentence to vector, so that every answer is known by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.metrics.evidence import by_group, dataset_from_predictions, make_evidence, with_further
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.paraphrases import TEMPLATES, Paraphrases
from unlearn_bench.models.two_towers import TwoTowers

NAMES = ("a", "b", "c", "d")
AXIS = {name: axis for axis, name in enumerate((*NAMES, "nothing"))}
HELD_OUT = (
    "We can see a {} in this image",
    "This is a representation of {}",
    "There is evidence of a {} in the picture",
)


def table(changes: Mapping[str, str], words: Sequence[str] = ()) -> TwoTowers:
    """Every wording of a class lies on its axis, but the sentences in `changes`; `nothing` is far from all images."""
    places = {template.format(name): AXIS[name] for template in (*TEMPLATES, "it is {}") for name in NAMES}
    places |= {f"it is {word}": AXIS["nothing"] for word in words}
    places |= {sentence: AXIS[name] for sentence, name in changes.items()}
    known = list(places)

    def tokenize(texts: list[str]) -> Tensor:
        return torch.tensor([[known.index(text)] for text in texts])

    rows = nn.Embedding(len(known), 4)
    with torch.no_grad():
        rows.weight.copy_(torch.cat([torch.eye(4), torch.full((1, 4), -0.5)])[list(places.values())])
    text = nn.Sequential(rows, nn.Flatten())
    image = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    return TwoTowers(image, text, tokenize, name="table", image_size=8, logit_scale=10.0)


def evidence(
    original: TwoTowers,
    unlearned: TwoTowers,
    *,
    synonyms: Mapping[str, tuple[str, ...]],
    forget: tuple[int, ...] = (0,),
) -> Evidence:
    """Images that lie where their class's name lay, four of `a` and two of each other class."""
    labels = [0, 0, 0, 0, 1, 1, 2, 2]
    own = dataset_from_predictions("own", labels, before=labels, after=[0, 0, 0, 3, 1, 1, 2, 2])
    found = with_further(make_evidence(own, forget=forget), each=1)
    assert found.models is not None
    models = replace(found.models, original=original, unlearned=unlearned, synonyms=synonyms, template="it is {}")
    return replace(found, models=models)


def test_a_class_that_comes_back_under_one_wording() -> None:
    """After forgetting, a's text means nothing but in one template; one image of `a` moved to d's axis."""
    hidden = {template.format("a"): "nothing" for template in TEMPLATES if template != "this is a {}."}
    found = by_group(Paraphrases(), evidence(table({}), table(hidden), synonyms={}))
    assert [group for _, group in found] == ["worst", "mean", "synonyms", "other-mean"]
    assert (found["own", "worst"].before, found["own", "worst"].after) == (1.0, 0.75)
    assert found["own", "mean"].after == pytest.approx(0.75 / 8)
    assert (found["own", "other-mean"].before, found["own", "other-mean"].after) == (1.0, 1.0)
    assert (found["own", "synonyms"].before, found["own", "synonyms"].n) == (None, 0)
    assert (found["own", "worst"].n, found["own", "other-mean"].n) == (4, 4)


def test_a_wording_that_means_nothing_shows_in_the_other_classes() -> None:
    lost = {TEMPLATES[0].format(name): "d" for name in NAMES}
    found = by_group(Paraphrases(), evidence(table({}), table(lost), synonyms={}))
    assert found["own", "other-mean"].after == pytest.approx(7 / 8)


def test_synonyms_take_the_place_of_the_targets_name_alone() -> None:
    """What a word is not said to lie on, it does not mean."""
    words = ("first", "second")
    original = table({"it is first": "a", "it is second": "a"}, words)
    unlearned = table({}, words)
    synonyms = {"a": words, "b": ("first",)}
    found = by_group(Paraphrases(), evidence(original, unlearned, synonyms=synonyms))["own", "synonyms"]
    assert (found.before, found.after, found.n) == (1.0, 0.0, 4)
    one = table({"it is second": "a"}, words)
    assert by_group(Paraphrases(), evidence(original, one, synonyms=synonyms))["own", "synonyms"].after == 0.75
    both = by_group(Paraphrases(), evidence(original, one, synonyms=synonyms, forget=(0, 1, 2)))["own", "synonyms"]
    # b under `first` is lost: ( .75 + 0 ) / 2; c has no synonym and does not count.
    assert (both.after, both.n) == (0.375, 6)


def test_the_three_sentences_of_the_paper_come_first() -> None:
    assert TEMPLATES[:3] == HELD_OUT
    assert len(set(TEMPLATES)) == len(TEMPLATES)
    assert all(template.count("{}") == 1 for template in TEMPLATES)


def test_the_original_is_asked_once_for_a_set_of_words() -> None:
    asked = []
    given = evidence(table({}), table({}), synonyms={})
    assert given.models is not None
    kept: dict[str, Tensor] = {}

    def once(purpose: str, compute: object) -> Tensor:
        asked.append(purpose)
        if purpose not in kept and callable(compute):
            kept[purpose] = compute()
        return kept[purpose]

    first = replace(given, once=once)
    assert Paraphrases().measure(first) == Paraphrases().measure(first) == Paraphrases().measure(given)
    assert asked == ["paraphrases 1 []"] * 2
