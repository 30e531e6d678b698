import itertools
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.metrics.evidence import (
    by_group,
    dataset_from_predictions,
    make_evidence,
    random_dataset,
    random_evidence,
)
from unlearn_bench.errors import CellFailure
from unlearn_bench.metrics.base import Embedded, Evidence
from unlearn_bench.metrics.retrieval import Retrieval, nearest, precision_at
from unlearn_bench.metrics.shared.rankings import Found

Shown = tuple[str, int]  # dataset and class


def pooled(evidence: Evidence, side: str) -> list[tuple[Shown, Tensor]]:
    return [
        ((name, label), image)
        for name, dataset in evidence.datasets.items()
        if not dataset.control
        for label, image in zip(dataset.labels.tolist(), getattr(dataset, side).images, strict=True)
    ]


def precision(query: Tensor, shown: Shown, gallery: list[tuple[Shown, Tensor]], k: int) -> float:
    ranked = sorted(gallery, key=lambda item: -float(item[1] @ query))
    return sum(what == shown for what, _ in ranked[:k]) / k


def image_precisions(evidence: Evidence, side: str, k: int) -> Iterator[tuple[Shown, float]]:
    gallery = pooled(evidence, side)
    for index, (shown, image) in enumerate(gallery):
        rest = gallery[:index] + gallery[index + 1 :]
        if any(what == shown for what, _ in rest):
            yield shown, precision(image, shown, rest, k)


def text_precisions(evidence: Evidence, side: str, k: int) -> Iterator[tuple[Shown, float]]:
    gallery = pooled(evidence, side)
    for name, dataset in evidence.datasets.items():
        if not dataset.control:
            for label, text in enumerate(getattr(dataset, side).texts):
                if any(what == (name, label) for what, _ in gallery):
                    yield (name, label), precision(text, (name, label), gallery, k)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 5, 10])
def test_random_evidence_against_sorting_by_hand(seed: int, k: int) -> None:
    evidence = random_evidence(seed)
    forgotten = {("own", label) for label in evidence.forget}
    found = by_group(Retrieval(), evidence)
    for kind, answers in (("ift", text_precisions), ("ifi", image_precisions)):
        for side in ("before", "after"):
            by_hand = list(answers(evidence, side, k))
            target = [value for shown, value in by_hand if shown in forgotten]
            other = [value for shown, value in by_hand if shown not in forgotten]
            item = found["own", f"{kind}@{k}/target"]
            assert getattr(item, side) == pytest.approx(sum(target) / len(target))
            assert item.n == len(target)
            item = found["", f"{kind}@{k}/other"]
            assert getattr(item, side) == pytest.approx(sum(other) / len(other))
            assert item.n == len(other)


@pytest.mark.parametrize("seed", range(2))
def test_ceiling_and_chance_count_what_is_relevant(seed: int) -> None:
    evidence = random_evidence(seed)
    found = by_group(Retrieval(), evidence)
    shown = [what for what, _ in pooled(evidence, "before")]
    images = [what for what in shown if what in {("own", 1), ("own", 3)}]
    for k in (1, 5, 10):
        relevant = [shown.count(what) - 1 for what in images]
        ceiling = sum(min(k, count) / k for count in relevant) / len(images)
        chance = sum(count / (len(shown) - 1) for count in relevant) / len(images)
        for group, expected in (("ceiling", ceiling), ("chance", chance)):
            item = found["own", f"ifi@{k}/{group}/target"]
            assert item.before == item.after == pytest.approx(expected)
        relevant = [shown.count(("own", label)) for label in (1, 3)]
        item = found["own", f"ift@{k}/ceiling/target"]
        assert item.after == pytest.approx(sum(min(k, count) / k for count in relevant) / 2)
        item = found["own", f"ift@{k}/chance/target"]
        assert item.after == pytest.approx(sum(relevant) / 2 / len(shown))


def test_ten_images_of_a_class_cannot_pass_nine_tenths_at_ten() -> None:
    labels = [0] * 10 + [1] * 10
    own = dataset_from_predictions("own", labels, before=labels, after=labels)
    found = by_group(Retrieval(), make_evidence(own))
    assert found["own", "ifi@10/ceiling/target"].after == pytest.approx(0.9)
    assert found["own", "ifi@10/target"].after == pytest.approx(0.9)
    assert found["own", "ift@10/target"].after == 1.0
    assert found["own", "ifi@5/target"].after == 1.0


