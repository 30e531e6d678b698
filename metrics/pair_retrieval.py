"""Retrieval of the one right image for a caption, and of the right captions for an image."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from unlearn_bench.metrics.base import Captions, DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.shared.classification import belongs, cosines, mean

CUTOFFS = (1, 5, 10)
_CHUNK = 512  # queries at once: 100 MiB of similarities for 50,000 captions


class PairRetrieval(Metric):
    """Recall@k of image-text pairs, both ways; named, not in `all`.

        ift R@k = share of captions whose own image is among the k nearest images       (image from text)
        tfi R@k = share of images with one of their own captions among the k nearest    (text from image)

    k in 1, 5, 10. The gallery is all test images of the dataset, or all their captions: the pairs to forget and those
    to keep compete. An image with several captions asks once, and any of them will do; each of its captions asks for
    itself. Where entries tie at the edge of the k, as captions of the same words do, the expected recall over all
    orders of the tied ones counts: with s slots for t tied entries of which o are the query's own,
    1 - C(t - o, s) / C(t, s).

    Groups are `<way>@<k>/<part>`, and `<way>@<k>/chance/<part>` for a random order. Parts: `target`, the pairs of the
    forget set, and `other`, all others of the own dataset; `all` of each other dataset that has captions. `n` counts
    queries. A dataset without captions has no measurement.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for the rest, so `neither` as a whole.
    Undefined (None) without queries, and where the gallery holds fewer than k entries.

    Raises:
        CellFailure: embeddings that are not finite.

    Source: Peter Young, Alice Lai, Micah Hodosh, Julia Hockenmaier, 2014, From image descriptions to visual
    denotations, whose data and recalls these are; for forget and retain pairs: Tianyu Yang, Lisen Dai, Xiangqi Wang,
    Minhao Cheng, Yapeng Tian, Xiangliang Zhang, 2024, CLIPErase, https://arxiv.org/abs/2410.23330.
    Departures: ties count by expectation, not by the order of the file.
    """

    name = "pair-retrieval"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = "captions"
    needs_classes = False

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Every dataset with captions, both ways, every cutoff and part."""
        return tuple(self._measure(evidence))

    def _measure(self, evidence: Evidence) -> Iterator[Measurement]:
        for name, dataset in evidence.datasets.items():
            captions = dataset.captions
            if captions is None:
                continue
            for way, asked in (("ift", captions.image), ("tfi", torch.arange(len(dataset.labels)))):
                before, after = (_recalls(way, side, dataset, captions) for side in ("before", "after"))
                chance = _chance(way, captions, len(dataset.labels))
                target = belongs(dataset.labels, evidence.forget)[asked]
                parts = {"target": target, "other": ~target} if name == evidence.dataset else {"all": target | True}
                for part, rows in parts.items():
                    for column, k in enumerate(CUTOFFS):
                        sides = [mean(side[rows, column][side[rows, column].isfinite()]) for side in (before, after)]
                        luck = mean(chance[rows, column][chance[rows, column].isfinite()])
                        groups = ((f"{way}@{k}/{part}", sides), (f"{way}@{k}/chance/{part}", [luck, luck]))
                        for group, (first, last) in groups:
                            yield self.say(before=first, after=last, n=int(rows.sum()), dataset=name, group=group)


def recall_at(similarity: Tensor, own: Tensor, cutoffs: Sequence[int]) -> Tensor:
    """Whether one of a query's own entries is among the k most similar; the expected value where they tie.

    Args:
        similarity: (Q, G) float. own: (Q, G) bool. cutoffs: K values of k.

    Returns:
        (Q, K) float64; nan for a query without own entries, and for a k above G.

    >>> recall_at(torch.tensor([[0.9, 0.5, 0.5]]), torch.tensor([[False, True, False]]), (1, 2, 3)).tolist()
    [[0.0, 0.5, 1.0]]
    """
    best = similarity.masked_fill(~own, -torch.inf).amax(dim=1, keepdim=True)  # (Q, 1)
    above = (similarity > best).sum(dim=1)
    level = similarity == best
    tied, mine = level.sum(dim=1), (level & own).sum(dim=1)
    found = torch.stack([1 - _all_missed(tied, mine, (k - above).clamp(min=0)) for k in cutoffs], dim=1)
    served = torch.tensor([k <= similarity.shape[1] for k in cutoffs])
    return found.masked_fill(~(own.any(dim=1)[:, None] & served), torch.nan)


def _all_missed(total: Tensor, mine: Tensor, slots: Tensor) -> Tensor:
    """The chance that none of `mine` among `total` entries takes one of `slots` places: C(t - o, s) / C(t, s)."""
    others, slots = (total - mine).double(), torch.minimum(slots, total).double()
    every = total.double()
    log = torch.lgamma(others + 1) - torch.lgamma((others - slots).clamp(min=0) + 1)
    log = log - torch.lgamma(every + 1) + torch.lgamma(every - slots + 1)
    return torch.where(slots > others, torch.zeros_like(log), log.exp())


def _recalls(way: str, side: str, dataset: DatasetEvidence, captions: Captions) -> Tensor:
    """(M, K) for the captions as queries, (N, K) for the images."""
    seen: Embedded = getattr(dataset, side)
    texts: Tensor = getattr(captions, side)
    queries = len(captions.text) if way == "ift" else len(seen.images)
    found = []
    for rows in torch.split(torch.arange(queries), _CHUNK):
        if way == "ift":
            similarity = cosines(texts[captions.text[rows]], seen.images)  # (<= chunk, N)
            own = captions.image[rows, None] == torch.arange(len(seen.images))
        else:
            similarity = cosines(seen.images[rows], texts)[:, captions.text]  # (<= chunk, M); equal texts tie exactly
            own = rows[:, None] == captions.image
        found.append(recall_at(similarity, own, CUTOFFS))
    return torch.cat(found) if found else torch.empty(0, len(CUTOFFS), dtype=torch.float64)


def _chance(way: str, captions: Captions, images: int) -> Tensor:
    """What a random order gives each query: (M, K) or (N, K)."""
    if way == "ift":
        mine, size = torch.ones(len(captions.image), dtype=torch.int64), images
    else:
        mine, size = captions.image.bincount(minlength=images), len(captions.image)
    total = torch.full_like(mine, size)
    missed = [_all_missed(total, mine, torch.full_like(mine, k)) for k in CUTOFFS]
    found = 1 - torch.stack(missed, dim=1)
    served = torch.tensor([k <= size for k in CUTOFFS])
    return found.masked_fill(~((mine > 0)[:, None] & served), torch.nan)
