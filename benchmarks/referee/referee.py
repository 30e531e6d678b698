"""The referee: gives a method its copy and its data, times it, and measures the tensors that come back."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from unlearn_bench.benchmarks.isolation.measuring import WORKER_MEMORY, Load, Stopwatch, most_held_mib
from unlearn_bench.benchmarks.isolation.play import Task
from unlearn_bench.benchmarks.isolation.wire import bytes_of
from unlearn_bench.benchmarks.referee.audits import further_evidence
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, describe
from unlearn_bench.benchmarks.referee.evidence import classified, evidence_of
from unlearn_bench.benchmarks.referee.game import Game, request_hash, task_for, unheard
from unlearn_bench.benchmarks.referee.kept import CONDITIONS, Unlearned, UnusableWeightsError, find_weights, origin
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.leaderboards.records.record import Record, Status
from unlearn_bench.metrics.base import (
    Cost,
    Evidence,
    Measurement,
    Metric,
)
from unlearn_bench.metrics.retrieval import Retrieval, nearest
from unlearn_bench.metrics.shared.rankings import Ranking
from unlearn_bench.registry import file_hash, load
from unlearn_bench.synthesis.images import Synthetic


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A record, and what is kept in files beside it.

    Attributes:
        history: what the method reported. synthetic: images to look at, if any were made.
        rankings: the test images that the words of the forget classes find, where retrieval was measured.
        unlearned: what the method made, if it ran and all went well.
        refused: why the kept weights were not taken, though there were some; empty otherwise.
    """

    record: Record
    history: tuple[dict[str, float | str], ...]
    synthetic: Synthetic | None = None
    rankings: tuple[Ranking, ...] = ()
    unlearned: Unlearned | None = None
    refused: str = ""


def run_cell(
    cell: Cell,
    bench: Workbench,
    conditions: Conditions,
    *,
    keep: Callable[[Clip], None] | None = None,
    note: Callable[[str], None] = unheard,
    weights: Path | None = None,
    hidden: tuple[Path, ...] = (),
    timeout_s: float = 0.0,
) -> Outcome:
    """Carry out one cell; whatever the method does, this returns a record.

    `keep` is shown the unlearned model, already rebuilt from its tensors, when all went well. `note` is told what is
    being done, for people who wait. The method's process can't read what is `hidden`, and is ended when the method
    takes longer than `timeout_s` (0: as long as it takes). Where the file `weights` holds what this very method made
    of the same request, that is measured, and the method does not run.

    `skipped` when the method says why it does not apply; `failed` when it raises, ends its process, runs out of
    memory, or returns tensors that are not finite or do not fit the original architecture.
    """
    dataset = bench.evaluated[cell.run.dataset].dataset
    targets = dataset.labels(cell.run.forget)
    game = Game(cell=cell, bench=bench, dataset=dataset, targets=targets, note=note, load=Load(conditions.threads))
    status: Status = "ok"
    reason = ""
    measurements: tuple[Measurement, ...] = ()
    try:
        why_not = _unlearn(game, weights, hidden, timeout_s)
        if game.unlearned is None:
            status, reason = "skipped", why_not
        else:
            measurements = _measured(game, game.unlearned, conditions)
            if keep is not None:
                keep(game.unlearned.clip)
    except CellFailure as error:
        status, reason = "failed", str(error)
    except torch.OutOfMemoryError as error:
        status, reason = "failed", f"out of device memory: {str(error).splitlines()[0]}"
        torch.cuda.empty_cache()
    except MemoryError as error:
        status, reason = "failed", f"out of memory: {_describe_error(error)}"
    except (Exception, SystemExit) as error:  # a plug-in may raise anything; its cell alone shall fail
        status, reason = "failed", _describe_error(error)
    if not bench.is_untouched():  # by a metric, since a method has no hold of it; the next cell starts from it
        bench.restore()
        status, measurements = "failed", ()
        reached = "a metric changed the original model"
        reason = f"{reached}; {reason}" if reason else reached
    record = Record(
        run=cell.run,
        status=status,
        reason=reason,
        measurements=measurements,
        preset=cell.preset,
        provenance=_provenance(game, conditions),
    )
    made = game.unlearned if status == "ok" and not game.from_kept else None
    return Outcome(
        record=record,
        history=tuple(game.history),
        synthetic=game.made.synthetic if game.made is not None else None,
        rankings=game.rankings if status == "ok" else (),
        unlearned=replace(made, provenance=record.provenance) if made is not None else None,
        refused=game.refused,
    )


def _unlearn(game: Game, weights: Path | None, hidden: tuple[Path, ...], timeout_s: float) -> str:
    """Note the unlearned model, kept or made now; or, without one, say why the method does not apply."""
    if file_hash(game.cell.method_target) != game.run.method_file:
        raise CellFailure("the method's file was edited after the sweep was planned; run again")
    task = task_for(game)
    game.unlearned = _kept(game, task, weights)
    game.from_kept = game.unlearned is not None
    if game.unlearned is None:
        return _play(game, task, hidden, timeout_s)
    if game.unlearned.synthesized:
        game.synthesize()
    return ""


