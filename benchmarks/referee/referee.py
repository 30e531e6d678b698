"""The referee: gives a method its copy and its data, times it, and measures the tensors that come back."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from unlearn_bench.benchmarks.presets.preset import build_method
from unlearn_bench.benchmarks.referee.audits import further_evidence
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions, describe
from unlearn_bench.benchmarks.referee.evidence import classified, evidence_of
from unlearn_bench.benchmarks.referee.game import Game, request_for, request_hash, unheard
from unlearn_bench.benchmarks.referee.kept import CONDITIONS, Unlearned, UnusableWeightsError, find_weights, origin
from unlearn_bench.benchmarks.referee.measuring import WORKER_MEMORY, Load, PeakMemory, Stopwatch, most_held_mib
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.leaderboards.records.record import Record, Status
from unlearn_bench.methods.base import Method, Request
from unlearn_bench.metrics.base import (
    Cost,
    Evidence,
    Measurement,
    Metric,
)
from unlearn_bench.registry import file_hash, load
from unlearn_bench.seeding import derive_seed, global_streams
from unlearn_bench.synthesis.images import Synthetic


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A record, and what is kept in files beside it.

    Attributes:
        history: what the method reported. synthetic: images to look at, if any were made.
        unlearned: what the method made, if it ran and all went well.
        refused: why the kept weights were not taken, though there were some; empty otherwise.
    """

    record: Record
    history: tuple[dict[str, float | str], ...]
    synthetic: Synthetic | None = None
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
) -> Outcome:
    """Carry out one cell; whatever the method does, this returns a record.

    `keep` is shown the unlearned model, already rebuilt from its tensors, when all went well. `note` is told what is
    being done, for people who wait. Where the file `weights` holds what this very method made of the same request,
    that is measured, and the method does not run.

    `skipped` when the method says why it does not apply; `failed` when it raises, runs out of memory, edits the
    request, or returns tensors that are not finite or do not fit the original architecture.
    """
    dataset = bench.evaluated[cell.run.dataset].dataset
    targets = dataset.labels(cell.run.forget)
    game = Game(cell=cell, bench=bench, dataset=dataset, targets=targets, note=note, load=Load(conditions.threads))
    status: Status = "ok"
    reason = ""
    measurements: tuple[Measurement, ...] = ()
    try:
        why_not = _unlearn(game, weights)
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
    if not bench.is_untouched():  # also after an error or a skip, since the next cell starts from it
        bench.restore()
        status, measurements = "failed", ()
        reached = "the method changed the original model, not the copy that it was given"
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
        unlearned=replace(made, provenance=record.provenance) if made is not None else None,
        refused=game.refused,
    )


def _unlearn(game: Game, weights: Path | None) -> str:
    """Note the unlearned model, kept or made now; or, without one, say why the method does not apply."""
    method = _method(game.cell)
    request = request_for(game, method)
    game.unlearned = _kept(game, request, weights)
    game.from_kept = game.unlearned is not None
    if game.unlearned is not None:
        if game.unlearned.synthesized:
            game.synthesize()
        return ""
    copy = game.bench.clip.copy()
    why_not = _why_skipped(method, copy, request)
    if why_not is None:
        game.unlearned = _play(game, method, request, copy)
    return why_not or ""


def _kept(game: Game, request: Request, weights: Path | None) -> Unlearned | None:
    """The model that is kept in the file, if it was made of this very request."""
    if weights is None:
        return None
    try:
        found = find_weights(weights, game.run, game.bench)
    except UnusableWeightsError as error:
        game.refused = str(error)
        return None
    if found is not None and found.request != request_hash(request):
        game.refused = "the data or texts that the method is given are not those of then"
        return None
    return found


def _method(cell: Cell) -> Method:
    if file_hash(cell.method_target) != cell.run.method_file:
        raise CellFailure("the method's file was edited after the sweep was planned; run again")
    return build_method(cast(type[Method], load(cell.method_target)), cell.run.hyperparameters)


def _why_skipped(method: Method, copy: Clip, request: Request) -> str | None:
    answer: object = method.skip(copy, request)
    if answer is None or (isinstance(answer, str) and answer.strip()):
        return answer
    raise CellFailure(f"skip returned {answer!r}; give None or a reason")


def _play(game: Game, method: Method, request: Request, copy: Clip) -> Unlearned:
    """Unlearn on the copy, and check what came back."""
    bench = game.bench
    device = bench.clip.device
    before_request = request_hash(request)
    whole, memory = Stopwatch(device), PeakMemory(device)
    # A method that draws from a global stream is made repeatable, and leaves the stream as it was.
    # The same for the gradient mode.
    seed = derive_seed(game.run.seed, game.run.dataset, *game.run.forget, "global")
    with global_streams(seed), torch.enable_grad(), memory, game.load, whole:
        returned = method.unlearn(copy, request)
    if not isinstance(returned, Clip):
        raise CellFailure(f"unlearn returned a {type(returned).__name__}; it must return the clip")
    if request_hash(request) != before_request:
        raise CellFailure("the method edited the request; copy what you change")
    if not bench.is_untouched():
        raise CellFailure("change the copy that unlearn is given")  # run_cell puts the original back
    with torch.no_grad():
        unlearned = bench.clip.with_state(returned.state())
    synthesis_seconds = game.made.seconds if game.made else 0.0
    method_seconds = max(0.0, whole.seconds - game.synthesis_watch.seconds)
    return Unlearned(
        clip=unlearned,
        record=game.run.key,
        request=before_request,
        synthesized=game.made is not None,
        cost=Cost(seconds={"method": method_seconds, "synthesis": synthesis_seconds}, peak_memory_bytes=memory.bytes),
    )


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
    parts = (found[metric.name] if metric.name in found else measure(metric) for metric in metrics)
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
        facts[WORKER_MEMORY] = held
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
