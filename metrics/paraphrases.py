"""Whether a class that is gone under one wording comes back under another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.classification import belongs, class_mean, predictions, target_and_other
from unlearn_bench.metrics.shared.encoding import embed_texts
from unlearn_bench.metrics.shared.rates import told

TEMPLATES = (
    "We can see a {} in this image",
    "This is a representation of {}",
    "There is evidence of a {} in the picture",
    "{}",
    "a {}.",
    "an image of a {}.",
    "this is a {}.",
    "a picture that shows a {}.",
)
"""The first three are the source's; the others state nothing but the class."""

DOMAIN_TEMPLATES = (
    "We can see a {} in {domain}",
    "This is a representation of {} in {domain}",
    "There is evidence of a {} in {domain}",
    "{}, {domain}",
    "a {} in {domain}.",
    "{domain} of {}.",
    "this is {domain} of a {}.",
    "{domain} that shows a {}.",
)
"""The same for classes parted by domain: `{domain}` is the domain's own phrase (`a sketch`), as in the evaluation."""


class Paraphrases(Metric):
    """Zero-shot accuracy under other sentences around the class names, and under synonyms of the target.

        acc(w) = mean over forget classes of their recall, with every class text made from template w
        worst  = max over w of acc(w),   mean = mean over w of acc(w)            the 8 templates of `TEMPLATES`
        synonyms = mean over forget classes that have any, of  max over synonyms s of the recall with the evaluation
                   template, the class's own text made from s and the others' from their names

    `worst` is the worst for the one who wants to forget: the wording that finds most. Groups, under the own dataset's
    name: `worst`, `mean`, `synonyms`, and `other-mean`: the accuracy on the images of kept classes, averaged over the
    templates, without which a wording that says nothing to the model would look like forgetting. Before and after are
    each the worst of their own. `n` counts test images (for `synonyms`: of the classes that have some).

    Where classes are parted by domain, w runs over `DOMAIN_TEMPLATES`, in which each label's text keeps the phrase of
    its domain: a sentence without it would ask for the class in all of them, which nobody was told to forget. Each
    label counts as a class, its candidates are the labels of its own domain, and its synonyms are those of its class.

    Unit: fraction, in [0, 1]. Direction: low is better, for `other-mean` high, so `neither` as a whole. Undefined
    (None) where there is no such image (for `worst` and `mean`: in one of the forget classes), and for `synonyms`
    where no forget class has a synonym.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models were not given.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic Samples,
    https://arxiv.org/abs/2407.07485, section 6.3 (three templates).
    Departures: five more templates, the maximum, the synonyms.
    """

    name = "paraphrases"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("models",)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`worst`, `mean`, `synonyms`, `other-mean`, under the own dataset's name."""
        return tuple(self._measure(evidence, self.given(evidence.models, "models")))

    def _measure(self, evidence: Evidence, models: Models) -> Iterator[Measurement]:
        own, forget = evidence.own, evidence.forget
        wordings = DOMAIN_TEMPLATES if models.phrases else TEMPLATES
        texts = [text for template in wordings for text in models.texts_in(template)]
        words = {label: models.synonyms.get(models.classes[label], ()) for label in forget}
        named = {label: names for label, names in words.items() if names}
        said = [models.say(models.template, label, word) for label, names in named.items() for word in names]

        def embed(clip: Clip) -> Tensor:
            return embed_texts(clip, texts + said)  # (templates * C + synonyms, D)

        purpose = f"{self.name} {self.version} {list(named)}"
        shown = (own.before, own.after)
        before = evidence.once(purpose, lambda: embed(models.original))
        known = (before, embed(models.unlearned) if "text" in models.touched else before)
        right = [
            [
                predictions(replace(side, texts=part)) == own.labels  # (N,)
                for part in torch.split(vectors[: len(texts)], len(own.class_names))
            ]
            for side, vectors in zip(shown, known, strict=True)
        ]
        by_template = [[target_and_other(found, own.labels, forget) for found in side] for side in right]
        targets = [[found["target"] for found in side] for side in by_template]
        others = [[found["other"] for found in side] for side in by_template]
        best = [
            _by_synonym(side, own.labels, named, vectors[len(texts) :])
            for side, vectors in zip(shown, known, strict=True)
        ]
        target = belongs(own.labels, forget)
        n, worst = int(target.sum()), [_over(side, max) for side in targets]
        outcomes = ""
        if None not in worst:
            finders = [side.index(best) for side, best in zip(targets, worst, strict=True)]
            outcomes = told([side[place] for side, place in zip(right, finders, strict=True)], target)
        for group, sides, count in (
            ("worst", worst, n),
            ("mean", [_over(side, _average) for side in targets], n),
            ("synonyms", best, int(belongs(own.labels, list(named)).sum())),
            ("other-mean", [_over(side, _average) for side in others], len(own.labels) - n),
        ):
            yield self.say(
                before=sides[0],
                after=sides[1],
                n=count,
                dataset=evidence.dataset,
                group=group,
                outcomes=outcomes if group == "worst" else "",
            )


def _by_synonym(side: Embedded, labels: Tensor, named: Mapping[int, Sequence[str]], vectors: Tensor) -> float | None:
    """Mean over `named` labels of the best recall among their synonyms, whose `vectors` come in the same order."""
    rest, best = iter(vectors), []
    for label, words in named.items():
        recalls = []
        for vector in islice(rest, len(words)):
            texts = side.texts.clone()
            texts[label] = vector
            recalls.append(class_mean(predictions(replace(side, texts=texts)) == labels, labels, [label]))
        best.append(_over(recalls, max))
    return _over(best, _average)


def _over(values: Sequence[float | None], combine: Callable[[Sequence[float]], float]) -> float | None:
    """The values combined; None without any, or if one is None."""
    known = [value for value in values if value is not None]
    return combine(known) if known and len(known) == len(values) else None


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)
