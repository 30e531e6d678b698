"""Whether parts of a model are what their library built, so that they may be computed in another way."""

from collections.abc import Collection

from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_plain(*parts: nn.Module, kinds: Collection[type[nn.Module]]) -> bool:
    """Whether all modules of these parts are of these very classes, in evaluation mode, with nobody listening.

    Where they are not (adapters, parametrisations, hooks), their own `forward` must run: other rules would pass by
    what was put in. It is asked in every pass, so that it walks by hand: `modules()` takes three times as long.
    """
    waiting = list(parts)
    while waiting:
        module = waiting.pop()
        if type(module) not in kinds or module.__dict__["training"] or not is_unheard(module):
            return False
        waiting.extend(child for child in module.__dict__["_modules"].values() if child is not None)
    return True


def is_unheard(module: nn.Module) -> bool:
    """Whether a module runs its class's own `forward`, and nobody hooked anything to it."""
    own = module.__dict__
    return "forward" not in own and not (own[_HOOKS[0]] or own[_HOOKS[1]] or own[_HOOKS[2]] or own[_HOOKS[3]])
