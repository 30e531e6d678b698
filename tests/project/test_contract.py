"""Every registered method keeps the public laws, on a trained model and real digits."""

from dataclasses import fields, replace
from functools import lru_cache

import pytest

from unlearn_bench.benchmarks.checks import LAWS, Case, Law, open_case
from unlearn_bench.registry import catalogue

pytestmark = pytest.mark.slow


_ALWAYS = LAWS[:2]
"""What a method keeps also where it does not apply."""


@lru_cache(maxsize=1)
def _case(method: str) -> Case:
    """One case at a time: its first call of `unlearn` serves several laws. No law asks for many epochs."""
    case = open_case(method)
    few = {"max_epochs": 4} if "max_epochs" in {item.name for item in fields(case.method)} else {}
    return replace(case, method=replace(case.method, **few))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("method", sorted(catalogue("methods")))
def test_every_method_keeps_every_law(method: str, law: Law) -> None:
    case = _case(method)
    if law not in _ALWAYS and (why := case.method.skip(case.bench.clip.copy(), case.request())) is not None:
        pytest.skip(why)
    law(case)
