"""The referee: gives a method its copy and its data, times it, and measures the tensors that come back."""

import hashlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch

from unlearn_bench.benchmarks.audits import further_evidence
from unlearn_bench.benchmarks.data.base import Dataset
from unlearn_bench.benchmarks.embedding import embed_after, embed_inputs, embed_texts
from unlearn_bench.benchmarks.image_cache import PreparedImages
from unlearn_bench.benchmarks.measuring import PeakMemory, Stopwatch
from unlearn_bench.benchmarks.plan import DESCRIPTIONS, Cell
from unlearn_bench.benchmarks.preset import build_method
from unlearn_bench.benchmarks.provenance import Conditions, describe
from unlearn_bench.benchmarks.synthetic_cache import Made, synthetic_images
from unlearn_bench.benchmarks.workbench import Workbench
from unlearn_bench.clip import Clip, State, changed_names
from unlearn_bench.errors import CellFailure
from unlearn_bench.leaderboards.records import Record, Run, Status
from unlearn_bench.methods.base import Examples, Method, Request
from unlearn_bench.metrics.base import (
    Cost,
    DatasetEvidence,
    Embedded,
    Evidence,
    Measurement,
    Metric,
    SyntheticEvidence,
)
from unlearn_bench.registry import file_hash, load
from unlearn_bench.seeding import derive_seed, generator
from unlearn_bench.synthesis import SynthesisSettings, Synthetic


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A record, and what is kept in files beside it: the history, and a look at the synthetic images if any."""

    record: Record
    history: tuple[dict[str, float | str], ...]
    synthetic: Synthetic | None = None


@dataclass(kw_only=True)
class _Game:
    """One run under way: what the referee hands out, and what it notes."""

    cell: Cell
    bench: Workbench
    dataset: Dataset
    targets: tuple[int, ...]
    history: list[dict[str, float | str]] = field(default_factory=list)
    made: Made | None = None
    synthesis_watch: Stopwatch = field(default_factory=lambda: Stopwatch(torch.device("cpu")))

    @property
    def run(self) -> Run:
        return self.cell.run

    def report(self, step: int, **values: float | str) -> None:
        line = {"step": step, **values}
        try:
            json.dumps(line)  # here, where the method is to blame, not when the file is written
        except (TypeError, ValueError) as error:
            raise CellFailure(f"report was given more than numbers and texts ({error}); use float(..)") from error
        self.history.append(line)

    def generator(self, purpose: str) -> torch.Generator:
        return generator(self.run.seed, self.run.dataset, *self.run.forget, purpose)

    def synthesize(self) -> Synthetic:
        """The synthetic images of the forget set: copies, so that no method edits another one's."""
        with self.synthesis_watch:
            if self.made is None:
                self.made = synthetic_images(
                    self.bench.clip,
                    fingerprint=self.bench.fingerprint,
                    dataset=self.dataset.name,
                    texts=self.dataset.texts,
                    targets=self.targets,
                    settings=_synthesis_settings(self.run),
                    descriptions=self.cell.descriptions,
                    domains=self.dataset.label_domains,
                    seed=self.run.seed,
                )
            given = {name: value.clone() for name, value in vars(self.made.synthetic).items()}
        return Synthetic(**given)


def run_cell(
    cell: Cell,
    bench: Workbench,
    conditions: Conditions,
    *,
    keep: Callable[[Clip], None] | None = None,
) -> Outcome:
    """Carry out one cell; whatever the method does, this returns a record.

    `keep` is shown the unlearned model, already rebuilt from its tensors, when all went well.

    `skipped` when the method says why it does not apply; `failed` when it raises, runs out of memory, edits the
    request, or returns tensors that are not finite or do not fit the original architecture.
    """
    dataset = bench.evaluated[cell.run.dataset].dataset
    targets = dataset.labels(cell.run.forget)
    game = _Game(cell=cell, bench=bench, dataset=dataset, targets=targets)
    status: Status = "ok"
    reason = ""
    measurements: tuple[Measurement, ...] = ()
    try:
        method = _method(cell)
        request, copy = _request(game, method), bench.clip.copy()
        why_not = _why_skipped(method, copy, request)
        if why_not is not None:
            status, reason = "skipped", why_not
        else:
            unlearned, measurements = _play(game, method, request, copy)
            if keep is not None:
                keep(unlearned)
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
    synthetic = game.made.synthetic if game.made is not None else None
    return Outcome(record=record, history=tuple(game.history), synthetic=synthetic)


