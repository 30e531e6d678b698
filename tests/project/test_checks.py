"""The public checks find what they are there to find: one plug-in for each law, which breaks it."""

from pathlib import Path

import pytest

from unlearn_bench.benchmarks.checks import LawBrokenError, check_method

_HEAD = """
from dataclasses import dataclass
import torch
from unlearn_bench.methods.base import Method

{decorator}
class Broken(Method):
    name = "broken"
    access = "not-ZS"
{field}
    def unlearn(self, clip, request):
        {body}

    def skip(self, clip, request):
        return {skip}
"""

_FROZEN = "@dataclass(frozen=True, kw_only=True)"

_PUSH = "[w.value for w in clip.weights()][0].data.add_({amount}); return clip"


def _plugin(folder: Path, body: str, *, decorator: str = _FROZEN, field: str = "", skip: str = "None") -> str:
    path = folder / "broken.py"
    path.write_text(_HEAD.format(decorator=decorator, field=field, body=body, skip=skip), encoding="utf-8")
    return f"{path}:Broken"


def test_a_method_that_keeps_the_laws_passes(tmp_path: Path) -> None:
    check_method(_plugin(tmp_path, _PUSH.format(amount=0.1)))


@pytest.mark.parametrize(
    ("body", "options", "complaint"),
    [
        ("return clip", {"decorator": ""}, "not decorated"),
        ("return clip", {"field": "    table: object = object()"}, "not plain data"),
        ("return clip", {"field": "    size: int"}, "missing 1 required"),
        ("return clip", {"skip": "''"}, "give None or a reason"),
        ("return None", {}, "not the clip"),
        ("torch.rand(1); return clip", {}, "global random stream"),
        ("request.retain_examples.pixels.zero_(); return clip", {}, "edited the request"),
        ("request.forget_examples.labels.add_(1); return clip", {}, "edited the request"),
        (_PUSH.format(amount="__import__('time').time_ns() % 1000 + 1e-3"), {}, "differs between two equal"),
        ("clip.module.add_module('adapter', torch.nn.Linear(2, 2)); return clip", {}, "merge adapters"),
        (_PUSH.format(amount="float('nan')"), {}, "not finite"),
    ],
)
def test_a_broken_law_is_named(tmp_path: Path, body: str, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(Exception, match=complaint) as caught:
        check_method(_plugin(tmp_path, body, **options))
    assert isinstance(caught.value, LawBrokenError) or type(caught.value).__name__ in {"CellFailure", "InputError"}
