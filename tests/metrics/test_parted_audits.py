"""The audits where classes are parted by domain: an image's candidates are the labels of its own domain."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import normalize

from tests.metrics.evidence import by_group, make_evidence, random_dataset, with_further
from tests.metrics.test_paraphrases import table
from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.linear_probe import LinearProbe
from unlearn_bench.metrics.neighbours import Neighbours, nearest
from unlearn_bench.metrics.paraphrases import DOMAIN_TEMPLATES, TEMPLATES, Paraphrases
from unlearn_bench.metrics.quantisation import Quantisation, quantised
from unlearn_bench.metrics.relearning import _plan, relearn
from unlearn_bench.metrics.separability import Separability
from unlearn_bench.metrics.shared.encoding import embed, embed_texts, predict, sample

CLASSES, PHRASES = ("cat", "dog", "fox") * 2, ("a photo",) * 3 + ("a sketch",) * 3
DOMAINS = torch.tensor([0, 0, 0, 1, 1, 1])
FORGET = (1, 4, 5)
SCALE = 5.0


def parted(dataset: DatasetEvidence) -> DatasetEvidence:
    return replace(
        dataset,
        class_of=torch.tensor([0, 1, 2] * 2),
        before=dataset.before.parted(dataset.labels, DOMAINS),
        after=dataset.after.parted(dataset.labels, DOMAINS),
    )


def parted_evidence(seed: int) -> Evidence:
    """Three classes in two domains, five test images of each label; models and vectors at random."""
    own = parted(random_dataset("own", list(range(6)) * 5, 6, seed=seed))
    found = with_further(make_evidence(own, forget=FORGET, logit_scale=SCALE, seed=seed), each=4)
    assert found.models is not None
    assert found.train is not None
    models = replace(
        found.models,
        template="{domain} of a {}",
        classes=CLASSES,
        phrases=PHRASES,
        synonyms={"dog": ("hound", "cur")},
    )
    return replace(found, models=models, train=parted(found.train))


def models_of(evidence: Evidence) -> Models:
    assert evidence.models is not None
    return evidence.models


def nearest_of_own_domain(scores: Tensor, labels: list[int]) -> list[int]:
    """By a loop: the best column among the three of each image's domain."""
    found = []
    for row, label in zip(scores.tolist(), labels, strict=True):
        start = 3 * (label // 3)
        found.append(max(range(start, start + 3), key=row.__getitem__))
    return found


def recall(found: list[int], labels: list[int], wanted: tuple[int, ...]) -> float:
    each = [
        [seen == label for seen, label in zip(found, labels, strict=True) if label == target] for target in wanted
    ]
    return sum(sum(one) / len(one) for one in each) / len(each)


def test_texts_keep_the_phrase_of_the_domain() -> None:
    models = models_of(parted_evidence(0))
    assert models.texts[:4] == ("a photo of a cat", "a photo of a dog", "a photo of a fox", "a sketch of a cat")
    assert models.say("this is {domain} of a {}.", 4, "hound") == "this is a sketch of a hound."
    assert replace(models, template="it is {}", phrases=(), classes=("x",)).texts == ("it is x",)
    assert len(DOMAIN_TEMPLATES) == len(TEMPLATES) == len(set(DOMAIN_TEMPLATES))
    assert all(template.count("{}") == template.count("{domain}") == 1 for template in DOMAIN_TEMPLATES)


def test_candidates_of_images() -> None:
    own = random_dataset("own", [4, 0, 5], 6).before
    assert own.parted(torch.tensor([4, 0, 5]), None) is own
    found = own.parted(torch.tensor([4, 0, 5]), DOMAINS)
    assert found.image_domains is not None
    assert found.image_domains.tolist() == [1, 0, 1]
    assert found.text_domains is DOMAINS


@pytest.mark.parametrize("seed", range(2))
def test_rounded_models(seed: int) -> None:
    evidence = parted_evidence(seed)
    models, labels = models_of(evidence), evidence.own.labels.tolist()
    found = by_group(Quantisation(), evidence)["own", "target"]
    for clip, value in ((models.original, found.before), (models.unlearned, found.after)):
        rounded = clip.with_state(quantised(clip))
        scores = embed(rounded, models.test.pixels) @ embed_texts(rounded, models.texts).T
        assert value == pytest.approx(recall(nearest_of_own_domain(scores, labels), labels, FORGET))
    rows = sample(evidence.own.labels, FORGET)
    pixels = models.test.pixels[rows]
    seen = predict(
        embed(models.original, pixels),
        embed_texts(models.original, models.texts),
        like=evidence.own.before.at(rows),
    )
    assert torch.equal(DOMAINS[seen], DOMAINS[evidence.own.labels[rows]])


@pytest.mark.parametrize("seed", range(2))
def test_one_probe_over_all_labels_read_by_domain(seed: int) -> None:
    evidence = parted_evidence(seed)
    train, own = evidence.train, evidence.own
    assert train is not None
    found = by_group(LinearProbe(), evidence)["own", "target"]
    for side in ("before", "after"):
        seen, shown = (getattr(dataset, side).images.double() for dataset in (train, own))
        mean, spread = seen.mean(0), seen.std(0, correction=0)
        probe = LogisticRegression(max_iter=1000).fit(((seen - mean) / spread).numpy(), train.labels.numpy())
        scores = torch.as_tensor(probe.decision_function(((shown - mean) / spread).numpy()))
        expected = recall(nearest_of_own_domain(scores, own.labels.tolist()), own.labels.tolist(), FORGET)
        assert getattr(found, side) == pytest.approx(expected)


def test_a_label_that_the_probe_never_saw() -> None:
    evidence = parted_evidence(0)
    assert evidence.train is not None
    for seen in ([0, 1, 2], [3, 5]):  # the whole domain of some images is missing; then two labels alone
        rows = torch.isin(evidence.train.labels, torch.tensor(seen))
        train = replace(
            evidence.train,
            labels=evidence.train.labels[rows],
            before=evidence.train.before.at(rows),
            after=evidence.train.after.at(rows),
        )
        found = by_group(LinearProbe(), replace(evidence, train=train, forget=(4,)))["own", "target"]
        assert (found.before, found.after, found.n) == (0.0, 0.0, 5)


def test_confidence_is_among_the_labels_of_the_domain() -> None:
    evidence = parted_evidence(1)
    train, own = evidence.train, evidence.own
    assert train is not None

    def confidence(dataset: DatasetEvidence, label: int) -> list[float]:
        start, side = 3 * (label // 3), dataset.after
        logits = SCALE * (side.images.double() @ side.texts.double().T)
        return [
            float(torch.exp(row[label]) / torch.exp(row[start : start + 3]).sum())
            for row in logits[dataset.labels == label]
        ]

    each = []
    for label in FORGET:
        pairs = [(a, b) for a in confidence(train, label) for b in confidence(own, label)]
        each.append(sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs))
    assert by_group(Separability(), evidence)["own", "target"].after == pytest.approx(sum(each) / 3)


def plane(*angles: float) -> DatasetEvidence:
    turned = torch.tensor(angles).deg2rad()
    texts = torch.stack([turned.cos(), turned.sin()], dim=1)
    labels = list(range(len(angles)))
    return replace(random_dataset("own", labels, len(angles)), before=Embedded(images=texts, texts=texts))


def test_near_are_labels_of_the_domains_that_are_touched() -> None:
    own = parted(plane(0, 60, 121, 1, 58, 65))
    assert nearest(make_evidence(own, forget=(1,))) == ([0, 2], [3, 4, 5])
    assert nearest(make_evidence(own, forget=(1, 3)))[0] == [4, 0, 2]  # 57, 60 and 61 degrees away
    assert nearest(make_evidence(own, forget=(0, 3, 4)))[0] == [5, 1, 2]
    assert nearest(make_evidence(own, forget=(3, 4, 5))) == ([], [0, 1, 2])
    found = by_group(Neighbours(), make_evidence(own, forget=(3, 4, 5)))
    assert (found["own", "near"].before, found["own", "near"].n, found["own", "rest"].n) == (None, 0, 3)


def test_wordings_by_hand() -> None:
    """The unlearned model takes a sketched dog for a sketched cat, but in one sentence and under one synonym.

    Images and texts lie on the axes of their classes whatever the domain: only the candidates part the domains.
    """
    axes = torch.eye(4)[[0, 1, 2] * 2]
    own = random_dataset("own", [0, 1, 2, 3, 4, 4, 5], 6)
    seen = Embedded(images=axes[own.labels], texts=axes)
    own = parted(replace(own, before=seen, after=replace(seen, texts=axes[[0, 1, 2, 3, 3, 5]])))
    found = with_further(make_evidence(own, forget=(4,)), each=1)
    said = {"cat": "a", "dog": "b", "fox": "c", "hound": "b", "cur": "nothing"}
    whole = {
        template.format(name, domain=phrase): axis
        for template in (*DOMAIN_TEMPLATES, "{domain} of a {}")
        for name, axis in said.items()
        for phrase in ("a photo", "a sketch")
    }
    lost = {template.format("dog", domain="a sketch"): "nothing" for template in DOMAIN_TEMPLATES[1:]}
    models = replace(
        models_of(found),
        original=table(whole),
        unlearned=table({**whole, **lost}),
        template="{domain} of a {}",
        classes=CLASSES,
        phrases=PHRASES,
        synonyms={"dog": ("hound", "cur")},
    )
    numbers = {group: item for (_, group), item in by_group(Paraphrases(), replace(found, models=models)).items()}
    assert (numbers["worst"].before, numbers["worst"].after, numbers["worst"].n) == (1.0, 1.0, 2)
    assert (numbers["mean"].before, numbers["mean"].after) == (1.0, 1 / 8)
    assert (numbers["other-mean"].before, numbers["other-mean"].after) == (1.0, 1.0)
    assert (numbers["synonyms"].before, numbers["synonyms"].after, numbers["synonyms"].n) == (1.0, 1.0, 2)
    dull = {**whole, "a sketch of a hound": "nothing"}
    changed = replace(found, models=replace(models, unlearned=table(dull)))
    assert by_group(Paraphrases(), changed)["own", "synonyms"].after == 0.0


def test_training_compares_an_image_with_its_domain_alone() -> None:
    evidence = parted_evidence(0)
    models = models_of(evidence)
    clip, rows = models.unlearned, torch.arange(len(models.test))
    plan = _plan(models.train.labels, 4, "own", 0)[:1]
    found = relearn(clip, models, models.texts, [plan], rows, scale=SCALE, domains=DOMAINS)
    labels = evidence.own.labels.tolist()
    pupil = clip.copy()
    texts = normalize(pupil.embed_texts(models.texts), dim=-1).detach().requires_grad_(True)
    image = [weight.value.requires_grad_(True) for weight in pupil.weights() if weight.place.tower == "image"]
    seen = normalize(pupil.encode_images(pupil.to_input(models.train.pixels[plan[0]])), dim=-1)
    loss = torch.tensor(0.0)
    for vector, label in zip(seen, models.train.labels[plan[0]].tolist(), strict=True):
        start = 3 * (label // 3)
        logits = SCALE * normalize(texts, dim=-1)[start : start + 3] @ vector
        loss = loss - logits.log_softmax(0)[label - start] / len(seen)
    slopes = torch.autograd.grad(loss, [texts, *image])
    with torch.no_grad():
        for value, slope in zip([texts, *image], slopes, strict=True):
            rate = 0.03 * max(1e-3, float((value**2).mean()) ** 0.5)
            value.sub_(rate * slope / (slope.abs() + 1e-8))
        shown = normalize(pupil.encode_images(pupil.to_input(models.test.pixels)), dim=-1)
    for step, (encoder, vectors) in enumerate(
        ((embed(clip, models.test.pixels), embed_texts(clip, models.texts)), (shown, normalize(texts, dim=-1)))
    ):
        assert found[step].tolist() == nearest_of_own_domain(encoder @ vectors.detach().T, labels)
