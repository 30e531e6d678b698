"""Whether parts of a model are what their library built, so that they may be computed in another way."""

from collections.abc import Collection
from itertools import chain

from torch import nn


def is_plain(*parts: nn.Module, kinds: Collection[type[nn.Module]]) -> bool:
    """Whether all modules of these parts are of these very classes, in evaluation mode, with nobody listening.

    Where they are not (adapters, parametrisations, hooks), their own `forward` must run: other rules would pass by
    what was put in.
    """
    modules = chain.from_iterable(part.modules() for part in parts)
    return all(type(module) in kinds and not module.training and is_unheard(module) for module in modules)


def is_unheard(module: nn.Module) -> bool:
    """Whether a module runs its class's own `forward`, and nobody hooked anything to it."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return "forward" not in vars(module) and not any(getattr(module, kind) for kind in hooks)
