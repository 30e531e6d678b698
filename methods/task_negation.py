"""TaskNegation: learn the forget set better, and go the other way."""

from collections.abc import Callable
from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request, lacking_images, tunable
from unlearn_bench.training.loop import from_pixels
from unlearn_bench.training.task_vectors import FineTuning, TaskVector, subtract, task_vector, tuned_names


@dataclass(frozen=True, kw_only=True)
class TaskNegation(Method):
    """TaskNegation: subtract from the weights what fine-tuning on the forget images adds to them.

        t = w_ft - w,   w' = w - l t

    w_ft: a copy whose image tower AdamW trained on the real forget images, by the cross-entropy of scaled cosines
    over each image's candidates (`candidates.Candidates`, `task_vectors.task_vector`); l is `coefficient`.

    Never moved: the text tower, the logit scale and bias, statistics of batch normalisation.

    Raises:
        CellFailure: the loss is not finite.

    Source: Gabriel Ilharco, Marco Tulio Ribeiro, Mitchell Wortsman, Suchin Gururangan, Ludwig Schmidt, Hannaneh
    Hajishirzi, Ali Farhadi, 2023, Editing Models with Task Arithmetic, ICLR, https://arxiv.org/abs/2212.04089.

    Departures: the origin takes, for each task, the l in 0, .05, .. 1 that forgets most while accuracy on control
    images stays at 95 % of before. That needs images which are not to be forgotten, and this method is given none: l
    is one hyperparameter for all classes, and may pass 1. The task is a class of a dataset, not a dataset. Training
    length is in epochs, and the learning rate constant (the origin: 2000 steps, warm-up and cosine decay).
    """

    name = "task-negation"
    access = "semi-ZS"
    reference = "Ilharco et al., 2023, Editing Models with Task Arithmetic"

    learning_rate: float = tunable(1e-5, low=3e-5, high=0.1, log=True, unit="rms")
    epochs: int = tunable(10, choices=(1, 5, 10, 20))
    coefficient: float = tunable(1.0, low=0.03, high=10.0, log=True)
    batch_size: int = tunable(128, choices=(16, 32, 128))  # images
    weight_decay: float = 0.1

    def skip(self, clip: Clip, request: Request) -> str | None:
        """No image tensor that may move, or no image to forget."""
        if not tuned_names(clip):
            return f"the image tower of {clip.name!r} has no tensor that this method moves"
        return lacking_images(request, "forget")

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Fine-tune a copy, then subtract, in place."""
        if request.forget_examples is None:
            return clip
        vector = self.vector(clip, request, self.learning_rate, purpose="order", report=request.report)
        subtract(clip, vector, self.coefficient)
        return clip

    def vector(
        self, clip: Clip, request: Request, learning_rate: float, *, purpose: str, report: Callable[..., None]
    ) -> TaskVector:
        """The task vector of one copy, whose images come in an order drawn for `purpose`."""
        examples = request.forget_examples
        if examples is None:
            return {}
        return task_vector(
            clip,
            from_pixels(clip, examples.pixels, examples.labels),
            texts=[concept.text for concept in request.concepts],
            candidates=request.candidates,
            settings=FineTuning(
                learning_rate=learning_rate,
                epochs=self.epochs,
                batch_size=self.batch_size,
                weight_decay=self.weight_decay,
            ),
            generator=request.generator(purpose),
            report=report,
        )
