"""`TwoTowers`: a dual encoder that is not open_clip's, from two modules and a tokenizer."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from unlearn_bench.clip import Clip, Place, Role, Tower
from unlearn_bench.models.roles import tell_roles

_TOWERS: tuple[Tower, ...] = ("image", "text")


class TwoTowers(Clip):
    """Any image encoder beside any text encoder, for models that open_clip does not build.

    The image tower is one stage, so nothing of it is reused when a part of it changes. Subclass and override
    `prepare`, `preparation` and `to_input` for a preprocessing of one's own.

    Args:
        image_tower: (N, 3, S, S) float32 to (N, D).
        text_tower: (N, L) int64 to (N, D).
        tokenizer: texts to (N, L) int64.
        name: how reports call the model.
        image_size: S.
        logit_scale: the factor before the cosine (100 for OpenAI's models).
        logit_bias: added to the scaled cosine, where the model has one.
        mean, std: of the input normalisation.
    """

    def __init__(
        self,
        image_tower: nn.Module,
        text_tower: nn.Module,
        tokenizer: Callable[[list[str]], Tensor],
        *,
        name: str,
        image_size: int,
        logit_scale: float,
        logit_bias: float | None = None,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.5, 0.5, 0.5),
    ) -> None:
        self.module = nn.ModuleDict({"image": image_tower, "text": text_tower}).float()
        self.module.register_buffer("logit_scale", torch.tensor(float(logit_scale)))
        if logit_bias is not None:
            self.module.register_buffer("logit_bias", torch.tensor(float(logit_bias)))
        self.module.eval().requires_grad_(False)
        self.name, self.image_size = name, image_size
        self.mean, self.std = mean, std
        self._tokenizer = tokenizer
        self._roles: dict[str, Role] = {}  # told once; copies have the same tensors, and share this

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Token ids (N, L) int64."""
        return self._tokenizer(list(texts)).to(self.device)

    def encode_texts(self, tokens: Tensor) -> Tensor:
        """Embeddings (N, D) of token ids."""
        return cast(Tensor, self.module.get_submodule("text")(tokens))

    @property
    def image_stages(self) -> tuple[str, ...]:
        """One stage."""
        return ("tower",)

    def run_image_stages(self, activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """The whole tower, or nothing."""
        if self.image_stages[start:stop]:
            return cast(Tensor, self.module.get_submodule("image")(activation))
        return activation

    @property
    def logit_scale(self) -> Tensor:
        """The fixed factor."""
        return self.module.get_buffer("logit_scale")

    @property
    def logit_bias(self) -> Tensor | None:
        """The fixed bias, if any."""
        return dict(self.module.named_buffers()).get("logit_bias")

    def locate(self, name: str) -> Place:
        """Tower by the name's first part; role as `tell_roles` finds it, by kind, shape, name and use.

        The towers run a few times on small inputs when this is first asked. Override it, and call this one for all
        other tensors, where a role is told wrongly or not at all; `unlearn-bench check-model` says which.
        """
        tower = next((tower for tower in _TOWERS if name.startswith(f"{tower}.")), None)
        if tower is None:
            return Place(tower="joint", stage="scale", role="scale")
        if name not in self._roles:
            self._roles.update(tell_roles(self, {tower: tower for tower in _TOWERS}))
        return Place(tower=tower, stage="tower", role=self._roles.get(name, "other"))
