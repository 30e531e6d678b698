"""Retrieval: what comes up first when one asks for the forgotten class, by its name or by an image of it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench import seeding
from unlearn_bench.metrics.base import Embedded, Evidence, Measurement, Metric, Once
from unlearn_bench.metrics.shared.classification import belongs, cosines, mean
from unlearn_bench.metrics.shared.rankings import MOST, Found, Ranking

CUTOFFS = (1, 5, 10)
_CHUNK = 512  # rows of similarities held at once: 40 MiB for a gallery of 20,000 images


class Retrieval(Metric):
    """Precision@k of images found by a class's text (ift) or by an image of the class (ifi).

        precision@k = |{the k images nearest to the query} that show the query's class| / k,  k in 1, 5, 10

    The gallery pools the test images of all evaluated datasets but control sets; an image is relevant if it
    shows the same class of the same dataset. A text query is the dataset's evaluation template filled with
    the class name. An image query is never in its own gallery. Groups are `<kind>@<k>/<part>`:

    - `ift@k/target`: the texts of the forget classes. `ift@k/other`: the texts of all other classes.
    - `ifi@k/target`: every image of the forget classes. `ifi@k/other`: every image of all other classes,
      without which a destroyed model would look best.
    - `ifi-one@k/target`: one image of each forget class, drawn by the seed.

    Beside each stand `<kind>@<k>/ceiling/<part>`, the mean over the queries of min(k, R) / k with R relevant
    images among the G of the gallery, and `<kind>@<k>/chance/<part>`, the mean of R / G, what a random
    ranking is expected to have; both are equal before and after. `n` counts queries. `target` is reported
    under the own dataset's name, `other`, which spans the pool, under none.

    Where the k-th and the next image tie, the expected precision over all orders of the tied images counts,
    so that no number depends on the order of the gallery.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a
    whole. Queries for which the gallery holds nothing relevant are left out. Undefined (None, n = 0) without
    queries, for `target` also if one of the forget classes has none, and (None) where the gallery holds fewer
    than k images.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Alexey Kravets, Vinay P. Namboodiri, 2025, Zero-Shot Class Unlearning in CLIP with Synthetic
    Samples, Table 2. Ties: Frank McSherry, Marc Najork, 2008, Computing Information Retrieval Performance
    Measures Efficiently in the Presence of Tied Scores.
    Departures: the paper names neither the text of the query nor the image, nor whether the image stays in
    the gallery; it reports one query per class and the target only.
    """

    name = "retrieval"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Every kind, cutoff and part, each with its ceiling and chance."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        pool, own = pool_of(evidence), evidence.dataset
        by_text = _by_text(pool)
        by_image = search_by_image(pool, evidence.once)
        for kind, search in (("ift", by_text), ("ifi", by_image)):
            target, other = _queries(search, pool.target)
            yield from self._part(search, target, kind, "target", own)
            yield from self._part(search, other, kind, "other", "")
        yield from self._part(by_image, _draw(by_image, pool.target, evidence), "ifi-one", "target", own)

    def _part(self, search: "Search", rows: Tensor, kind: str, part: str, dataset: str) -> Iterator[Measurement]:
        relevant = search.relevant[rows].double()  # (Q,)
        for column, k in enumerate(CUTOFFS):
            before = after = ceiling = chance = None
            if k <= search.gallery:
                before, after = mean(search.before[rows, column]), mean(search.after[rows, column])
                ceiling, chance = mean(relevant.clamp(max=k) / k), mean(relevant / search.gallery)
            for group, sides in (
                (f"{kind}@{k}/{part}", (before, after)),
                (f"{kind}@{k}/ceiling/{part}", (ceiling, ceiling)),
                (f"{kind}@{k}/chance/{part}", (chance, chance)),
            ):
                yield self.say(before=sides[0], after=sides[1], n=len(rows), dataset=dataset, group=group)


def nearest(evidence: Evidence) -> tuple[Ranking, ...]:
    """What the text of each forget class finds first in the gallery of `ift@5`; of images that tie, the earlier one.

    Raises:
        CellFailure: embeddings that are not finite.
    """
    pool, own = pool_of(evidence), evidence.own
    images = tuple(
        Found(dataset=name, row=row, shows=dataset.class_names[label])
        for name, dataset in evidence.datasets.items()
        if name in pool.offsets
        for row, label in enumerate(dataset.labels.tolist())
    )

    def first(side: Embedded, query: int) -> tuple[Found, ...]:
        similarity = cosines(side.texts[query : query + 1], side.images)[0]  # (P,)
        order = similarity.argsort(descending=True, stable=True)[:MOST]
        return tuple(images[place] for place in order.tolist())

    return tuple(
        Ranking(
            dataset=evidence.dataset,
            query=own.class_names[label],
            before=first(pool.before, query),
            after=first(pool.after, query),
        )
        for label, query in zip(evidence.forget, pool.target, strict=True)
    )


def precision_at(similarity: Tensor, query_labels: Tensor, gallery_labels: Tensor, cutoffs: Sequence[int]) -> Tensor:
    """Share of the k most similar gallery entries that carry the query's label, for several k.

    Where the k-th and the next entry tie, the expected value over all orders of the tied ones:

        ( relevant above the tie + (k - entries above) * relevant in the tie / entries in the tie ) / k

    Args:
        similarity: (Q, G) float. query_labels: (Q,) int64. gallery_labels: (G,) int64.
        cutoffs: K values of k, each from 1 to G.

    Returns:
        (Q, K) float64.

    Raises:
        ValueError: a cutoff that the gallery can't serve.

    >>> scores = torch.tensor([[0.9, 0.5, 0.5, 0.1]])
    >>> precision_at(scores, torch.tensor([1]), torch.tensor([1, 1, 0, 0]), (1, 2, 4)).tolist()
    [[1.0, 0.75, 0.5]]
    """
    size = similarity.shape[1]
    if not all(1 <= k <= size for k in cutoffs):
        raise ValueError(f"cutoffs must lie between 1 and the gallery's size {size}, got {list(cutoffs)}")
    found = similarity.new_empty(len(similarity), len(cutoffs), dtype=torch.float64)
    width = min(max(cutoffs, default=0) + 1, size)  # one more than asked, to see whether the last one ties
    values, order = similarity.topk(width, dim=1)  # (Q, width)
    hits = (gallery_labels[order] == query_labels[:, None]).double().cumsum(dim=1)
    for column, k in enumerate(cutoffs):
        found[:, column] = hits[:, k - 1] / k
        if k < width:
            torn = (values[:, k - 1] == values[:, k]).nonzero().squeeze(1)
            edge = values[torn, k - 1, None]
            found[torn, column] = _expected(similarity[torn], edge, query_labels[torn], gallery_labels, k)
    return found


def _expected(similarity: Tensor, edge: Tensor, query_labels: Tensor, gallery_labels: Tensor, k: int) -> Tensor:
    relevant = gallery_labels[None] == query_labels[:, None]  # (Q, G)
    above, level = similarity > edge, similarity == edge
    share = (level & relevant).sum(dim=1).double() / level.sum(dim=1)
    return ((above & relevant).sum(dim=1) + (k - above.sum(dim=1)) * share) / k


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The evaluated datasets as one: `labels` (P,) and `target` are classes counted through all of them.

    `offsets`: what the class numbers of each dataset start at.
    """

    offsets: Mapping[str, int]
    labels: Tensor
    target: tuple[int, ...]
    before: Embedded
    after: Embedded

    @property
    def digest(self) -> str:
        """Of all that decides what a search by image finds before."""
        content = hashlib.sha256(self.before.images.contiguous().numpy().tobytes())
        content.update(self.labels.numpy().tobytes())
        return content.hexdigest()

    def rank(self) -> Tensor:
        """Precision of a search by each image before, (P, K) float64."""
        return _rank_by_image(self.before.images, self.labels)


