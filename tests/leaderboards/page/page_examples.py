"""Records for pages: methods of every kind, audits, neighbours, answers, and names that try to be markup."""

from dataclasses import replace
from typing import Any

from tests.leaderboards.examples import ended, identity, plain, sweep
from unlearn_bench.leaderboards.records.record import Record

NASTY = "<script>window.broken = 1</script>\"'&amp; <img src=x onerror='window.broken = 1'>"
RIGHT_TO_LEFT = "شبكة عصبية"
LONG = "very-long-name-" * 13 + "xxxxx"
"""200 characters."""


def audited(records: list[Record], probe: float, relearned: float) -> list[Record]:
    """The records with two audits, neighbours, and what target images are called."""
    return [replace(item, measurements=(*item.measurements, *_further(item, probe, relearned))) for item in records]


def _further(item: Record, probe: float, relearned: float) -> tuple[Any, ...]:
    own = item.run.dataset
    return (
        plain("linear-probe", "target", probe, before=0.8, dataset=own, n=20),
        plain("linear-probe", "other", 0.8, before=0.8, dataset=own, n=40),
        plain("relearning", "shots@1/target", relearned, before=0.7, dataset=own, n=20),
        plain("relearning", "shots@1/other", 0.7, before=0.7, dataset=own, n=40),
        plain("neighbours", "near", 0.5, before=0.75, dataset=own, n=20),
        plain("neighbours", "near/red sphere", 0.3, before=0.6, dataset=own, n=20),
        plain("predictions", "share/red sphere", 0.75, before=0.1, dataset=own, n=20),
        plain("predictions", "share/red cube", 0.25, before=0.9, dataset=own, n=20),
        plain("predictions", "distance/red sphere", 0.2, before=0.2, dataset=own, n=20),
    )


def many_kinds() -> list[Record]:
    """Two models; ranked methods of each access, untuned, failed, and references."""
    broken = sweep("broken", seconds=1.0)
    broken[0] = ended(broken[0], "failed", "loss is nan at step 3")
    found = [
        *audited(sweep("lip", seconds=1.0), 0.6, 0.5),
        *audited(sweep("slug", targets=(0,), seconds=2.0, access="not-ZS"), 0.1, 0.2),
        *audited(sweep("graddiff", targets=(5, 3, 4), seconds=3.0, access="semi-ZS"), 0.5, 0.6),
        *audited(sweep("amns", targets=(12, 11, 13), measured={"other": 20, "rest": 40}, seconds=3.0), 0.7, 0.7),
        *sweep("emb", targets=(4,), preset={"source": "default"}, seconds=4.0),
        *broken,
        *audited(identity(seconds=0.01), 0.8, 0.7),
        *audited(sweep("retrain", targets=(3,), kind="reference", hyperparameters={}, access="not-ZS"), 0.4, 0.2),
    ]
    other = [
        replace(item, run=replace(item.run, model="mini-vit", fingerprint="beef"))
        for item in sweep("lip", seconds=1.0) + sweep("slug", targets=(1,), seconds=2.0) + identity(seconds=0.01)
    ]
    return found + other


def nasty() -> list[Record]:
    """Names of methods and of classes that would be markup, run the other way, or fill the screen."""
    classes = {"three": NASTY, "red cube": RIGHT_TO_LEFT, "blue cone": LONG}
    found = [
        item
        for place, name in enumerate((NASTY, RIGHT_TO_LEFT, LONG))
        for item in audited(sweep(name, targets=(place,), seconds=1.0), 0.5, 0.5)
    ] + identity(seconds=0.01)
    return [replace(item, run=replace(item.run, forget=(classes[item.run.forget[0]],))) for item in found]


def crowd(methods: int, seeds: int) -> list[Record]:
    """Many methods, each on three forget sets with so many seeds."""
    return [
        item
        for place in range(methods)
        for item in sweep(
            f"method-{place}", targets=(place % 16, 3), seeds=range(seeds), measured={"rest": 30 + place % 15}
        )
    ]