def test_a_model_that_shows_all_images_alike_retrieves_by_chance() -> None:
    labels = [0] * 3 + [1] * 9
    own = dataset_from_predictions("own", labels, before=labels, after=[2] * 12)
    found = by_group(Retrieval(), make_evidence(own))
    for kind in ("ift", "ifi", "ifi-one"):
        for k in (1, 5, 10):
            chance = found["own", f"{kind}@{k}/chance/target"].after
            assert found["own", f"{kind}@{k}/target"].after == pytest.approx(chance)


def test_the_order_of_the_images_changes_nothing() -> None:
    labels, taken = [0, 1, 0, 2, 1, 0, 3, 3], [0, 1, 1, 2, 0, 0, 3, 2]
    order = [5, 2, 7, 0, 1, 6, 4, 3]
    one = dataset_from_predictions("own", labels, before=taken, after=taken)
    shuffled = [taken[index] for index in order]
    two = dataset_from_predictions("own", [labels[index] for index in order], before=shuffled, after=shuffled)
    first, second = (by_group(Retrieval(), make_evidence(own)) for own in (one, two))
    for key, item in first.items():
        if "ifi-one" not in key[1]:
            assert item.after == pytest.approx(second[key].after)


def test_a_control_set_is_in_no_gallery() -> None:
    evidence = random_evidence(0)
    without = make_evidence(*(item for item in evidence.datasets.values() if not item.control), forget=(1, 3))
    assert Retrieval().measure(evidence) == Retrieval().measure(without)


def test_classes_of_one_number_in_two_datasets_are_two_classes() -> None:
    own = dataset_from_predictions("own", [0, 0], before=[0, 0], after=[0, 0])
    rest = dataset_from_predictions("rest", [0, 0], before=[1, 1], after=[0, 0])
    found = by_group(Retrieval(), make_evidence(own, rest))
    item = found["own", "ifi@1/target"]
    assert item.before == 1.0
    assert item.after == pytest.approx(1 / 3)


def test_the_drawn_query_is_an_image_of_the_class_and_follows_the_seed() -> None:
    labels = [0] * 40 + [1] * 20
    own = random_dataset("own", labels, 2)
    possible = {value for shown, value in image_precisions(make_evidence(own), "after", 10) if shown == ("own", 0)}
    drawn = []
    for seed in range(8):
        item = by_group(Retrieval(), make_evidence(own, seed=seed))["own", "ifi-one@10/target"]
        again = by_group(Retrieval(), make_evidence(own, seed=seed))["own", "ifi-one@10/target"]
        assert item == again
        assert item.n == 1
        drawn.append(item.after)
    assert len(set(drawn)) > 1
    assert all(any(value == pytest.approx(one) for one in possible) for value in drawn)


def test_one_query_for_each_forget_class() -> None:
    found = by_group(Retrieval(), random_evidence(0))
    assert found["own", "ifi-one@1/target"].n == 2
    assert (found["own", "ifi-one@1/target"].after or 0.0) in {0.0, 0.5, 1.0}


def test_a_gallery_smaller_than_k_leaves_a_gap() -> None:
    own = dataset_from_predictions("own", [0, 0, 1, 1, 1], before=[0, 0, 1, 1, 1], after=[0, 0, 1, 1, 1])
    found = by_group(Retrieval(), make_evidence(own))
    assert found["own", "ift@5/target"].after == pytest.approx(2 / 5)
    for group in ("ifi@5/target", "ifi@5/ceiling/target", "ift@10/target", "ift@10/chance/target"):
        assert (found["own", group].before, found["own", group].after) == (None, None)
    assert found["", "ifi@1/other"].after == 1.0


def test_a_forget_class_that_cannot_be_asked_for_leaves_the_target_a_gap() -> None:
    own = random_dataset("own", [0, 0, 1, 2, 2], 4)
    no_image = by_group(Retrieval(), make_evidence(own, forget=(0, 3)))
    one_image = by_group(Retrieval(), make_evidence(own, forget=(0, 1)))
    gap = (None, None, 0)
    for found, kinds in ((no_image, ("ift", "ifi", "ifi-one")), (one_image, ("ifi", "ifi-one"))):
        for kind in kinds:
            item = found["own", f"{kind}@1/target"]
            assert (item.before, item.after, item.n) == gap
    assert one_image["own", "ift@1/target"].n == 2
    assert one_image["", "ifi@1/other"].n == 2


