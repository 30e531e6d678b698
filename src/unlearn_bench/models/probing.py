"""Running a tower to see how it uses its tensors, without a trace left in the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from unlearn_bench.clip import Clip, Tower
from unlearn_bench.seeding import generator

TEXTS = ("a", "the letter k", "two red dogs in the snow", "a photo of 3 boats")
_IMAGES = 3


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of an `nn.Linear` within a tower.

    Attributes:
        name: of the module. module: itself. given: what it was called with, (.., in features).
    """

    name: str
    module: nn.Linear
    given: Tensor


class Probe:
    """One tower on a few inputs: noise, or short texts.

    What it runs are the model's own modules, with tensors put in the place of their own for that one pass. Buffers
    are copies, nothing requires a gradient, and torch's global random streams are put back.
    """

    def __init__(self, clip: Clip, tower: Tower) -> None:
        self.clip, self.tower = clip, tower
        self._encoder = _Encoder(clip, tower)

    @cached_property
    def inputs(self) -> Tensor:
        """Noise (3, 3, S, S), or token ids (4, L)."""
        clip = self.clip
        if self.tower == "text":
            return clip.tokenize(TEXTS)
        side = clip.image_size
        return torch.randn(_IMAGES, 3, side, side, generator=generator("probe", side)).to(clip.device)

    def run(self, values: Mapping[str, Tensor] | None = None) -> Tensor:
        """Embeddings (N, D) with these tensors, by their names in the state, in the place of the model's own."""
        kept = {name: value.clone() for name, value in self.clip.module.named_buffers()}
        named = {f"module.{name}": value for name, value in {**kept, **(values or {})}.items()}
        device = self.clip.device
        with (
            torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
            torch.autocast(device.type, enabled=False),
            torch.no_grad(),
        ):
            found: Tensor = functional_call(self._encoder, named, (self.inputs,))
        return found

    def calls(self) -> tuple[Call, ...]:
        """The calls of the tower's linear layers in one pass, first to last."""
        found: list[Call] = []

        def listen(name: str, module: nn.Linear) -> torch.utils.hooks.RemovableHandle:
            return module.register_forward_hook(
                lambda _, given, __: found.append(Call(name=name, module=module, given=given[0]))
            )

        layers = [(name, part) for name, part in self.clip.module.named_modules() if isinstance(part, nn.Linear)]
        handles = [listen(name, part) for name, part in layers]
        try:
            self.run()
        finally:
            for handle in handles:
                handle.remove()
        return tuple(found)


class _Encoder(nn.Module):
    """A tower as the module that `functional_call` asks for."""

    def __init__(self, clip: Clip, tower: Tower) -> None:
        super().__init__()
        self.module = clip.module
        self._encode = clip.encode_texts if tower == "text" else clip.encode_images

    def forward(self, inputs: Tensor) -> Tensor:
        return self._encode(inputs)
