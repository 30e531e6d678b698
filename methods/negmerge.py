"""NegMerge: negate only what several fine-tuned copies agree on."""

from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Request, tunable
from unlearn_bench.methods.task_negation import TaskNegation
from unlearn_bench.training.task_vectors import TaskVector, consensus, subtract


@dataclass(frozen=True, kw_only=True)
class NegMerge(TaskNegation):
    """NegMerge: subtract the mean of several task vectors where all of them have the same sign.

        t_k = w_k - w,   t = 1/K sum_k t_k where sign(t_1) = .. = sign(t_K) != 0, else 0,   w' = w - l t

    element by element. The K copies are those of `TaskNegation` with other hyperparameters: copy k = 0 .. K-1 has
    the learning rate eta s^(2 k / (K-1) - 1), from eta / s to eta s (one copy: eta), and its own order
    of the images.

    Never moved: as `TaskNegation`.

    Raises:
        CellFailure: the loss is not finite.

    Source: Hyo Seo Kim, Dongyoon Han, Junsuk Choe, 2025, NegMerge: Sign-Consensual Weight Merging for Machine
    Unlearning, ICML, https://arxiv.org/abs/2410.05583.

    Departures: those of `TaskNegation`, the plain coefficient among them. Which hyperparameters part the copies, and
    how many there are, is ours; the authors' code varies the augmentation, and there is none here.
    """

    name = "negmerge"
    access = "semi-ZS"
    reference = "Kim, Han and Choe, 2025, NegMerge: Sign-Consensual Weight Merging for Machine Unlearning"

    epochs: int = tunable(10, choices=(1, 3, 5, 10))
    batch_size: int = tunable(16, choices=(8, 16, 32))  # images; small, so that the order makes copies differ
    copies: int = 3
    spread: float = 3.0  # s

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Fine-tune the copies one after another, merge, then subtract, in place."""
        if request.forget_examples is None:
            return clip
        vectors = [self.copy_vector(clip, request, number) for number in range(self.copies)]
        subtract(clip, consensus(vectors), self.coefficient)
        return clip

    def copy_vector(self, clip: Clip, request: Request, number: int) -> TaskVector:
        """The task vector of copy `number`; its epochs are reported after those of the copies before it."""
        place = 2 * number / (self.copies - 1) - 1 if self.copies > 1 else 0.0  # -1 .. 1
        rate = self.learning_rate * self.spread**place

        def report(epoch: int, **values: float) -> None:
            request.report(number * self.epochs + epoch, learning_rate=rate, **values)

        return self.vector(clip, request, rate, purpose=f"order of copy {number}", report=report)
