"""`unlearn-bench forget --concepts`: words alone, a method that needs no images, evidence from the model itself."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from unlearn_bench.benchmarks.commands.forget import (
    BEST,
    Candidate,
    Output,
    ranked,
    row,
    told_before,
)
from unlearn_bench.benchmarks.forgetting.earlier import Share, earlier_requests, share
from unlearn_bench.benchmarks.forgetting.words import Found, Words, measured, read_keep, unlearn_words
from unlearn_bench.benchmarks.inspection.report import examine
from unlearn_bench.benchmarks.inspection.texts import read_texts
from unlearn_bench.benchmarks.presets.preset import Preset, Presets, build_method, resolved
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.sweep.tasks import quoted_names
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure, InputError
from unlearn_bench.methods.base import Method
from unlearn_bench.models.names import shown_name
from unlearn_bench.models.sources import open_model
from unlearn_bench.registry import catalogue
from unlearn_bench.shown import visible

USUAL = ("text-null-space", "text-space-adaptation")
"""What forgets where no method has settings for a model: both read texts alone and need no search. The second where
the first does not apply, as in SigLIP, whose image tower ends in no matrix."""


@dataclass(frozen=True, kw_only=True)
class WordOrder:
    """What was asked for: concepts as they were typed, the file of those to keep, and how long it may take."""

    model: str
    start: Path | None
    concepts: Sequence[str]
    keep: Path | None
    method: str
    seed: int
    timeout_s: float


def forget_words(order: WordOrder, bench: Workbench, known: Presets, *, template: str, output: Output) -> int:
    """Unlearn the concepts and those of earlier requests, measure, and write the folder; 1 if no method could."""
    candidates = _candidates(order.method, known)
    new = [name for text in order.concepts for name in quoted_names(text)]
    earlier = [name for request in earlier_requests(order.start) for name in request.names]
    words = Words(new, read_keep(order.keep), before=earlier, template=template)
    words = words.without_twins(read_texts(bench.clip, words).equal)
    for warning in examine([words], bench.clip)[0].warnings():
        typer.echo(f"warning: {visible(warning)}", err=True)
    aside = f"; forgotten before, and neither: {', '.join(words.before)}" if words.before else ""
    typer.echo(f"to forget: {len(words.forget)}; to keep: {len(words.keep)} names{aside}", err=True)
    for candidate in candidates:
        if order.method == BEST:
            typer.echo(f"method {candidate}", err=True)
        preset, found = known.of(candidate.method), load_method(candidate.method)
        method = build_method(found.kind, preset.hyperparameters)
        try:
            made = unlearn_words(
                bench,
                words,
                found.target,
                preset.hyperparameters,
                settings=known.synthesis({}),
                seed=order.seed,
                timeout_s=order.timeout_s,
            )
        except CellFailure as error:
            typer.echo(f"failed: {visible(str(error))}", err=True)
            return 1
        if isinstance(made, Clip):
            return _write(order, bench, known, words, made, method=method, preset=preset, output=output)
        typer.echo(f"skipped: {visible(made)}", err=True)
    return 1


def _write(
    order: WordOrder,
    bench: Workbench,
    known: Presets,
    words: Words,
    made: Clip,
    *,
    method: Method,
    preset: Preset,
    output: Output,
) -> int:
    """Measure what was made, say it, and write it with its card."""
    settings = known.synthesis({})
    original = bench.clip if order.start is None else open_model(order.model).to(bench.clip.device)
    told = list(measured(original, bench.clip, made, words, settings=settings, seed=order.seed))
    found = [item for item in told if isinstance(item, Found)]
    shares = _on_data(bench, made, words)
    for line in (*map(str, found), *map(_in_words, shares)):
        typer.echo(line)
    lacking = [item for item in told if isinstance(item, str)]
    lacking += [] if bench.evaluated else ["real images: none were given (--data)"]
    lacking += ["relearning, other words for the concepts, and whatever else the model can do"]
    for line in lacking:
        typer.echo(f"not measured: {line}")
    card: dict[str, Any] = {
        "what": {"dataset": "", "forgotten": list(words.forget)},
        **told_before(order.start),
        "how": {
            "model": shown_name(order.model, bench.clip.name),
            "fingerprint": bench.fingerprint,
            "method": method.name,
            "hyperparameters": json.loads(json.dumps(resolved(method), default=list)),
            "preset": preset.provenance.get("source"),
            "seed": order.seed,
            "template": words.template,
            "kept": len(words.keep),
        },
        "measured": [*map(asdict, found), *(row(item, _group(item, words)) for item in shares)],
        "not_measured": lacking,
    }
    return output.write(bench, made, card, spec=order.model)


def _candidates(method: str, known: Presets) -> tuple[Candidate, ...]:
    """The method that was named, else those with settings for the model, the best first; none that needs images.

    Raises:
        InputError: the method that was named needs images.
    """
    if method != BEST:
        if load_method(method).kind.access != "ZS":
            blind = sorted(name for name, entry in catalogue("methods").items() if entry.facts.get("access") == "ZS")
            raise InputError(
                f"method {method!r} needs images, and --concepts gives none; those that don't: {', '.join(blind)}; "
                "or give --classes and --data"
            )
        return (Candidate(method=method),)
    found = tuple(item for item in ranked(known) if load_method(item.method).kind.access == "ZS")
    return found or tuple(Candidate(method=name) for name in USUAL)


def _on_data(bench: Workbench, made: Clip, words: Words) -> list[Share]:
    """Accuracy on each dataset that was given, and on those of its classes that are called as a concept."""
    wanted = {name.casefold() for name in (*words.forget, *words.before)}
    found: list[Share | None] = []
    for item in bench.evaluated.values():
        own = [name for name in item.dataset.choices if name.casefold() in wanted]
        found += [share(bench, item, made, name) for name in ("", *own)]
    return [item for item in found if item is not None]


def _group(item: Share, words: Words) -> str:
    for group, names in (("forgotten", words.forget), ("forgotten before", words.before)):
        if item.name.casefold() in {name.casefold() for name in names}:
            return group
    return "all"


def _in_words(item: Share) -> str:
    where = item.dataset if item.name == item.dataset else f"{item.dataset}, {item.name}"
    return f"{where}: accuracy {item.before:.3f} before, {item.after:.3f} after ({item.n} images)"
