"""What Lip and Emb have in common: all but the loss."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn_bench.clip import Clip, Place, Weight
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Method, Request, tunable
from unlearn_bench.training.loop import shuffled
from unlearn_bench.training.perturbation import ForgetSet, Perturbed
from unlearn_bench.training.selection import Pressure, forget_gradually

SHARES = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0)
"""Among which tuning chooses the share of a tower's tensors: from none to all."""


def may_move(place: Place) -> bool:
    """Whether these methods ever touch a tensor at `place`.

    Of the text tower only the transformer's blocks; of the image tower all but convolutions, batch normalisation
    and the attention pool's positional embedding; never the logit scale.
    """
    if place.tower == "joint" or place.role in {"convolution", "batch_norm", "token_embedding"}:
        return False
    if place.tower == "text":
        return place.stage not in {"embedding", "head"} and place.role not in {
            "projection",
            "position_embedding",
        }
    return not (place.stage == "attnpool" and place.role == "position_embedding")


@dataclass(frozen=True, kw_only=True)
class Selective(Method):
    """Adam on a few tensors of each tower at a time, under noise that grows while the forget set is still known.

    Step j of the schedule has noise sigmas[j] and lets a number of tensors per tower move: image_counts[j] and
    text_counts[j] where they are given (a paper's setting for one model), else the share
    min(1, share * share_growth**j) of the tower's movable tensors, at least one (comparable between models). A share
    of 0 is none at every step: that tower stays as it is. With 0 for both the original is returned.

    The published noise is sigmas as they are, `sigma_scale` 1; other models may need more of it or less, and the
    scale multiplies the whole schedule. Noise never leaves the range of the batch, so a great scale saturates.

    The default learning rate is for models that nobody tuned: the published one, 5e-5, belongs to OpenAI's large
    models (their presets name it) and moves nothing on small ones, where under 1e-3 no epoch was ever accepted.
    Small batches decide more often, as the accuracy is asked after every update; but up to `accumulate` of them share
    one update, so that of 32 images batches of 2 and of 4 make four and two updates an epoch, and larger ones one.
    """

    learning_rate: float = tunable(5e-3, low=1e-3, high=0.5, log=True, unit="rms", published=5e-5)
    image_share: float = tunable(0.25, choices=SHARES)  # of the movable tensors, first step; 0: none at any step
    text_share: float = tunable(0.25, choices=SHARES)  # of the movable tensors, first step; 0: none at any step
    share_growth: float = 1.2  # factor per step of the schedule
    selective: bool = True  # False: every tensor of both towers moves at every step, as in the paper's ablation
    image_counts: tuple[int, ...] = ()  # tensors per step of the schedule; empty: by share
    text_counts: tuple[int, ...] = ()  # tensors per step of the schedule; empty: by share
    sigmas: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)  # units of the normalised input
    sigma_scale: float = tunable(1.0, low=0.3, high=20.0, log=True)  # times sigmas
    perturbations: int = 25  # noisy copies of each image
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-6
    weight_decay: float = tunable(0.2, choices=(0.0, 0.02, 0.2))  # Adam's own: added to the gradient
    batch_size: int = tunable(64, choices=(2, 4, 8, 16, 64))  # images
    accumulate: int = 5  # batches per update, at most
    max_epochs: int = 30
    stop_accuracy: float = tunable(0.1, low=0.05, high=0.95)  # fraction of the synthetic images
    template: str = "A picture of {}"  # of the training pair's text, around the concept's name

    def __post_init__(self) -> None:
        for name in ("image_counts", "text_counts"):
            counts = getattr(self, name)
            if counts and len(counts) != len(self.sigmas):
                raise InputError(
                    f"{name} has {len(counts)} numbers and sigmas has {len(self.sigmas)}; "
                    "give one for each step of the schedule"
                )
        if not self.sigmas or min(self.sigmas) <= 0:
            raise InputError(f"sigmas are {self.sigmas}; give one or more numbers above 0")
        if self.sigma_scale <= 0 or min(self.image_share, self.text_share) < 0:
            raise InputError(
                f"sigma_scale is {self.sigma_scale}, image_share {self.image_share}, text_share {self.text_share}; "
                "give a number above 0, and two from 0"
            )

    @abstractmethod
    def loss(self, images: Tensor, forget_set: ForgetSet, rows: Tensor, perturbed: Perturbed) -> Tensor:
        """The scalar to minimise, from the embeddings (B, D) of the images `rows` and of their noisy copies."""

    def skip(self, clip: Clip, request: Request) -> str | None:
        """No tensor that may move, or a single class, whose accuracy can't fall."""
        if not self.movable(clip):
            return f"no tensor of {clip.name!r} is of a kind that this method moves"
        if len(request.concepts) < 2:
            return "there is one class only, so that the accuracy that stops this method can't fall"
        return None

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Minimise the loss on the synthetic images, in place."""
        clip.train_only([weight.name for weight in self.movable(clip)])
        synthetic = request.synthesize()
        inputs = clip.normalise(synthetic.unit.to(request.device))
        forget_set = self.forget_set(clip, request, inputs, synthetic.labels)
        return self.forget(clip, request, measured=forget_set, shown=lambda: forget_set)

    def forget_set(self, clip: Clip, request: Request, inputs: Tensor, labels: Tensor) -> ForgetSet:
        """Images (M, 3, S, S), normalised, with labels (M,), held beside their training texts and all class texts."""
        return ForgetSet(
            clip,
            inputs,
            labels,
            prompts=[concept.fill(self.template) for concept in request.forget],
            classes=[concept.text for concept in request.concepts],
            domains=[concept.domain for concept in request.concepts],
            moving=[weight.name for weight in self.movable(clip)],
            batch_size=self.batch_size,
        )

    def forget(self, clip: Clip, request: Request, *, measured: ForgetSet, shown: Callable[[], ForgetSet]) -> Clip:
        """Run the loop in place.

        Args:
            measured: the images whose accuracy keeps an epoch, takes it back, or ends the run.
            shown: gives the images of the next epoch, as many.
        """
        weights = self.movable(clip)
        schedule = self.schedule(weights)
        if not any(step.image_tensors or step.text_tensors for step in schedule):
            request.report(0, note="no step of the schedule lets a tensor move: the original is returned")
            return clip
        noise, order = request.generator("perturbation"), request.generator("order")
        current = [measured]

        def batches() -> list[Tensor]:
            current[0] = shown()
            return list(shuffled(len(current[0]), self.batch_size, order))

        def loss(rows: Tensor, sigma: float) -> Tensor:
            seen = current[0]
            perturbed = seen.perturb(rows, sigma=sigma, count=self.perturbations, generator=noise)
            return self.loss(seen.embed_images(rows), seen, rows, perturbed)

        forget_gradually(
            weights,
            torch.optim.Adam(
                [weight.value for weight in weights],
                lr=self.learning_rate,
                betas=(self.beta1, self.beta2),
                eps=self.epsilon,
                weight_decay=self.weight_decay,
            ),
            schedule=schedule,
            batches=batches,
            loss=loss,
            accuracy=measured.accuracy,
            max_epochs=self.max_epochs,
            stop_accuracy=self.stop_accuracy,
            accumulate=self.accumulate,
            report=request.report,
        )
        return clip

    def schedule(self, weights: tuple[Weight, ...]) -> tuple[Pressure, ...]:
        """One pressure per sigma, times `sigma_scale`, for a model with these movable tensors."""
        image = sum(weight.place.tower == "image" for weight in weights)
        text = sum(weight.place.tower == "text" for weight in weights)
        return tuple(
            Pressure(
                sigma=sigma * self.sigma_scale,
                image_tensors=self._count(self.image_counts, self.image_share, level, image),
                text_tensors=self._count(self.text_counts, self.text_share, level, text),
            )
            for level, sigma in enumerate(self.sigmas)
        )

    def movable(self, clip: Clip) -> tuple[Weight, ...]:
        """The tensors among which each step chooses; all but the logit scale and bias unless `selective`."""
        if not self.selective:
            return tuple(weight for weight in clip.weights() if weight.place.tower != "joint")
        return tuple(weight for weight in clip.weights() if may_move(weight.place))

    def _count(self, counts: tuple[int, ...], share: float, level: int, total: int) -> int:
        if not self.selective:
            return total
        if counts:
            return min(total, counts[level])
        if not share:
            return 0
        return min(total, max(1, round(share * self.share_growth**level * total)))
