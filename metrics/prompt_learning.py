"""Whether learnt words before the class names bring the forgotten class back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import DatasetEvidence, Embedded, Evidence, Measurement, Metric
from unlearn_bench.metrics.further import Models
from unlearn_bench.metrics.shared.classification import predictions, similarities
from unlearn_bench.metrics.shared.rates import rates
from unlearn_bench.metrics.shared.shots import SHOTS, few

CONTEXT = "a photo of a"
"""The words in whose places the vectors stand, and as whose embeddings they start: four of CLIP's tokens."""

STEPS = 16
"""Updates; each is one pass of the class texts through the text tower, there and back."""

_OTHER_CONTEXT = "i cover in i"  # of as many words and letters: the places where tokens differ are the context's
_RATE = 0.3  # of the vectors' own root mean square, in the first update


class PromptLearning(Metric):
    """Zero-shot accuracy with context vectors before the class names, learnt from k real images of every class.

        t_c = T([p_1] .. [p_M] [name of c] .),   p* = argmin_p  mean over the k images i of every class of
              -log softmax_c(scale cos(v_i, t_c))[y_i],     right_i = [argmax_c cos(v_i, t_c) = y_i]  over test images

    The adversary has both towers and k = 1, 4 or 16 training images of every class of the own dataset with their
    names. It may put vectors of its own in the places of the words before the class name, the same ones for every
    class; both towers T and v stay as the unlearned model has them. It can't say anything about the target alone:
    what comes back was reachable by the class's own name. 16 updates of Adam on all images at once; they are embedded
    once, so that only the C class texts run through the text tower. The vectors start as the embeddings of "a photo
    of a", the rate is .3 of their root mean square and falls linearly to 0; scale is that of the original model. The
    images are those of `relearning`, drawn by the run's seed. Where classes are parted by domain, the labels of one
    class share a text, and c runs over the labels of the image's own domain, in the loss as in the accuracy.

    Groups, under the own dataset's name, for each k: `shots@k/target`, the mean over forget classes of their recalls,
    and `shots@k/other`, over images of the kept classes.

    Unit: fraction, in [0, 1]. Direction: low is better for `target`, high for `other`, so `neither` as a whole.
    Undefined (None) without test images of a group, without training images of one of the forget classes, and for a
    text tower that does not look its tokens up in a table of its own (`nn.Embedding`, of the role `token_embedding`),
    or whose tokenizer gives the context other places from name to name: there is nowhere to put the vectors.

    Raises:
        CellFailure: embeddings that are not finite. InputError: the models or no training images were given.

    Source: Kaiyang Zhou, Jingkang Yang, Chen Change Loy, Ziwei Liu, 2022, Learning to Prompt for Vision-Language
    Models, https://arxiv.org/abs/2109.01134 (CoOp, unified context that starts as "a photo of a").
    Departures: 16 updates of Adam on all images, where the source makes 50 to 200 passes with SGD; no augmentation.
    """

    name = "prompt-learning"
    version = 1
    unit = "fraction"
    direction = "neither"
    bounds = (0.0, 1.0)
    default = False
    needs = ("models", "train")

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """`target` and `other` for each number of shots, under the own dataset's name."""
        models, train = self.given(evidence.models, "models"), self.given(evidence.train, "train")
        return tuple(self._measure(evidence, models, train))

    def _measure(self, evidence: Evidence, models: Models, train: DatasetEvidence) -> Iterator[Measurement]:
        own, forget = evidence.own, evidence.forget
        sides: list[Sequence[Tensor | None]] = [[None] * len(SHOTS)] * 2
        prompts = [Prompt.of(clip, models.classes) for clip in (models.original, models.unlearned)]
        known, unlearned = prompts
        shown = len(own.labels) and bool(torch.isin(torch.tensor(forget), train.labels).all())
        if shown and known is not None and unlearned is not None:
            plans = [few(train.labels, shots, evidence.dataset, evidence.seed) for shots in SHOTS]

            def right(prompt: Prompt, seen: Embedded, side: Embedded) -> Tensor:
                texts = [prompt.learnt(seen.at(rows), train.labels[rows], evidence.logit_scale) for rows in plans]
                return torch.stack([predictions(replace(side, texts=vectors)) == own.labels for vectors in texts])

            purpose = f"{self.name} {self.version} {list(forget)} {evidence.seed}"
            before = evidence.once(purpose, lambda: right(known, train.before, own.before))  # (shots, N)
            sides = [list(before), list(right(unlearned, train.after, own.after) if models.touched else before)]
        for place, shots in enumerate(SHOTS):
            yield from rates(self, evidence, own.labels, [side[place] for side in sides], part=f"shots@{shots}/")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Class texts whose first words are vectors.

    Attributes:
        clip: a copy, on whose table of token embeddings the vectors are laid while it runs.
        table: that table. tokens: (C, L) int64. places: (M,) int64, where the vectors stand in every text.
    """

    clip: Clip
    table: nn.Embedding
    tokens: Tensor
    places: Tensor

    @classmethod
    def of(cls, clip: Clip, names: Sequence[str]) -> "Prompt | None":
        """The prompt of these class names; None where the model has no place for vectors."""
        own = clip.copy()
        found = [w.name for w in own.weights() if (w.place.tower, w.place.role) == ("text", "token_embedding")]
        table = own.module.get_submodule(found[0].rpartition(".")[0]) if len(found) == 1 else None
        tokens, others = (own.tokenize([f"{words} {name}." for name in names]) for words in (CONTEXT, _OTHER_CONTEXT))
        differ = tokens != others  # (C, L)
        if not isinstance(table, nn.Embedding) or not len(tokens) or not bool((differ == differ[0]).all()):
            return None
        places = differ[0].nonzero().flatten()
        prompt = cls(clip=own, table=table, tokens=tokens, places=places)
        return prompt if len(places) and prompt._is_heard() else None

    def start(self) -> Tensor:
        """The embeddings of the words (M, W)."""
        return self.table.weight.detach()[self.tokens[0, self.places]].clone()

    def embed(self, vectors: Tensor) -> Tensor:
        """Class texts (C, D), normalised, with these vectors (M, W) for their first words; gradients pass."""

        def lay(_: nn.Module, __: object, output: Tensor) -> Tensor:
            return output.index_copy(1, self.places, vectors.expand(len(output), -1, -1))

        handle = self.table.register_forward_hook(lay)
        try:
            return normalize(self.clip.encode_texts(self.tokens).float(), dim=-1)
        finally:
            handle.remove()

    def learnt(self, seen: Embedded, labels: Tensor, scale: float) -> Tensor:
        """Class texts (C, D) on the CPU with vectors learnt from the seen images, whose labels are (M,).

        Raises:
            CellFailure: embeddings that are not finite.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            images, truth = seen.images.clone(), labels.clone()  # inference tensors take part in no gradient
            vectors = nn.Parameter(self.start())
            rate = _RATE * float(vectors.detach().square().mean().sqrt())
            optimizer = torch.optim.Adam([vectors], lr=rate)
            schedule = torch.optim.lr_scheduler.LinearLR(
                optimizer, start_factor=1.0, end_factor=0.0, total_iters=STEPS
            )
            for _ in range(STEPS):
                texts = self.embed(vectors).cpu()
                loss = nn.functional.cross_entropy(
                    scale * similarities(replace(seen, images=images, texts=texts)), truth
                )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        with torch.no_grad():
            return self.embed(vectors).cpu()

    def _is_heard(self) -> bool:
        """Whether what is laid on the table reaches the texts."""
        start = self.start()
        with torch.no_grad():
            return not torch.equal(self.embed(start), self.embed(start + 1.0))
