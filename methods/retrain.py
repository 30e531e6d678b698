"""The gold reference: a model that never saw the forget set."""

import os
from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request
from unlearn_bench.models.embedded import NAMES
from unlearn_bench.models.retrained import SHOWN_ROOT, read_retrained, weights_file, weights_name


@dataclass(frozen=True, kw_only=True)
class Retrain(Method):
    """The model trained again from scratch without the forget set: what forgetting would ideally give.

    It trains nothing: the weights are read from `$UNLEARN_BENCH_CACHE/retrained/<fingerprint of the original>/<class
    names>.safetensors`, where `python -m unlearn_bench.benchmarks.mini.reference` puts what was trained: the embedded
    models without classes of their own datasets. Weights of other models are whoever's who put them there.
    Every tensor is replaced. What it still recognises (composed names, near neighbours) is the honest zero of
    forgetting. The seconds of its row are those of reading a file, not of training.

    Raises:
        InputError: the weights can't be read, or are not the packed ones of this embedded model.
        CellFailure: for any other model, weights of another architecture.

    Source: the exact unlearning of Lucas Bourtoule, Varun Chandrasekaran, Christopher Choquette-Choo, Hengrui Jia,
    Adelin Travers, Baiwu Zhang, David Lie, Nicolas Papernot, 2021, Machine Unlearning,
    https://arxiv.org/abs/1912.03817, without shards.

    Departures: one model, trained whole.
    """

    name = "retrain"
    access = "not-ZS"
    kind = "reference"
    default = False
    reference = "Bourtoule et al., 2021, Machine Unlearning"

    def skip(self, clip: Clip, request: Request) -> str | None:
        """Nobody trained this model without these classes, or the weights are not on this machine."""
        names = [concept.name for concept in request.forget]
        if os.path.isfile(weights_file(clip.fingerprint(), names)):  # Path.is_file raises where the name is too long
            return None
        missing = f"no weights at {SHOWN_ROOT}/{weights_name(clip.fingerprint(), names)}"
        if clip.name not in NAMES or any(concept.domain for concept in request.forget):
            return f"{missing}: no weights of this model trained without this are known"
        without = " ".join(f'--without "DATASET/{name}"' for name in names)
        return (
            f"{missing}; for classes of an embedded dataset make them with `python -m "
            f"unlearn_bench.benchmarks.mini.train --model {clip.name} {without} --out DIR`, then `python -m "
            "unlearn_bench.benchmarks.mini.reference DIR`"
        )

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """The other model."""
        return read_retrained(clip, weights_file(clip.fingerprint(), [concept.name for concept in request.forget]))
