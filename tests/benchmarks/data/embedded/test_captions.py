"""Captions: many frames, true of their images, and three sentences that are never trained on."""

import re
from string import Formatter

import pytest

from unlearn_bench.benchmarks.data.embedded.drawing.captions import (
    HELD_OUT,
    SYNONYMS,
    captions_of,
    every_text,
    image_facts,
    templates_of,
)
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset
from unlearn_bench.benchmarks.data.embedded.drawing.splits import render_image

each_dataset = pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)


def _skeleton(template: str) -> str:
    """A template without its fields, case and punctuation."""
    return " ".join(re.sub(r"[^a-z ]", "", re.sub(r"\{\w*\}", "", template.lower())).split())


def _texts(dataset: MiniDataset) -> set[str]:
    return {caption.text for name in dataset.class_names for caption in captions_of(dataset, name)}


@each_dataset
def test_there_are_many_templates(dataset: MiniDataset) -> None:
    assert len(templates_of(dataset)) >= 20


@each_dataset
def test_the_papers_and_the_evaluation_templates_are_trained(dataset: MiniDataset) -> None:
    for name in dataset.class_names:
        texts = {caption.text for caption in captions_of(dataset, name)}
        assert f"a photo of a {name}." in texts
        assert f"A picture of {name}" in texts
        assert dataset.template.format(name) in texts


@each_dataset
def test_the_robustness_templates_are_held_out(dataset: MiniDataset) -> None:
    held_out = {_skeleton(template) for template in HELD_OUT}
    assert len(held_out) == 3
    assert held_out.isdisjoint(_skeleton(template) for template in templates_of(dataset))
    sentences = {template.format(name) for template in HELD_OUT for name in dataset.class_names}
    assert sentences.isdisjoint(_texts(dataset))
    assert not any(
        part in text.lower() for part in ("we can see", "representation", "evidence") for text in _texts(dataset)
    )


def test_the_held_out_sentences_are_the_papers() -> None:
    assert HELD_OUT == (
        "We can see a {} in this image",
        "This is a representation of {}",
        "There is evidence of a {} in the picture",
    )


@each_dataset
def test_every_domain_has_its_templates(dataset: MiniDataset) -> None:
    for name in dataset.class_names[:3]:
        stated = {caption.text: caption.facts.get("domain") for caption in captions_of(dataset, name)}
        for domain in dataset.domains:
            assert stated[f"a {domain} of a {name}."] == domain
            assert stated[f"a {domain} of a small {name} on a dark background."] == domain


@each_dataset
def test_captions_say_what_they_claim(dataset: MiniDataset) -> None:
    for caption in captions_of(dataset, dataset.class_names[0]):
        for fact, value in caption.facts.items():
            shown = {
                "photo": ("photo",),
                "sketch": ("sketch", "pencil", "hand-drawn"),
                "painting": ("paint", "canvas"),
            }
            assert any(word in caption.text for word in shown.get(value, (value,))), (caption, fact)
        if not caption.facts and dataset.domains:
            assert not re.search(r"photo|sketch|paint|small|large|background", caption.text)


@each_dataset
def test_captions_state_several_facts_at_once(dataset: MiniDataset) -> None:
    most = max(len(caption.facts) for caption in captions_of(dataset, dataset.class_names[0]))
    assert most == (3 if dataset.domains else 2)


@each_dataset
def test_true_captions_agree_with_the_image(dataset: MiniDataset) -> None:
    for index in range(4):
        name = dataset.class_names[index]
        facts = image_facts(dataset.domain_of(index), render_image(dataset, "val", name, index)[1])
        true = [caption for caption in captions_of(dataset, name) if caption.true_of(name, facts)]
        assert len(true) >= 20
        for caption in true:
            opposites = {value for fact, pair in dataset.facts.items() for value in pair if value != facts[fact]}
            assert not any(re.search(rf"\b{word}\b", caption.text) for word in opposites)
        assert not any(caption.true_of(dataset.class_names[-1], facts) for caption in true)


def test_a_text_never_names_two_classes() -> None:
    seen: dict[str, str] = {}
    for dataset in DATASETS.values():
        for name in dataset.class_names:
            for caption in captions_of(dataset, name):
                assert seen.setdefault(caption.text, name) == name


def test_synonyms_are_used_and_are_no_class_names() -> None:
    names = {name for dataset in DATASETS.values() for name in dataset.class_names}
    assert set(SYNONYMS) <= names
    assert names.isdisjoint(word for words in SYNONYMS.values() for word in words)
    texts = {caption.text for caption in captions_of(DATASETS["mini-textures"], "checkerboard")}
    assert "a chequered pattern." in texts


@each_dataset
def test_no_field_is_left_unfilled(dataset: MiniDataset) -> None:
    assert not any("{" in text or "  " in text for text in _texts(dataset))
    for template in templates_of(dataset):
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
        assert sum(field in {"", "name"} for field in fields) == 1


def test_every_text_that_a_suite_needs_is_listed() -> None:
    texts = set(every_text())
    assert {"ring", "We can see a ring in this image", "a photo of a polka dots texture."} <= texts
    assert _texts(DATASETS["mini-letters"]) <= texts
