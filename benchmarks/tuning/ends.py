"""The command that shows whether the declared ranges bracket: too little at one end, too much at the other.

    python -m unlearn_bench.benchmarks.tuning.ends --model mini-rn --methods lip,salun

runs each method on one tuning class, on validation images: with all parameters of strength at their weak ends, then
at their strong ends, and each parameter by itself at both ends, the others in the middle. A search that starts from
ranges which don't bracket can't find what lies outside. Nothing is written.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
import typer

from unlearn_bench.benchmarks.presets.preset import build_method, presets_for, resolved
from unlearn_bench.benchmarks.referee.conditions import Conditions, choose_device, conditions_for
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import settings_for
from unlearn_bench.benchmarks.sweep.players import Choice, LoadedMethod, chosen_methods, load_method
from unlearn_bench.benchmarks.tuning.search import Budget, tuning_cell
from unlearn_bench.benchmarks.tuning.settings import validation
from unlearn_bench.benchmarks.tuning.space import space_of, weight_size
from unlearn_bench.benchmarks.tuning.trial import tried
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.methods.base import Range, search_space
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.synthesis.settings import SynthesisSettings

app = typer.Typer(add_completion=False)

MORE = frozenset(
    {
        "learning_rate", "epochs", "image_share", "text_share", "sigma_scale", "sigma", "forget_weight",
        "coefficient", "strength", "saliency",
    }
)  # fmt: skip
"""Parameters of strength: the greater, the more is forgotten and lost."""

LESS = frozenset({"stop_accuracy", "retain_weight", "consistency_weight", "threshold", "dampening"})
"""Parameters of strength the other way round: the smaller, the more is forgotten and lost."""

TOO_LITTLE, FORGOTTEN, KEPT, WRECKED = 0.1, 0.5, 0.8, 0.2
"""Forgetting below which a setting does too little. Too much: forgetting over the second with retention below the
third, or retention below the last, whatever is forgotten (one class is left for all images, perhaps that one)."""

_NOTICED = 0.02


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One setting and what came of it.

    Attributes:
        name: `weak`, `strong`, `middle`, or a parameter with its value.
        forgetting: 1 - AF/BF of the class. retention: mean of AF/BF, at most 1, of the other classes and datasets.
        reason: why there are no numbers (both nan); empty where there are.
    """

    method: str
    name: str
    values: Mapping[str, Any]
    forgetting: float
    retention: float
    seconds: float = 0.0
    reason: str = ""


def ends(where: Range) -> tuple[float, float]:
    """The least and the greatest value."""
    return (min(where.choices), max(where.choices)) if where.choices else (where.low, where.high)


def middle(where: Range, default: float) -> float:
    """The default, or the middle of the range where the default is in the outer fifth on either side.

    Of a range that is searched by logarithm, all this by logarithm.
    """
    if where.choices:
        return default
    scale, back = (math.log, math.exp) if where.log else (float, float)
    low, high = scale(where.low), scale(where.high)
    if low + (high - low) / 5 <= scale(default) <= high - (high - low) / 5:
        return default
    found = back((low + high) / 2)
    return round(found) if isinstance(where.low, int) and isinstance(where.high, int) else found


