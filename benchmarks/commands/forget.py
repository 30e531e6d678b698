"""`unlearn-bench forget`: unlearn classes from one model and write it out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import typer

from unlearn_bench.benchmarks.commands.dry_run import with_data
from unlearn_bench.benchmarks.forgetting.earlier import Share, earlier_requests, read_card, set_aside, still_forgotten
from unlearn_bench.benchmarks.forgetting.written import check_out, write_out
from unlearn_bench.benchmarks.inspection.report import examine
from unlearn_bench.benchmarks.presets.preset import Presets, presets_for
from unlearn_bench.benchmarks.referee.conditions import Conditions, choose_device, conditions_for
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import SEEDS, Suite, load_suite
from unlearn_bench.benchmarks.sweep.patience import LEAST_S, Patience
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, load_method
from unlearn_bench.benchmarks.sweep.tasks import find_classes
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.models.exchange.pushing import check_push, push
from unlearn_bench.models.exchange.writing import check_convertible, check_format, reaches_encoder
from unlearn_bench.registry import catalogue
from unlearn_bench.shown import visible

BEST = "best"
"""In place of a method's name: the best of those with settings for this model that applies."""

_METRICS = ("accuracy", "average-score")
"""What the card says."""

NOT_MEASURED = (
    "whether the class comes back after training on a few images, or in other words for it: `run` with the audits",
    "anything else that the model can do than telling these datasets' classes",
)
"""What the card says that it does not say."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method that may be used, and why: its score on the tuning classes, among how many."""

    method: str
    score: float | None = None
    among: int = 0

    def __str__(self) -> str:
        if self.score is not None:
            return (
                f"{self.method}: best of {self.among} with settings for this model that applies "
                f"(Avg. Score {self.score:.3f} on tuning classes)"
            )
        return f"{self.method}: published settings for this model" if self.among else self.method


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where the model goes, and in what form.

    Attributes:
        out: a new folder. fmt: a format, or empty for the model's own. push: a repository of the hub.
    """

    out: Path
    fmt: str = ""
    push: str | None = None

    def check(self) -> None:
        """Refuse what could not be written or pushed, before a model is opened."""
        check_out(self.out)
        check_format(self.fmt)
        if self.push is not None:
            check_push(self.push)

    def write(self, bench: Workbench, clip: Clip, card: Mapping[str, Any], *, spec: str) -> int:
        """Write it, and push it if asked to; 1 if nothing of what was done would be in it."""
        changed = changed_names(bench.pristine, clip.state())
        if self.fmt == "diffusers" and not reaches_encoder(clip, changed):
            typer.echo(
                "failed: the method changed only what comes after the text encoder of a diffusion pipeline, which "
                "would draw as before; nothing is written: give another --method",
                err=True,
            )
            return 1
        how = write_out(clip, self.out, card, spec=spec, fmt=self.fmt)
        typer.echo(f"wrote {visible(str(self.out))}; load it with {visible(how)}")
        if self.push is not None:
            typer.echo(f"pushed to {push(self.out, self.push)}")
        return 0


def execute(
    *,
    model: str,
    start: Path | None,
    classes: Sequence[str],
    out: Path,
    method: str,
    suite: str,
    data: Sequence[str] | None,
    template: str,
    presets: Path | None,
    seed: int,
    threads: int,
    device: str,
    skip_bad: bool = False,
    concepts: Sequence[str] = (),
    keep: Path | None = None,
    fmt: str = "",
    push_to: str | None = None,
    timeout: float | None = None,
) -> int:
    """Unlearn, measure before and after, and write the folder; 1 if the method failed or does not apply."""
    if bool(classes) == bool(concepts) or (keep is not None and not concepts):
        raise InputError(
            "say what to forget: --classes of a dataset, or --concepts in words, for which --keep names a file of "
            "what shall stay"
        )
    if seed not in SEEDS:
        raise InputError(f"seed {seed} has too many digits; give one of at most 63 bits, for example --seed 0")
    output = Output(out=out, fmt=fmt, push=push_to)
    output.check()
    chosen = with_data(load_suite(suite), data if classes else data or ())
    known = presets_for(model, given=presets, suite=chosen.file)
    if classes or method != BEST:
        load_method(candidates_for(method, known, model)[0].method)
    choice = Choice(
        models=[model], seeds=[seed], metrics=_METRICS, presets=presets, template=template, classes=classes or None
    )
    conditions = conditions_for(choose_device(device), 1, threads)
    torch.set_num_threads(conditions.threads)
    (setting,) = settings_for(chosen, choice, device=conditions.device, skip_bad=skip_bad)
    open_workbench.cache_clear()  # a request takes classes of earlier ones out of its datasets
    bench = open_workbench(replace(setting, weights=None if start is None else str(start)))
    check_convertible(bench.clip, fmt)
    examine([item.dataset for item in bench.evaluated.values()], bench.clip)
    if classes:
        wanted = _Classes(
            suite=chosen, choice=choice, conditions=conditions, method=method, start=start, timeout=timeout
        )
        return _forget_classes(wanted, bench, known, output)
    from unlearn_bench.benchmarks.commands.forget_words import WordOrder, forget_words  # noqa: PLC0415  (it needs this)

    seconds = LEAST_S if timeout is None else timeout
    order = WordOrder(
        model=model, start=start, concepts=concepts, keep=keep, method=method, seed=seed, timeout_s=seconds
    )
    return forget_words(order, bench, known, template=template, output=output)


@dataclass(frozen=True, kw_only=True)
class _Classes:
    """A request for classes of a dataset."""

    suite: Suite
    choice: Choice
    conditions: Conditions
    method: str
    start: Path | None
    timeout: float | None


def _forget_classes(wanted: _Classes, bench: Workbench, known: Presets, output: Output) -> int:
    """Unlearn them with the first of the candidates that applies."""
    dataset, names = chosen_task(bench, wanted.choice.classes or ())
    earlier = earlier_requests(wanted.start)
    whole = set_aside(bench, names, earlier)
    for candidate in candidates_for(wanted.method, known, bench.setting.model):
        task = replace(wanted.choice, methods=[candidate.method], tasks=[(dataset, names)])
        (cell,) = cells_for(wanted.suite, task, bench)
        if wanted.method == BEST:
            typer.echo(f"method {candidate}", err=True)
        kept: list[Clip] = []
        seconds = Patience(given=wanted.timeout).of(cell)
        record = run_cell(cell, bench, wanted.conditions, keep=kept.append, timeout_s=seconds).record
        if record.status == "ok":
            shares = still_forgotten(bench, whole, kept[0], earlier)
            for line in (*costs(record), *map(str, shares)):
                typer.echo(visible(line))
            told = card(record, start=wanted.start, shares=shares)
            return output.write(bench, kept[0], told, spec=bench.setting.model)
        typer.echo(f"{record.status}: {visible(record.reason)}", err=True)
        if record.status == "failed":
            break
    return 1


def candidates_for(method: str, known: Presets, model: str) -> tuple[Candidate, ...]:
    """The method that was named, or all with settings for the model, the best first.

    Raises:
        InputError: none was named, and none has settings.
    """
    candidates = ranked(known) if method == BEST else (Candidate(method=method),)
    if not candidates:
        raise InputError(
            f"no method has settings for {model!r}; find some with `unlearn-bench tune --model {model}`, or name one "
            "with --method"
        )
    return candidates


def ranked(known: Presets) -> tuple[Candidate, ...]:
    """The competitors with settings for a model, the best on the tuning classes first.

    Those of which no setting forgot with less harm than good come after all that did; last those with published
    settings, which nobody has compared.
    """
    methods = catalogue("methods")
    competitors = [
        name for name in known.methods if name in methods and methods[name].facts.get("kind", "method") == "method"
    ]
    found = [(name, known.of(name).provenance) for name in competitors]
    scored = sorted(
        (facts.get("found") is False, float(facts["score"]), name) for name, facts in found if "score" in facts
    )
    tuned = [Candidate(method=name, score=score, among=len(found)) for _, score, name in scored]
    rest = [Candidate(method=name, among=len(found)) for name, facts in found if "score" not in facts]
    return (*tuned, *rest)


def costs(record: Record) -> Iterator[str]:
    """Accuracy before and after: of what was forgotten, of its dataset's other classes, of each other dataset."""
    said = {"target": f"target {' + '.join(record.run.forget)}", "other": "other classes of {}", "all": "{}"}
    said["control"] = "{} (control)"
    for group, words in said.items():
        for item in record.matching("accuracy"):
            if item.group == group and item.before is not None and item.after is not None:
                name = words.format(item.dataset)
                yield f"{name}: accuracy {item.before:.3f} before, {item.after:.3f} after ({item.n} images)"
    score = record.find("average-score")
    if score is not None and score.after is not None and score.n:
        yield f"Avg. Score {score.after:.3f} (doing nothing {1 / score.n:.3f}; lower is better)"


