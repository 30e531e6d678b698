"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated

import typer

PRESETS = "Settings: a file that `tune` wrote, or a folder; else those beside the model or suite, or the package's."

NAMES = "Commas between; a name with commas in double quotes, or give the option once for each."
"""How several names are given, one of which may have commas in it."""

Presets = Annotated[Path | None, typer.Option(help=PRESETS)]
Template = Annotated[
    str, typer.Option(help="The sentence around a class name, with {} for it; each dataset's own by default.")
]
Model = Annotated[
    str | None, typer.Option(help="mini-rn, RN50:openai, NAME:FILE, local-dir:DIR, file.py:build; commas between.")
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Replace the suite's datasets: names, folder:/path, domains:/path, captions:/path, hf:owner/name, "
        "file.py:make; commas between."
    ),
]

Datasets = Annotated[str | None, typer.Option(help="Forget classes of these datasets only; all stay evaluated.")]
Metrics = Annotated[
    str | None,
    typer.Option(help="all, standard-attack, and names of those that all leaves out; the suite's by default."),
]
SkipBadImages = Annotated[
    bool, typer.Option("--skip-bad-images", help="Leave unreadable images out, and count them.")
]
Precision = Annotated[
    str | None, typer.Option(help="Of the encoding of test images: fp32, bf16, fp16; the suite's by default.")
]

Jobs = Annotated[
    int,
    typer.Option(
        help="Cells at a time; 0: one per core, one per GPU, or one per worker of a scheduler.", min=0, max=10_000
    ),
]
Backend = Annotated[str, typer.Option(help="loky: processes of this machine. dask: workers of a cluster.")]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Of dask: tcp://host:port, or the scheduler's file; a cluster on this machine by default."),
]
Wait = Annotated[float, typer.Option(help="Seconds to wait for a scheduler's workers where it has none.", min=0)]
Threads = Annotated[
    int,
    typer.Option(
        help="Of each worker; 0: OMP_NUM_THREADS, else the cores by the workers. Last digits depend on it.",
        min=0,
        max=10_000,
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]

Tune = Annotated[
    int | None, typer.Option(help="First give every method so many trials on this model and data.", min=1)
]
Curve = Annotated[
    bool, typer.Option("--curve", help="Also run each method at up to five settings of its trials' front.")
]

OnlyMethods = Annotated[str | None, typer.Option("--methods", help="Only these methods or variants; commas between.")]
OnlyDatasets = Annotated[str | None, typer.Option("--datasets", help="Only what is forgotten from these datasets.")]
OnlyClasses = Annotated[
    str | None, typer.Option("--classes", help="Only these forget sets: class, dataset/class, a+b; commas between.")
]
OnlyModels = Annotated[str | None, typer.Option("--model", help="Only these models; commas between.")]

Timeout = Annotated[
    float | None,
    typer.Option(
        help="Seconds that a method may take, then its cell has failed; 0: without end. An hour by default, or 20 "
        "times what its other cells took.",
        min=0,
    ),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Keep unlearned weights, so that more metrics cost no second unlearning.")
]
Classes = Annotated[
    str | None,
    typer.Option(help="Forget these: class, dataset/class, a+b at once; dog@sketch, *@sketch where domains are."),
]

Quick = Annotated[
    bool, typer.Option("--quick", help="A first look: one class of each dataset, few test images, no audits.")
]
AllSettings = Annotated[
    bool, typer.Option("--all-settings", help="Full tables of every setting, not of the fullest of each model.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
SynthesisToo = Annotated[
    bool,
    typer.Option("--synthesis", help="Search the settings of synthetic images anew; without --methods only these."),
]
ToldOnly = Annotated[
    str | None,
    typer.Option(help="Methods that may drift after forgetting: their loops amplify rounding."),
]
Forget = Annotated[
    str | None,
    typer.Option(help="Forget these: class, dataset/class, a+b at once; dog@sketch, *@sketch where domains are."),
]
From = Annotated[
    Path | None, typer.Option("--from", help="Go on from these weights: a folder that `forget` wrote, or a file.")
]
OneMethod = Annotated[
    str, typer.Option(help="One method; best: of those with settings for this model, by their tuning classes.")
]
Status = Annotated[str | None, typer.Option(help="Only what ended so: ok, skipped, failed; commas between.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove them; else they are only shown, or you are asked.")]
Decode = Annotated[
    bool, typer.Option("--decode", help="Then decode and resize the images too, as the first run would.")
]
Methods = Annotated[str | None, typer.Option(help="all, or names; path/to/file.py:Class for a method of your own.")]
SuiteToPrepare = Annotated[
    str | None, typer.Option(help="A suite's name or .toml file; `paper` if neither model nor data is named.")
]
TunedModel = Annotated[str | None, typer.Option(help="Any model, as `run` takes it; the suite's first by default.")]
NotTuned = Annotated[
    str | None, typer.Option(help="What `run` is going to forget; it is left out here. The suite's by default.")
]
