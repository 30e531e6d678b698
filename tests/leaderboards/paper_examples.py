"""Records as runs of the paper's tables would leave them, on datasets of 60 test images."""

from dataclasses import replace
from typing import Any

from tests.leaderboards.examples import accuracy, plain, record, run
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record, Run
from unlearn_bench.leaderboards.reported.printed import Protocol, ReportedTables, reported_tables

IMAGES, TARGET_IMAGES = 60, 20
CARS, DOGS, CALTECH, FLOWERS = "stanford-cars", "stanford-dogs", "caltech101", "oxford-flowers"


def small_tables() -> ReportedTables:
    """The reported tables, as if every dataset had 60 test images."""
    found = reported_tables()
    return replace(found, protocol={name: replace(item, test_images=IMAGES) for name, item in found.protocol.items()})


def evaluated(protocol: Protocol, **changes: Any) -> EvaluationSet:
    """A dataset as the paper evaluates on it."""
    name = protocol.split.removesuffix(".json")
    base = EvaluationSet(
        name=protocol.spec, version=f"{name}-abc", split="test", template=protocol.template, split_name=name
    )
    return replace(base, **changes)


def paper_run(**changes: Any) -> Run:
    """A run of `lip` on RN50, forgetting the platypus."""
    base = run(
        suite="paper",
        model="RN50:openai",
        dataset=CALTECH,
        forget=("platypus",),
        evaluation=tuple(evaluated(item) for item in small_tables().protocol.values()),
    )
    return replace(base, **changes)


def paper_record(of: Run, *, target: int = 2, other: int = 30, rest: int = 45, hits: float = 0.25) -> Record:
    """A finished run: target 16 of 20 before, other 32 of 40, other datasets 48 of 60; so many right after.

    Retrieval has precision .75 before and `hits` after for one query, .5 and .125 for all images as queries.
    """
    said = [accuracy(of.dataset, "target", TARGET_IMAGES, 16, target), accuracy(of.dataset, "other", 40, 32, other)]
    said += [accuracy(item.name, "all", IMAGES, 48, rest) for item in of.evaluation if item.name != of.dataset]
    for k in (1, 5, 10):
        for kind, before, after in (("ift", 0.75, hits), ("ifi-one", 0.75, hits), ("ifi", 0.5, 0.125)):
            said.append(plain("retrieval", f"{kind}@{k}/target", after, before=before, dataset=of.dataset))
    return record(of, measurements=tuple(said))


def paper_sweep(*, seeds: tuple[int, ...] = (0,), target: tuple[int, ...] = (2,), **changes: Any) -> list[Record]:
    """All twelve classes; `target` images right after, cell by cell in turn."""
    found: list[Record] = []
    measured = {name: changes.pop(name) for name in ("other", "rest", "hits") if name in changes}
    for protocol in small_tables().protocol.values():
        for name in protocol.classes:
            for seed in seeds:
                of = paper_run(dataset=protocol.spec, forget=(name,), seed=seed, **changes)
                found.append(paper_record(of, target=target[len(found) % len(target)], **measured))
    return found