def chosen_task(bench: Workbench, classes: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The one dataset and the classes in it that are forgotten together, as records name them."""
    datasets = {name: item.dataset for name, item in bench.evaluated.items() if not item.control}
    found = find_classes(classes, datasets)
    owners = sorted({dataset for dataset, _ in found})
    if len(owners) != 1:
        raise InputError(
            f"the classes are of {len(owners)} datasets ({', '.join(owners)}); forget those of one dataset at a time"
        )
    names = tuple(name for _, names in found for name in names)
    return owners[0], datasets[owners[0]].canonical(names)


def card(record: Record, *, start: Path | None = None, shares: Sequence[Share] = ()) -> dict[str, Any]:
    """What was done to the model, for the folder: what, how, and the numbers before and after.

    Args:
        start: the weights it began with. shares: accuracies on what was forgotten before.
    """
    measured = [
        {
            "metric": item.metric,
            "dataset": item.dataset,
            "group": item.group,
            "before": item.before,
            "after": item.after,
            "n": item.n,
        }
        for item in record.measurements
    ]
    return {
        "what": {"dataset": record.run.dataset, "forgotten": list(record.run.forget)},
        **told_before(start),
        "how": {
            "model": record.run.model,
            "fingerprint": record.run.fingerprint,
            "method": record.run.method,
            "hyperparameters": json.loads(json.dumps(record.run.hyperparameters, default=list)),
            "preset": record.preset.get("source"),
            "seed": record.run.seed,
        },
        "measured": measured + [row(share, "forgotten before") for share in shares],
        "not_measured": list(NOT_MEASURED),
        "provenance": dict(record.provenance),
    }


def row(share: Share, group: str) -> dict[str, Any]:
    """A share as the card has it."""
    where = share.dataset if share.name == share.dataset else f"{share.dataset}/{share.name}"
    return {
        "metric": "accuracy",
        "dataset": where,
        "group": group,
        "before": share.before,
        "after": share.after,
        "n": share.n,
    }


def told_before(start: Path | None) -> dict[str, Any]:
    """What the card of the model from which this one was made says of it, and of those before."""
    if start is None:
        return {}
    told = read_card(start)
    return {"from": {"weights": start.name, **{key: told[key] for key in ("what", "from", "how") if key in told}}}
