"""Recall of pairs: by hand, against every order of what ties, and against a transcription."""

from dataclasses import replace
from itertools import pairwise, permutations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.metrics.evidence import by_group, make_evidence, random_dataset, random_evidence
from unlearn_bench.metrics.base import Captions, DatasetEvidence, Evidence
from unlearn_bench.metrics.pair_retrieval import PairRetrieval, recall_at


def captioned(
    labels: list[int], image: list[int], text: list[int], *, name: str = "own", seed: int = 0
) -> DatasetEvidence:
    """A dataset with random embeddings of images and of the different texts."""
    plain = random_dataset(name, labels, max(labels) + 1, seed=seed)
    stream = torch.Generator().manual_seed(seed)
    sides = [normalize(torch.randn(max(text) + 1, 6, generator=stream), dim=-1) for _ in range(2)]
    captions = Captions(
        image=torch.tensor(image),
        text=torch.tensor(text),
        texts=tuple(f"text {place}" for place in range(max(text) + 1)),
        before=sides[0],
        after=sides[1],
    )
    return replace(plain, captions=captions)


def test_recall_by_hand() -> None:
    similarity = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
    own = torch.tensor([[True, False, False, True], [False, False, True, False], [False] * 4])
    found = recall_at(similarity, own, (1, 2, 3, 5))
    assert found[0].tolist()[:3] == [1, 1, 1]  # its best caption counts
    assert found[1].tolist()[:3] == [0, 0, 1]
    assert bool(found[2].isnan().all())  # nothing of its own to find
    assert bool(found[:, 3].isnan().all())  # five of four


@pytest.mark.parametrize("own", [(0,), (2,), (1, 3), (1, 2), (0, 4), (3, 4)])
def test_ties_are_the_mean_over_all_orders(own: tuple[int, ...]) -> None:
    values = [0.9, 0.5, 0.5, 0.5, 0.1]
    mine = torch.zeros(1, 5, dtype=torch.bool)
    mine[0, list(own)] = True
    found = recall_at(torch.tensor([values]), mine, (1, 2, 3, 4, 5))[0]
    for place, k in enumerate((1, 2, 3, 4, 5)):
        hits = []
        for order in permutations(range(5)):
            if all(values[one] >= values[two] for one, two in pairwise(order)):
                hits.append(bool(set(order[:k]) & set(own)))
        assert float(found[place]) == pytest.approx(sum(hits) / len(hits))


def transcription(dataset: DatasetEvidence, k: int, way: str, *, side: str, rows: list[int]) -> float:
    """Recall without ties, caption by caption."""
    captions = dataset.captions
    assert captions is not None
    images: Tensor = getattr(dataset, side).images
    texts: Tensor = getattr(captions, side)[captions.text]
    hits = []
    if way == "ift":
        for place, image in enumerate(captions.image.tolist()):
            if image in rows:
                scores = (images @ texts[place]).tolist()
                best = sorted(range(len(images)), key=lambda row: -scores[row])[:k]
                hits.append(image in best)
    else:
        for image in rows:
            scores = (texts @ images[image]).tolist()
            best = sorted(range(len(texts)), key=lambda place: -scores[place])[:k]
            hits.append(any(captions.image[place] == image for place in best))
    return sum(hits) / len(hits)


@pytest.mark.parametrize("seed", range(3))
def test_against_a_transcription(seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    labels = [0, 1, 2, *torch.randint(3, (27,), generator=stream).tolist()]
    image = [*range(30), *torch.randint(30, (30,), generator=stream).tolist()]
    own = captioned(labels, image, list(range(60)), seed=seed)
    other = captioned([0, 1] * 6, list(range(12)), list(range(12)), name="second", seed=seed)
    found = by_group(PairRetrieval(), make_evidence(own, other, forget=(1,)))
    parts = {
        ("own", "target"): [row for row in range(30) if labels[row] == 1],
        ("own", "other"): [row for row in range(30) if labels[row] != 1],
        ("second", "all"): list(range(12)),
    }
    assert len(found) == 3 * 2 * 3 * 2
    for (name, part), rows in parts.items():
        dataset = own if name == "own" else other
        assert dataset.captions is not None
        queries = {"ift": sum(row in rows for row in dataset.captions.image.tolist()), "tfi": len(rows)}
        for way, n in queries.items():
            for k in (1, 5, 10):
                item = found[name, f"{way}@{k}/{part}"]
                assert item.n == n
                assert item.before == pytest.approx(transcription(dataset, k, way, side="before", rows=rows))
                assert item.after == pytest.approx(transcription(dataset, k, way, side="after", rows=rows))


def test_captions_of_the_same_words_share_their_luck() -> None:
    """Two images, both captioned alike, and the text nearest to the first."""
    own = captioned([0, 1], [0, 1], [0, 0])
    captions = own.captions
    assert captions is not None
    first = replace(own.before, images=torch.eye(2, 6), texts=own.before.texts)
    near = torch.tensor([[0.9, 0.1, 0, 0, 0, 0]])
    own = replace(own, before=first, after=first, captions=replace(captions, before=near, after=near))
    found = by_group(PairRetrieval(), make_evidence(own, forget=(0,)))
    assert found["own", "ift@1/target"].before == 1.0
    assert found["own", "ift@1/other"].before == 0.0
    assert found["own", "tfi@1/target"].before == found["own", "tfi@1/other"].before == 0.5
    assert found["own", "ift@5/target"].before is None  # five of two


def test_chance() -> None:
    own = captioned([0] * 10 + [1] * 10, [*range(20), *range(10)], list(range(30)))
    found = by_group(PairRetrieval(), make_evidence(own, forget=(0,)))
    assert found["own", "ift@5/chance/target"].before == pytest.approx(5 / 20)
    both_missed = (25 * 24) / (30 * 29)  # two captions, neither among the first five of thirty
    assert found["own", "tfi@5/chance/target"].before == pytest.approx(1 - both_missed)
    assert found["own", "tfi@5/chance/other"].after == pytest.approx(5 / 30)


def test_without_captions_and_without_targets() -> None:
    assert PairRetrieval().measure(random_evidence(0)) == ()
    evidence: Evidence = make_evidence(captioned([0, 0, 2], [0, 1, 2], [0, 1, 2]), forget=(1,))
    found = by_group(PairRetrieval(), evidence)
    assert (found["own", "ift@1/target"].before, found["own", "ift@1/target"].n) == (None, 0)
    assert found["own", "ift@1/other"].n == 3


def test_many_queries_are_ranked_in_pieces() -> None:
    labels = [0, 1] * 400
    own = captioned(labels, list(range(800)), list(range(800)))
    found = by_group(PairRetrieval(), make_evidence(own, forget=(1,)))
    rows = [row for row in range(800) if labels[row] == 1]
    expected = transcription(own, 10, "tfi", side="after", rows=rows)
    assert found["own", "tfi@10/target"].after == pytest.approx(expected)