def _method(cell: Cell) -> Method:
    if file_hash(cell.method_target) != cell.run.method_file:
        raise CellFailure("the method's file was edited after the sweep was planned; run again")
    return build_method(cast(type[Method], load(cell.method_target)), cell.run.hyperparameters)


def _why_skipped(method: Method, copy: Clip, request: Request) -> str | None:
    answer: object = method.skip(copy, request)
    if answer is None or (isinstance(answer, str) and answer.strip()):
        return answer
    raise CellFailure(f"skip returned {answer!r}; give None or a reason")


def _play(game: _Game, method: Method, request: Request, copy: Clip) -> tuple[Clip, tuple[Measurement, ...]]:
    """Unlearn on the copy, check what came back, and measure it."""
    bench = game.bench
    device = bench.clip.device
    before_request = _request_hash(request)
    whole, memory = Stopwatch(device), PeakMemory(device)
    # A method that draws from torch's global stream is made repeatable, and leaves the stream as it was.
    # The same for the gradient mode.
    with torch.random.fork_rng(), torch.enable_grad(), memory, whole:
        torch.manual_seed(derive_seed(game.run.seed, game.run.dataset, *game.run.forget, "global"))
        returned = method.unlearn(copy, request)
    if not isinstance(returned, Clip):
        raise CellFailure(f"unlearn returned a {type(returned).__name__}; it must return the clip")
    if _request_hash(request) != before_request:
        raise CellFailure("the method edited the request; copy what you change")
    if not bench.is_untouched():
        raise CellFailure("change the copy that unlearn is given")  # run_cell puts the original back
    with torch.no_grad():
        unlearned = bench.clip.with_state(returned.state())
    synthesis_seconds = game.made.seconds if game.made else 0.0
    method_seconds = max(0.0, whole.seconds - game.synthesis_watch.seconds)
    evaluation = Stopwatch(device)
    with evaluation:
        evidence = _evidence(game, unlearned)
    seconds = {"method": method_seconds, "synthesis": synthesis_seconds, "evaluation": evaluation.seconds}
    return unlearned, _measure(game, unlearned, evidence, Cost(seconds=seconds, peak_memory_bytes=memory.bytes))


def _measure(game: _Game, unlearned: Clip, evidence: Evidence, cost: Cost) -> tuple[Measurement, ...]:
    """All metrics in their order; those that need further evidence go first, so that their time can be told."""
    metrics = [cast(type[Metric], load(target))() for target in game.cell.metric_targets]
    bench = game.bench

    def measure(metric: Metric) -> tuple[Measurement, ...]:
        seen = _classified(evidence, bench) if metric.needs_classes else evidence
        return metric.measure(seen) if seen is not None else ()

    auditing = [m for m in metrics if m.needs and not (m.needs_classes and _classified(evidence, bench) is None)]
    found: dict[str, tuple[Measurement, ...]] = {}
    if auditing:
        audit = Stopwatch(bench.clip.device)
        with audit:
            needs = {need for metric in auditing for need in metric.needs}
            further = further_evidence(needs, run=game.run, bench=bench, unlearned=unlearned)
            evidence = replace(evidence, **further)
            found = {metric.name: measure(metric) for metric in auditing}
        cost = replace(cost, seconds={**cost.seconds, "audit": audit.seconds})
    evidence = replace(evidence, cost=cost)
    parts = (found[metric.name] if metric.name in found else measure(metric) for metric in metrics)
    return tuple(item for part in parts for item in part)


def _request(game: _Game, method: Method) -> Request:
    """What the method's access allows, and nothing else."""
    texts, concepts = game.dataset.texts, game.bench.evaluated[game.dataset.name].concepts
    others = [label for label in range(len(concepts)) if label not in game.targets]
    order = {label: place for place, label in enumerate((*game.targets, *others))}
    sees_forget, sees_retain = method.access != "ZS", method.access == "not-ZS"
    train = game.bench.evaluated[game.dataset.name].train if sees_forget or sees_retain else None
    return Request(
        forget=tuple(concepts[label] for label in game.targets),
        retain=tuple(concepts[label] for label in others),
        forget_examples=_examples(train, game.targets, order, texts) if train and sees_forget else None,
        retain_examples=_examples(train, others, order, texts) if train and sees_retain else None,
        synthesize=game.synthesize,
        generator=game.generator,
        device=game.bench.clip.device,
        report=game.report,
    )


