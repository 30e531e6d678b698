"""Small made-up evidence for the metrics' tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unlearn_bench.metrics.base import (
    Cost,
    DatasetEvidence,
    Embedded,
    Evidence,
    Measurement,
    Metric,
    SyntheticEvidence,
)
from unlearn_bench.metrics.further import Images, Models
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.seeding import generator


def random_embedded(images: int, classes: int, *purpose: object, width: int = 6) -> Embedded:
    """Unit vectors in random directions, the same for the same purpose."""
    stream = generator("evidence", *purpose)
    return Embedded(
        images=normalize(torch.randn(images, width, generator=stream), dim=-1),
        texts=normalize(torch.randn(classes, width, generator=stream), dim=-1),
    )


def random_dataset(
    name: str, labels: Sequence[int], classes: int, *, control: bool = False, seed: int = 0
) -> DatasetEvidence:
    """A dataset with these labels, on which both models are random."""
    return DatasetEvidence(
        name=name,
        class_names=tuple(f"{name} {index}" for index in range(classes)),
        labels=torch.tensor(labels, dtype=torch.int64),
        domains=(),
        control=control,
        before=random_embedded(len(labels), classes, name, "before", seed),
        after=random_embedded(len(labels), classes, name, "after", seed),
    )


def dataset_from_predictions(
    name: str, labels: Sequence[int], before: Sequence[int], after: Sequence[int], *, control: bool = False
) -> DatasetEvidence:
    """A dataset of four classes, each text an axis, each image on the axis of its predicted class."""
    axes = torch.eye(4)
    return DatasetEvidence(
        name=name,
        class_names=("a", "b", "c", "d"),
        labels=torch.tensor(labels, dtype=torch.int64),
        domains=(),
        control=control,
        before=Embedded(images=axes[list(before)], texts=axes),
        after=Embedded(images=axes[list(after)], texts=axes),
    )


def make_evidence(
    *datasets: DatasetEvidence,
    forget: tuple[int, ...] = (0,),
    synthetic: SyntheticEvidence | None = None,
    original: Mapping[str, Tensor] | None = None,
    unlearned: Mapping[str, Tensor] | None = None,
    trainable: tuple[str, ...] = (),
    cost: Cost | None = None,
    logit_scale: float = 100.0,
    seed: int = 0,
) -> Evidence:
    """Evidence whose own dataset is the first one."""
    return Evidence(
        dataset=datasets[0].name,
        forget=forget,
        datasets={dataset.name: dataset for dataset in datasets},
        logit_scale=logit_scale,
        logit_bias=0.0,
        synthetic=synthetic,
        original=original or {},
        unlearned=unlearned or {},
        trainable=trainable,
        cost=cost or Cost(seconds={"method": 1.0, "synthesis": 2.0, "evaluation": 3.0}, peak_memory_bytes=1),
        seed=seed,
    )


def random_evidence(seed: int, *, with_synthetic: bool = True) -> Evidence:
    """Three datasets and a control set, two forget classes, random models and a random small state."""
    stream = generator("random evidence", seed)
    labels = [torch.randint(classes, (30,), generator=stream).tolist() for classes in (5, 4, 3, 6)]
    labels[0][:4] = [1, 3, 1, 3]
    names = ("own", "second", "third", "control")
    datasets = [
        random_dataset(name, label, max(label) + 1, control=name == "control", seed=seed)
        for name, label in zip(names, labels, strict=True)
    ]
    classes = len(datasets[0].class_names)
    synthetic = SyntheticEvidence(
        labels=torch.tensor([1, 3, 1, 3, 3]),
        before=random_embedded(5, classes, "synthetic before", seed),
        after=random_embedded(5, classes, "synthetic after", seed),
    )
    original = {"weight": torch.randn(4, 3, generator=stream), "bias": torch.randn(3, generator=stream)}
    unlearned = {"weight": original["weight"] + 0.1, "bias": original["bias"].clone()}
    found = make_evidence(
        *datasets,
        forget=(1, 3),
        synthetic=synthetic if with_synthetic else None,
        original=original,
        unlearned=unlearned,
        trainable=("weight", "bias"),
        seed=seed,
    )
    return with_further(found, each=6)


def with_further(evidence: Evidence, *, each: int) -> Evidence:
    """The same with everything that only some metrics need; `each` training images a class."""
    own, seed = evidence.own, evidence.seed
    classes, width = len(own.class_names), own.before.images.shape[1]
    labels = torch.arange(classes).repeat(each)
    return replace(
        evidence,
        train=random_dataset(own.name, labels.tolist(), classes, seed=seed + 1),
        models=Models(
            original=small_model(width, "original"),
            unlearned=small_model(width, "unlearned"),
            train=Images(pixels=random_pixels(len(labels), "train", seed), labels=labels),
            test=Images(pixels=random_pixels(len(own.labels), "test", seed), labels=own.labels),
            template="it is {}",
            classes=own.class_names,
            synonyms={own.class_names[evidence.forget[0]]: ("something", "another thing")},
        ),
        reference={
            name: torch.randint(len(item.class_names), (len(item.labels),), generator=generator("reference", seed))
            for name, item in evidence.datasets.items()
        },
    )


def random_pixels(count: int, *purpose: object) -> Tensor:
    """Images of noise, 8 px: (N, 8, 8, 3) uint8."""
    return torch.randint(256, (count, 8, 8, 3), generator=generator("pixels", *purpose), dtype=torch.uint8)


def letters(texts: list[str]) -> Tensor:
    """A tokenizer that reads 60 letters: (N, 60) int64."""
    return torch.tensor([[ord(letter) % 64 for letter in text[:60].ljust(60)] for text in texts])


def small_model(width: int, *purpose: object) -> TwoTowers:
    """An untrained dual encoder with two image layers, the same for the same purpose."""
    image = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU(), nn.Linear(16, width))
    text = nn.Sequential(nn.Embedding(64, 4), nn.Flatten(), nn.Linear(240, width))
    stream = generator("small model", *purpose)
    with torch.no_grad():
        for weight in [*image.parameters(), *text.parameters()]:
            weight.copy_(torch.randn(weight.shape, generator=stream) / max(weight.shape) ** 0.5)
    return TwoTowers(image, text, letters, name="small", image_size=8, logit_scale=20.0)


def by_group(metric: Metric, evidence: Evidence) -> dict[tuple[str, str], Measurement]:
    """The measurements by dataset and group, none of which may come twice."""
    found = metric.measure(evidence)
    named = {(item.dataset, item.group): item for item in found}
    if len(named) < len(found):
        raise ValueError(f"{metric.name} says one group twice")
    return named