def settings(
    space: Mapping[str, Range], defaults: Mapping[str, Any], *, each: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and hyperparameters of what is tried: weak, strong, and with `each` the parameters by themselves."""
    low = {name: ends(where)[0] for name, where in space.items()}
    high = {name: ends(where)[1] for name, where in space.items()}
    weak = {**{n: low[n] for n in space if n in MORE}, **{n: high[n] for n in space if n in LESS}}
    strong = {**{n: high[n] for n in space if n in MORE}, **{n: low[n] for n in space if n in LESS}}
    rest = {name: defaults[name] for name in space if name not in weak}
    if weak:
        yield "weak", {**rest, **weak}
        yield "strong", {**rest, **strong}
    between = {name: middle(where, defaults[name]) for name, where in space.items()}
    if each:
        yield "middle", between
        for name in space:
            for value in (low[name], high[name]):
                yield f"{name} {value:.3g}", {**between, name: value}


def try_settings(
    suite: Suite,
    method: LoadedMethod,
    bench: Workbench,
    *,
    dataset: str,
    forget: tuple[str, ...],
    synthesis: SynthesisSettings,
    conditions: Conditions,
    each: bool = True,
) -> Iterator[Tried]:
    """Run the method with the settings of `settings`, one after another."""
    space = space_of(method.kind, bench.clip).ranges
    task = (dataset, forget)
    budget = Budget(trials=1, tasks=(task,), synthesis=synthesis, suite=suite)
    for name, values in settings(space, resolved(build_method(method.kind, {})), each=each):
        cell = tuning_cell(method, values, task, bench, budget)
        yield _tried(run_cell(cell, bench, conditions).record, name, values)


def _tried(record: Record, name: str, values: Mapping[str, Any]) -> Tried:
    found = tried(values, [record])
    seconds = record.find("seconds", group="method")
    return Tried(
        method=record.run.method,
        name=name,
        values=values,
        forgetting=math.nan if found.reason else found.forgetting,
        retention=math.nan if found.reason else found.retention,
        seconds=seconds.after if seconds is not None and seconds.after is not None else math.nan,
        reason=found.reason,
    )


def verdicts(found: Sequence[Tried]) -> list[str]:
    """What does not bracket in the trials of one method, in words; empty where all is well."""
    said = []
    by_name = {item.name: item for item in found}
    weak, strong = by_name.get("weak"), by_name.get("strong")
    if weak is None or strong is None:
        said.append("no parameter of strength is known")
    else:
        if weak.reason:
            said.append(f"the weak end has no numbers ({weak.reason})")
        elif weak.forgetting >= TOO_LITTLE:
            said.append(f"the weak end forgets {weak.forgetting:.2f} already")
        elif weak.retention < KEPT:
            said.append(f"the weak end keeps {weak.retention:.2f} only")
        if strong.reason or strong.retention < WRECKED:
            pass  # weights that overflow are too much
        elif strong.forgetting <= FORGOTTEN:
            said.append(f"the strong end forgets {strong.forgetting:.2f} only")
        elif strong.retention >= KEPT:
            said.append(f"the strong end forgets and still keeps {strong.retention:.2f}: it can't damage")
    first = next((place for place, item in enumerate(found) if item.name == "middle"), len(found)) + 1
    for low, high in zip(found[first::2], found[first + 1 :: 2], strict=True):
        differences = (abs(low.forgetting - high.forgetting), abs(low.retention - high.retention))
        if max(differences) < _NOTICED:
            said.append(f"{low.name.partition(' ')[0]} makes no difference in the middle of the others")
    return said


def _class_of(suite: Suite, bench: Workbench, given: str) -> tuple[str, tuple[str, ...]]:
    """The dataset and class that are asked for, or the first tuning class of the first dataset that has one."""
    datasets = {name: item.dataset for name, item in bench.evaluated.items() if not item.control}
    if given:
        name, _, wanted = given.partition("/")
        if name not in datasets or not wanted:
            raise InputError(f"the class is {given!r}; give DATASET/CLASS, the dataset one of {', '.join(datasets)}")
        return name, datasets[name].canonical((wanted,))
    for name, dataset in datasets.items():
        classes = suite.tuning.get(name) or tuple(dataset.tuning_classes)
        if classes:
            return name, dataset.canonical(classes[:1])
    raise InputError("no dataset of the suite has tuning classes; give --class DATASET/CLASS")


def line(item: Tried) -> str:
    """A row of the table."""
    numbers = f"{item.forgetting:10.2f} {item.retention:9.2f} {item.seconds:7.1f}"
    return f"{item.method:22} {item.name:28} {numbers}  {item.reason[:60]}".rstrip()


def show(
    *, model: str | None, methods: Sequence[str], suite: str, forget: str, device: str, threads: int, each: bool
) -> int:
    """Try every method and write the table line by line; 1 if some range does not bracket."""
    chosen = load_suite(suite)
    names = chosen_methods(chosen, Choice(methods=methods or ["all"]))
    loaded = [load_method(name) for name in names if name not in chosen.variants]
    conditions = conditions_for(choose_device(device), 1, threads)
    torch.set_num_threads(conditions.threads)
    choice = Choice(models=[model]) if model else Choice()
    setting = settings_for(chosen, choice, device=conditions.device, skip_bad=False)[0]
    bench = open_workbench(replace(validation(setting), per_class=0))
    dataset, names_to_forget = _class_of(chosen, bench, forget)
    synthesis = presets_for(bench.setting.model, suite=chosen.file).synthesis()
    typer.echo(
        f"{bench.setting.model}, {dataset}/{'+'.join(names_to_forget)}, "
        f"root mean square of the weights {weight_size(bench.clip):.4f}"
    )
    typer.echo(f"{'method':22} {'setting':28} {'forgetting':>10} {'retention':>9} {'seconds':>7}")
    found: dict[str, list[str]] = {}
    for method in loaded:
        if not search_space(method.kind):
            continue
        rows = []
        for item in try_settings(
            chosen,
            method,
            bench,
            dataset=dataset,
            forget=names_to_forget,
            synthesis=synthesis,
            conditions=conditions,
            each=each,
        ):
            rows.append(item)
            typer.echo(line(item))
        found[method.kind.name] = verdicts(rows)
    for name, said in found.items():
        typer.echo(f"{name}: {'; '.join(said) or 'brackets'}")
    return int(any(found.values()))


@app.command()
@mistakes_in_a_line
def main(
    *,
    model: Annotated[str | None, typer.Option(help="Model; the suite's first one without.")] = None,
    methods: Annotated[str, typer.Option(help="Names, separated by commas; all without.")] = "",
    suite: Annotated[str, typer.Option(help="Suite, by name or file.")] = "mini",
    forget: Annotated[str, typer.Option("--class", help="DATASET/CLASS; the first tuning class without.")] = "",
    device: Annotated[str, typer.Option(help="Where models run.")] = "auto",
    threads: Annotated[int, typer.Option(help="Threads; 0: as many as there are cores.")] = 0,
    each: Annotated[bool, typer.Option(help="Every parameter by itself, too.")] = True,
) -> None:
    """Show what the methods do at the ends of their ranges; exit code 1 where some don't bracket.

    Example: python -m unlearn_bench.benchmarks.tuning.ends --model mini-rn --methods lip,salun
    """
    wanted = [name.strip() for name in methods.split(",") if name.strip()]
    code = show(model=model, methods=wanted, suite=suite, forget=forget, device=device, threads=threads, each=each)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
