"""The published numbers, computed anew on a part of their suites, cell by cell within tolerances that were measured.

They were computed with AVX2. Where a processor has more, `.ci/run` asks for the same kernels before it starts this:
the code is to be compared, not the processor.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.benchmarks.conftest import call
from tests.benchmarks.support import Call
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.leaderboards.published.places import PUBLISHED

__all__ = ["call"]

pytestmark = [pytest.mark.slow, pytest.mark.published]

# A part of a suite, and the published suite that has its cells.
PARTS = {
    "mini-full, a class of each dataset": (
        "mini-full",
        "mini",
        ["--classes", "digit five,star,letter m,polka dots"],
    ),
    "mini-full, mini-vit": (
        "mini-full",
        "mini-full",
        ["--model", "mini-vit", "--classes", "letter m", "--seeds", "0", "--methods", "all"],
    ),
    "mini-domains": (
        "mini-domains",
        "mini-domains",
        ["--model", "mini-rn", "--classes", "purple circle@sketch", "--seeds", "0"],
    ),
    "curves": (
        "mini-full-curve",
        "mini-full",
        [
            *("--curve", "--model", "mini-rn", "--classes", "letter m", "--seeds", "0"),
            *("--methods", "text-null-space,slug,clip-erase,ssd"),
        ],
    ),
    "mini-associations": (
        "mini-associations",
        "mini-associations",
        ["--model", "mini-rn", "--classes", "star on a dark background", "--seeds", "0"],
    ),
    "mini-pairs": ("mini-pairs", "mini-pairs", ["--model", "mini-rn", "--classes", "letter m", "--seeds", "0"]),
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Empty at first, then shared by all parts; what tests computed with other instructions is not in it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UNLEARN_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_as_published(name: str, call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In this process, so that its workers serve all parts: each of them imports torch, which takes seconds."""
    published, suite, part = PARTS[name]
    out = tmp_path / "run"
    # By name, else a machine that seems slow leaves relearning out, and its cells are others than the published ones.
    metrics = ",".join(load_suite(suite).metrics)
    ran = call("run", "--suite", suite, *part, "--metrics", metrics, "--out", out)
    assert ran.code == 0, ran.err
    against = next(item.records for item in PUBLISHED if item.suite == published)
    said = call("check", out, "--against", against)
    if said.code:
        # Lip and Emb keep or take back whole epochs, Amns climbs to its noise: on a processor that rounds otherwise
        # than the published numbers' they take another turn (of 80 cells with and without AVX2 five of theirs drifted
        # and no other). Their loops are held by tests, against plain ones; here their cells are told only.
        said = call("check", out, "--against", against, "--told-only", "lip,emb,amns")
    with capsys.disabled():
        typer.echo(f"\n{said.out}")
    assert said.code == 0, said.err