def _examples(
    images: PreparedImages, labels: list[int] | tuple[int, ...], order: dict[int, int], texts: tuple[str, ...]
) -> Examples:
    """Copies of the images with these labels, renumbered to the request's concepts, each with the first of its own
    captions where it has some, else with its class text."""
    rows = torch.isin(images.labels, torch.tensor(labels)).nonzero().flatten()
    chosen = images.labels[rows].tolist()
    return Examples(
        pixels=images.pixels[rows],
        labels=torch.tensor([order[label] for label in chosen], dtype=torch.int64),
        texts=tuple(images.captions[row][0] for row in rows.tolist())
        if images.captions
        else tuple(texts[label] for label in chosen),
        domains=tuple(images.domains[row] for row in rows.tolist()) if images.domains else (),
    )


def _request_hash(request: Request) -> str:
    digest = hashlib.sha256(repr((request.forget, request.retain)).encode())
    for examples in (request.forget_examples, request.retain_examples):
        if examples is not None:
            digest.update(examples.pixels.numpy().tobytes())
            digest.update(examples.labels.numpy().tobytes())
            digest.update(repr((examples.texts, examples.domains)).encode())
    return digest.hexdigest()


def _evidence(game: _Game, unlearned: Clip) -> Evidence:
    """Embed everything with the unlearned model, reusing what its changes can't have moved."""
    bench = game.bench
    original: State = bench.clip.state()
    changed = changed_names(original, unlearned.state())
    datasets = {}
    templates = {item.name: item.template for item in game.run.evaluation}
    for name, item in bench.evaluated.items():
        texts = item.dataset.texts_in(templates[name])
        after = embed_after(
            unlearned, item.images, texts, before=item.before, changed=changed, precision=game.run.precision
        )
        datasets[name] = DatasetEvidence(
            name=name,
            class_names=item.dataset.class_names,
            labels=item.images.labels,
            domains=item.images.domains,
            control=item.control,
            before=item.before_in(templates[name]),
            after=item.parted(after, item.images.labels),
            class_of=item.class_of,
            captions=item.captions_of(unlearned),
        )
    bias = bench.clip.logit_bias
    return Evidence(
        dataset=game.dataset.name,
        forget=game.targets,
        datasets=datasets,
        logit_scale=float(bench.clip.logit_scale),
        logit_bias=0.0 if bias is None else float(bias),
        synthetic=_synthetic_evidence(game, unlearned),
        original=original,
        unlearned=unlearned.state(),
        trainable=tuple(weight.name for weight in bench.clip.weights()),
        cost=Cost(seconds={}, peak_memory_bytes=0),
        seed=game.run.seed,
    )


def _classified(evidence: Evidence, bench: Workbench) -> Evidence | None:
    """The evidence of the datasets whose class texts part the pictures; None where the own one is not among them."""
    datasets = {name: item for name, item in evidence.datasets.items() if bench.evaluated[name].dataset.classified}
    return replace(evidence, datasets=datasets) if evidence.dataset in datasets else None


def _synthetic_evidence(game: _Game, unlearned: Clip) -> SyntheticEvidence | None:
    """Only where the method asked for synthetic images: nobody pays for what nobody used."""
    if game.made is None:
        return None
    templates = {item.name: item.template for item in game.run.evaluation}
    made, texts = game.made.synthetic, game.dataset.texts_in(templates[game.dataset.name])

    labels = torch.tensor(game.targets, dtype=torch.int64)[made.labels]

    def see(clip: Clip) -> Embedded:
        seen = Embedded(images=embed_inputs(clip, made.unit), texts=embed_texts(clip, texts))
        return game.bench.evaluated[game.dataset.name].parted(seen, labels)

    return SyntheticEvidence(labels=labels, before=see(game.bench.clip), after=see(unlearned))


def _provenance(game: _Game, conditions: Conditions) -> dict[str, Any]:
    bench = game.bench
    facts = describe(conditions)
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


def _synthesis_settings(run: Run) -> SynthesisSettings:
    """The settings that the run's synthetic images were made with."""
    return SynthesisSettings(**{key: value for key, value in run.synthesis.items() if key != DESCRIPTIONS})


def _describe_error(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    text = str(error).strip().split("\n", 1)[0] or "no message"
    return f"{type(error).__name__}: {text}{where}"
