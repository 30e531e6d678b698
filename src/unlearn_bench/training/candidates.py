"""Which class texts an image is told among, and what hangs on it: loss, accuracy, and its other possible classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.training.loop import weighted_mean


class Candidates:
    """The class texts among which an image is told: all, or, where classes are parted by domain, those of its own.

    Evaluation asks of a sketch which of the sketched classes it shows, never whether it is a sketch. Whatever trains
    or searches by classification asks the same here, and so needs no case of its own for domains:

        c(i) = {k : domain of k = domain of the class of image i},    p_i = softmax over c(i) of the logits of i

    Without domains c(i) is every class, and logits are used as they come.

    Args:
        domains: of each class, in the order of the labels; all equal (or all empty) where nothing is parted.
    """

    def __init__(self, domains: Sequence[str]) -> None:
        numbers = {domain: number for number, domain in enumerate(dict.fromkeys(domains))}
        self._domains = torch.tensor([numbers[domain] for domain in domains])  # (C,)
        self._parted = len(numbers) > 1

    def among(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, C) of images whose classes are `labels` (B,), with -inf where a text is no candidate."""
        if not self._parted:
            return logits
        domains = self._domains.to(labels.device)
        return logits.masked_fill(domains[labels][:, None] != domains[None], -torch.inf)

    def cross_entropy(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """mean_i -log p_i(labels_i), of logits (B, C); the domain is that of the label, right or wrong.

        With weights w (B,) the mean is sum_i w_i (..) / sum_i w_i.
        """
        seen = self.among(logits, labels)
        if weights is None:
            return nn.functional.cross_entropy(seen, labels)
        each = nn.functional.cross_entropy(seen, labels, reduction="none")
        return weighted_mean(each, weights)

    def classification_loss(
        self, clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """`cross_entropy` of scaled cosines with the class texts, tokens (C, L); both towers are in the graph."""
        logits = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens))
        return self.cross_entropy(logits, labels, weights)

    def count_right(self, logits: Tensor, labels: Tensor) -> int:
        """How many images have the greatest of their candidates' logits (B, C) at their own label (B,).

        Raises:
            CellFailure: logits that are not finite, whose argmax would mean nothing.
        """
        if not bool(torch.isfinite(logits).all()):
            raise CellFailure("the logits are not finite, so no accuracy can be told; learn or step less")
        return int((self.among(logits, labels).argmax(-1) == labels).sum())

    def draw_others(self, labels: Tensor, *, forget: int, generator: torch.Generator) -> Tensor:
        """For each image of the class `labels` (B,) another class at random, (B,) int64 on the CPU.

        Uniform over the classes that are kept (all but the first `forget`) and are candidates. Where a whole domain
        goes there are none, and it is uniform over the other candidates; a class that is alone in its domain gets
        any that is kept.
        """
        classes = len(self._domains)
        if not self._parted:
            return torch.randint(forget, classes, (len(labels),), generator=generator)
        own = self._domains[:, None] == self._domains  # (C, C)
        kept = (torch.arange(classes) >= forget).expand_as(own)
        allowed = own & kept
        for wider in (own & ~torch.eye(classes, dtype=torch.bool), kept):
            allowed = torch.where(allowed.any(1, keepdim=True), allowed, wider)
        return torch.multinomial(allowed[labels.cpu()].float(), 1, generator=generator).squeeze(1)