@dataclass(frozen=True, kw_only=True)
class Search:
    """Q queries of one kind against `gallery` images.

    Attributes:
        labels: (Q,) the queries' classes. relevant: (Q,) how many images of the gallery show them.
        before, after: (Q, K) float64, for the cutoffs that the gallery can serve.
    """

    labels: Tensor
    gallery: int
    relevant: Tensor
    before: Tensor
    after: Tensor


def pool_of(evidence: Evidence) -> Pool:
    """The test images of all evaluated datasets but control sets."""
    pooled = [
        (name, dataset)
        for name, dataset in evidence.datasets.items()
        if name == evidence.dataset or not dataset.control
    ]
    labels: list[Tensor] = []
    offset, target = 0, tuple[int, ...]()
    offsets: dict[str, int] = {}
    for name, dataset in pooled:
        offsets[name] = offset
        labels.append(dataset.labels + offset)
        if name == evidence.dataset:
            target = tuple(offset + label for label in evidence.forget)
        offset += len(dataset.class_names)
    parts = [dataset for _, dataset in pooled]
    return Pool(
        offsets=offsets,
        labels=torch.cat(labels),
        target=target,
        before=_join([part.before for part in parts]),
        after=_join([part.after for part in parts]),
    )


def _join(parts: Sequence[Embedded]) -> Embedded:
    return Embedded(
        images=torch.cat([part.images for part in parts]), texts=torch.cat([part.texts for part in parts])
    )