@pytest.mark.parametrize("labels", [[], [0]])
def test_next_to_nothing_to_search(labels: list[int]) -> None:
    found = by_group(Retrieval(), make_evidence(random_dataset("own", labels, 2)))
    assert found["own", "ifi@1/target"].after is None
    assert found["", "ifi@1/other"].after is None


def test_precision_under_ties_is_the_mean_over_all_orders() -> None:
    scores, labels = [0.9, 0.5, 0.5, 0.5, 0.5, 0.1], [0, 1, 1, 0, 0, 1]
    for k in range(1, 7):
        values = []
        for order in itertools.permutations(range(6)):
            ranked = sorted(order, key=lambda index: -scores[index])
            values.append(sum(labels[index] == 1 for index in ranked[:k]) / k)
        found = precision_at(torch.tensor([scores]), torch.tensor([1]), torch.tensor(labels), (k,))
        assert float(found) == pytest.approx(sum(values) / len(values))


def test_precision_of_many_cutoffs_is_that_of_each() -> None:
    stream = torch.Generator().manual_seed(0)
    similarity = torch.randint(0, 4, (20, 15), generator=stream).float()
    queries, gallery = (torch.randint(0, 3, (size,), generator=stream) for size in (20, 15))
    together = precision_at(similarity, queries, gallery, (1, 5, 10, 15))
    for column, k in enumerate((1, 5, 10, 15)):
        alone = precision_at(similarity, queries, gallery, (k,))
        torch.testing.assert_close(together[:, column], alone[:, 0])
    torch.testing.assert_close(together[:, 3], torch.stack([(gallery == query).double().mean() for query in queries]))


@pytest.mark.parametrize("k", [0, 4])
def test_precision_refuses_a_cutoff_beyond_the_gallery(k: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the gallery's size 3"):
        precision_at(torch.zeros(2, 3), torch.zeros(2).long(), torch.zeros(3).long(), (1, k))


def test_embeddings_that_are_not_finite_fail_the_cell() -> None:
    own = random_dataset("own", [0, 1, 1], 2)
    own.after.images[0, 0] = torch.inf
    with pytest.raises(CellFailure, match="not finite"):
        Retrieval().measure(make_evidence(own))


def test_a_gallery_of_2400_images_takes_well_under_a_second() -> None:
    labels = [index % 64 for index in range(2400)]
    own = random_dataset("own", labels, 64)
    stream = torch.Generator().manual_seed(0)
    wide = [torch.nn.functional.normalize(torch.randn(2400, 256, generator=stream), dim=1) for _ in range(2)]
    texts = [torch.nn.functional.normalize(torch.randn(64, 256, generator=stream), dim=1) for _ in range(2)]
    sides = [Embedded(images=images, texts=text) for images, text in zip(wide, texts, strict=True)]
    evidence = make_evidence(replace(own, before=sides[0], after=sides[1]))
    started = time.process_time()
    Retrieval().measure(evidence)
    assert time.process_time() - started < 2.0  # a tenth of it on one thread of a desktop; room for slower ones


@pytest.mark.parametrize("seed", range(2))
def test_the_nearest_images_are_those_of_a_search_by_hand(seed: int) -> None:
    evidence = random_evidence(seed)
    gallery = [
        Found(dataset=name, row=row, shows=dataset.class_names[label])
        for name, dataset in evidence.datasets.items()
        if not dataset.control
        for row, label in enumerate(dataset.labels.tolist())
    ]
    rankings = nearest(evidence)
    assert [ranking.query for ranking in rankings] == [evidence.own.class_names[label] for label in evidence.forget]
    measured = by_group(Retrieval(), evidence)
    for side in ("before", "after"):
        for label, ranking in zip(evidence.forget, rankings, strict=True):
            near = [float(image @ getattr(evidence.own, side).texts[label]) for _, image in pooled(evidence, side)]
            order = sorted(range(len(gallery)), key=lambda place: (-near[place], place))[:5]
            assert getattr(ranking, side) == tuple(gallery[place] for place in order)
        hits = [[ranking.is_hit(image) for image in getattr(ranking, side)] for ranking in rankings]
        share = sum(sum(found) / 5 for found in hits) / len(hits)
        assert getattr(measured["own", "ift@5/target"], side) == pytest.approx(share)


def test_of_images_that_tie_the_earlier_ones_are_named() -> None:
    evidence = make_evidence(dataset_from_predictions("own", [0] * 9, [1] * 9, [0] * 9))
    (ranking,) = nearest(evidence)
    assert [image.row for image in ranking.before] == [image.row for image in ranking.after] == [0, 1, 2, 3, 4]