def _kept(game: Game, task: Task, weights: Path | None) -> Unlearned | None:
    """The model that is kept in the file, if it was made of this very request."""
    if weights is None:
        return None
    try:
        found = find_weights(weights, game.run, game.bench)
    except UnusableWeightsError as error:
        game.refused = str(error)
        return None
    if found is not None and found.request != request_hash(task):
        game.refused = "the data or texts that the method is given are not those of then"
        return None
    return found


def _play(game: Game, task: Task, hidden: tuple[Path, ...], timeout_s: float) -> str:
    """Let the method play in a room of its own, and check what came back; or say why it does not apply."""
    bench = game.bench
    most = bytes_of(bench.clip.state())
    with bench.player(task.method_target, hidden=hidden) as player:
        game.load.count(player.pid)
        played = player.play(task, game, game.load, most_bytes=most, timeout_s=timeout_s)
    game.player_mib = played.held_mib or 0
    if played.changed is None:
        return played.skipped
    with torch.no_grad():
        unlearned = bench.clip.with_state(played.whole(bench.clip.state()))
    game.unlearned = Unlearned(
        clip=unlearned,
        record=game.run.key,
        request=request_hash(task),
        synthesized=game.made is not None,
        cost=Cost(
            seconds={"method": played.seconds, "synthesis": game.made.seconds if game.made else 0.0},
            peak_memory_bytes=played.memory_bytes,
        ),
    )
    return ""


def _measured(game: Game, unlearned: Unlearned, conditions: Conditions) -> tuple[Measurement, ...]:
    """What the metrics say of the model, and what it took."""
    evaluation = Stopwatch(game.bench.clip.device)
    game.note("measuring")
    with evaluation, game.load:
        evidence = evidence_of(game, unlearned.clip)
    seconds = dict(unlearned.cost.seconds)
    now = describe(conditions)
    if not game.from_kept or all(unlearned.provenance.get(name) == now[name] for name in CONDITIONS):
        # Under other conditions than the method's, this and the audit would not compare with the seconds beside it.
        seconds["evaluation"] = evaluation.seconds
    return _measure(game, unlearned.clip, evidence, replace(unlearned.cost, seconds=seconds))


def _measure(game: Game, unlearned: Clip, evidence: Evidence, cost: Cost) -> tuple[Measurement, ...]:
    """All metrics in their order; those that need further evidence go first, so that their time can be told."""
    metrics = [cast(type[Metric], load(target))() for target in game.cell.metric_targets]
    bench = game.bench

    def measure(metric: Metric) -> tuple[Measurement, ...]:
        game.note(f"measuring {metric.name}")
        seen = classified(evidence, bench) if metric.needs_classes else evidence
        return metric.measure(seen) if seen is not None else ()

    auditing = [m for m in metrics if m.needs and not (m.needs_classes and classified(evidence, bench) is None)]
    found: dict[str, tuple[Measurement, ...]] = {}
    if auditing:
        audit = Stopwatch(bench.clip.device)
        with audit:
            needs = {need for metric in auditing for need in metric.needs}
            further = further_evidence(needs, run=game.run, bench=bench, unlearned=unlearned)
            evidence = replace(evidence, **further)
            found = {metric.name: measure(metric) for metric in auditing}
        if "evaluation" in cost.seconds:
            cost = replace(cost, seconds={**cost.seconds, "audit": audit.seconds})
    evidence = replace(evidence, cost=cost)
    parts = [found[metric.name] if metric.name in found else measure(metric) for metric in metrics]
    seen = classified(evidence, bench)
    if Retrieval.name in game.run.metrics and seen is not None:
        game.rankings = nearest(seen)
    return tuple(item for part in parts for item in part)


def _provenance(game: Game, conditions: Conditions) -> dict[str, Any]:
    bench = game.bench
    facts = describe(conditions)
    if game.from_kept and game.unlearned is not None:
        then = game.unlearned.provenance  # the method's costs are those of that run
        facts |= {name: then[name] for name in CONDITIONS if name in then}
        facts["kept_weights"] = origin(game.unlearned)
    busy = {"cpu_share": game.load.own, "others_cpu_share": game.load.others}
    facts |= {name: round(share, 2) for name, share in busy.items() if share is not None}
    held = most_held_mib()
    if held is not None:
        facts[WORKER_MEMORY] = held + game.player_mib
    facts["content"] = {name: item.images.content for name, item in bench.evaluated.items()}
    if game.run.precision != "fp32":
        facts["agreement"] = {name: round(item.agreement, 4) for name, item in bench.evaluated.items()}
    skipped = {name: len(item.images.skipped) for name, item in bench.evaluated.items() if item.images.skipped}
    if skipped:
        facts["skipped_images"] = skipped
    if game.made is not None:
        made = game.made.synthetic
        facts["synthetic"] = {
            "images": len(made.labels),
            "acceptance_rate": round(made.acceptance_rate, 4),
            "mean_probability": round(float(made.probabilities.mean()), 4),
            "lowest_threshold": round(float(made.thresholds.min()), 4),
        }
    return facts


def _describe_error(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    text = str(error).strip().split("\n", 1)[0] or "no message"
    return f"{type(error).__name__}: {text}{where}"