def _by_text(pool: Pool) -> Search:
    classes, gallery = len(pool.before.texts), len(pool.labels)
    labels = torch.arange(classes)

    def rank(side: Embedded) -> Tensor:
        similarity = cosines(side.texts, side.images)  # (C, P)
        return precision_at(similarity, labels, pool.labels, _served(gallery))

    return Search(
        labels=labels,
        gallery=gallery,
        relevant=pool.labels.bincount(minlength=classes),
        before=rank(pool.before),
        after=rank(pool.after),
    )


def search_by_image(pool: Pool, once: Once) -> Search:
    """Every image as the query, among all others; before forgetting it is searched once for all runs."""
    before = once(f"search by image {pool.digest}", pool.rank)
    is_same = torch.equal(pool.before.images, pool.after.images)
    return Search(
        labels=pool.labels,
        gallery=max(0, len(pool.labels) - 1),
        relevant=pool.labels.bincount()[pool.labels] - 1,
        before=before,
        after=before if is_same else _rank_by_image(pool.after.images, pool.labels),
    )


def _rank_by_image(images: Tensor, labels: Tensor) -> Tensor:
    cutoffs = _served(max(0, len(labels) - 1))
    chunks = []
    for start in range(0, len(images), _CHUNK):
        similarity = cosines(images[start : start + _CHUNK], images)  # (<= chunk, P)
        rows = torch.arange(len(similarity))
        similarity[rows, start + rows] = -torch.inf  # a query is not in its own gallery
        chunks.append(precision_at(similarity, labels[start : start + _CHUNK], labels, cutoffs))
    return torch.cat(chunks) if chunks else torch.empty(0, len(cutoffs), dtype=torch.float64)


def _served(gallery: int) -> tuple[int, ...]:
    """The cutoffs that a gallery of this size can serve: the first ones, so columns keep their place."""
    return tuple(k for k in CUTOFFS if k <= gallery)


def _queries(search: Search, target: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Rows of the target's queries (none if one of its classes has none), and rows of all other queries."""
    answerable, wanted = search.relevant > 0, belongs(search.labels, target)
    mine = (answerable & wanted).nonzero().squeeze(1)
    if not all(bool((search.labels[mine] == label).any()) for label in target):
        mine = mine[:0]
    return mine, (answerable & ~wanted).nonzero().squeeze(1)


def _draw(search: Search, target: tuple[int, ...], evidence: Evidence) -> Tensor:
    """One row for each target class, by the run's seed and the class's name; none if one has no query."""
    mine, _ = _queries(search, target)
    drawn = []
    for label, own_label in zip(target, evidence.forget, strict=True):
        rows = mine[search.labels[mine] == label]
        purpose = (evidence.seed, evidence.dataset, evidence.own.class_names[own_label], "retrieval query")
        if len(rows):
            drawn.append(rows[torch.randint(len(rows), (1,), generator=seeding.generator(*purpose))])
    return torch.cat(drawn) if drawn else mine
