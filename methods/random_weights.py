"""The reference that has forgotten everything."""

from dataclasses import dataclass

import torch

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request
from unlearn_bench.models.open_clip_model import OpenClip, build_open_clip


@dataclass(frozen=True, kw_only=True)
class RandomWeights(Method):
    """An untrained model of the same architecture: the far end of every scale.

    All tensors are drawn anew as the architecture's own code draws them before training, statistics of batch
    normalisation included; the logit scale and bias stay. It shows what an audit reads off images alone, without
    anything learned: a linear probe on random features is well above chance.

    Source: none. Departures: none.
    """

    name = "random-weights"
    access = "ZS"
    kind = "reference"
    default = False

    def skip(self, clip: Clip, request: Request) -> str | None:  # noqa: ARG002
        """The architecture is not open_clip's, and one of its modules can't be drawn anew."""
        if isinstance(clip, OpenClip):
            return None
        fixed = [
            name
            for name, module in clip.module.named_modules()
            if list(module.parameters(recurse=False)) and not hasattr(module, "reset_parameters")
        ]
        return (
            f"modules {fixed[:3]} have no reset_parameters, so nobody knows their untrained state; give them one"
            if fixed
            else None
        )

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Draw anew, in place."""
        kept = {name: value.clone() for name, value in clip.state().items() if clip.locate(name).role == "scale"}
        # Layers fill themselves from the CPU's global stream; torch.manual_seed would seed every device's as well.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(request.generator("untrained").initial_seed())
            if isinstance(clip, OpenClip):
                drawn = build_open_clip(clip.config).state_dict()
            else:
                drawn = _reset(clip.copy()).state()
            for name, value in clip.state().items():
                value.copy_(kept.get(name, drawn[name]))
        return clip


def _reset(clip: Clip) -> Clip:
    for module in clip.module.cpu().modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    return clip
