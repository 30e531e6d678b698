"""Commands about one model or one dataset: finding settings, forgetting for good, looking at data."""

from pathlib import Path
from typing import Annotated

import typer

from unlearn_bench.benchmarks.calling import all_names, execute, split_names
from unlearn_bench.benchmarks.commands.options import (
    NAMES,
    PRESETS,
    Device,
    Presets,
    SkipBadImages,
    Template,
    Threads,
)


def tune(
    *,
    suite: Annotated[str, typer.Option(help="Whose tuning classes are used.")] = "mini",
    model: Annotated[
        str | None, typer.Option(help="Any model, as `run` takes it; the suite's first by default.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Replace the suite's datasets, as for `run`.")] = None,
    template: Template = "",
    classes: Annotated[
        list[str] | None,
        typer.Option(help=f"What `run` is going to forget; it is left out here. The suite's by default. {NAMES}"),
    ] = None,
    methods: Annotated[str | None, typer.Option(help="all, names, or path/to/file.py:Class; all by default.")] = None,
    synthesis: Annotated[
        bool,
        typer.Option(
            "--synthesis", help="Search the settings of synthetic images anew; without --methods only these."
        ),
    ] = False,
    trials: Annotated[int, typer.Option(help="The budget of each method.", min=1)] = 64,
    fresh: Annotated[bool, typer.Option("--fresh", help="Try anew what was tried before.")] = False,
    jobs: Annotated[int, typer.Option(help="Cells at a time; 0: one per core, or one per GPU.", min=0)] = 0,
    threads: Threads = 0,
    device: Device = "auto",
    presets: Annotated[Path | None, typer.Option(help=f"{PRESETS} Also written to.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write here in place of that.")] = None,
    skip_bad_images: SkipBadImages = False,
) -> None:
    """Find each method's hyperparameters with the same budget, on classes that no table reports, and before them the
    settings of the synthetic images where the model has none. Ends with the `run` that uses them.

    Example: unlearn-bench tune --model mini-rn --methods lip --trials 16 --out lip.toml
    """
    execute(
        "tune",
        suite=suite,
        model=model,
        data=split_names(data),
        template=template,
        classes=all_names(classes),
        methods=split_names(methods),
        synthesis=synthesis,
        trials=trials,
        jobs=jobs,
        threads=threads,
        device=device,
        presets=presets,
        out=out,
        fresh=fresh,
        skip_bad=skip_bad_images,
    )


def forget(
    *,
    model: Annotated[str, typer.Option(help="The model: mini-rn, RN50:openai, local-dir:DIR, hf:owner/name, ..")],
    out: Annotated[Path, typer.Option(help="A new folder for the unlearned model.")],
    classes: Annotated[
        list[str] | None, typer.Option(help=f"What to forget: class, or dataset/class. {NAMES}")
    ] = None,
    concepts: Annotated[
        list[str] | None, typer.Option(help=f"What to forget in words alone, without a dataset. {NAMES}")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Of --concepts: a file of names to keep, one a line; ImageNet's classes by default."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="One method; best: of those with settings for this model, by their tuning classes.")
    ] = "best",
    start: Annotated[
        Path | None, typer.Option("--from", help="Go on from these weights: a folder that `forget` wrote, or a file.")
    ] = None,
    format_: Annotated[
        str,
        typer.Option("--format", help="open_clip, transformers, diffusers (its text encoder); else its own."),
    ] = "",
    push: Annotated[str | None, typer.Option(help="owner/name on the Hugging Face hub, to upload it to.")] = None,
    suite: Annotated[str, typer.Option(help="Whose datasets say what else there is, and measure.")] = "mini",
    data: Annotated[
        str | None, typer.Option(help="Replace the suite's datasets; with --concepts only to measure on.")
    ] = None,
    template: Template = "",
    presets: Presets = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that a method may take; 0: without end. An hour by default.", min=0),
    ] = None,
    threads: Threads = 0,
    device: Device = "auto",
    skip_bad_images: SkipBadImages = False,
) -> None:
    """Unlearn classes or concepts from a model, say what that cost the others, and write the weights with a card of
    what was done: a folder that open_clip loads as local-dir:DIR, transformers by from_pretrained, or the state as
    safetensors. With --from, what was forgotten before is asked for again, and measured.

    Example: unlearn-bench forget --model mini-rn --classes "digit zero" --out forgotten
    """
    execute(
        "forget",
        model=model,
        start=start,
        classes=classes or [],
        concepts=concepts or [],
        keep=keep,
        fmt=format_,
        push_to=push,
        out=out,
        method=method,
        suite=suite,
        data=split_names(data),
        template=template,
        presets=presets,
        seed=seed,
        timeout=timeout,
        threads=threads,
        device=device,
        skip_bad=skip_bad_images,
    )


def inspect(
    data: Annotated[list[str], typer.Argument(help="Datasets, as `run --data` takes them: folder:/path, hf:.., ..")],
    *,
    model: Annotated[
        str | None, typer.Option(help="Also say which class names are cut or one text to this model.")
    ] = None,
    template: Template = "",
    read: Annotated[
        bool, typer.Option("--read", help="Also read every picture to its end, and name those that can't be.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write every class and every file left out here, in Markdown.")
    ] = None,
) -> None:
    """Say how a dataset is understood: layout, splits, classes with their images, domains, what is left out and why.
    Exit code 1 if classes can't be told apart or pictures can't be read.

    Example: unlearn-bench inspect folder:pictures --model mini-rn
    """
    execute("inspect", data=data, model=model, template=template, read=read, out=out)
