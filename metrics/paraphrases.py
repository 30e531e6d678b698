"""Whether a class that is gone under one wording comes back under another."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Evidence, Measurement, Metric
from unlearn_bench.metrics.classification import belongs, class_mean, cosines, target_and_other
from unlearn_bench.metrics.encoding import embed_texts
from unlearn_bench.metrics.further import Models

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
        texts = [template.format(name) for template in TEMPLATES for name in own.class_names]
        named = [label for label in forget if models.synonyms.get(own.class_names[label])]
        said = [models.template.format(word) for label in named for word in models.synonyms[own.class_names[label]]]

        def embed(clip: Clip) -> Tensor:
            return embed_texts(clip, texts + said)  # (templates * C + synonyms, D)

        purpose = f"{self.name} {self.version} {named}"
        shown = (own.before, own.after)
        words = (models.once(purpose, lambda: embed(models.original)), embed(models.unlearned))
        by_template = [
            [
                target_and_other(cosines(side.images, part).argmax(dim=1) == own.labels, own.labels, forget)
                for part in torch.split(known[: len(texts)], len(own.class_names))
            ]
            for side, known in zip(shown, words, strict=True)
        ]
        targets = [[found["target"] for found in side] for side in by_template]
        others = [[found["other"] for found in side] for side in by_template]
        best = [
            self._by_synonym(
                evidence, models, named, cosines(side.images, torch.cat([side.texts, known[len(texts) :]]))
            )
            for side, known in zip(shown, words, strict=True)
        ]
        n = int(belongs(own.labels, forget).sum())
        for group, sides, count in (
            ("worst", [_over(side, max) for side in targets], n),
            ("mean", [_over(side, _average) for side in targets], n),
            ("synonyms", best, int(belongs(own.labels, named).sum())),
            ("other-mean", [_over(side, _average) for side in others], len(own.labels) - n),
        ):
            yield self.say(before=sides[0], after=sides[1], n=count, dataset=evidence.dataset, group=group)

    def _by_synonym(
        self, evidence: Evidence, models: Models, named: Sequence[int], similarity: Tensor
    ) -> float | None:
        """Mean over `named` classes of the best recall among their synonyms, whose columns follow the classes'."""
        own, column = evidence.own, len(evidence.own.class_names)
        best = []
        for label in named:
            recalls = []
            for _ in models.synonyms[own.class_names[label]]:
                candidates = similarity[:, : len(own.class_names)].clone()
                candidates[:, label] = similarity[:, column]
                recalls.append(class_mean(candidates.argmax(dim=1) == own.labels, own.labels, [label]))
                column += 1
            best.append(_over(recalls, max))
        return _over(best, _average)


def _over(values: Sequence[float | None], combine: Callable[[Sequence[float]], float]) -> float | None:
    """The values combined; None without any, or if one is None."""
    known = [value for value in values if value is not None]
    return combine(known) if known and len(known) == len(values) else None


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)
