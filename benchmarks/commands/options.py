"""Options that several commands share, each said once."""

from pathlib import Path
from typing import Annotated

import typer

PRESETS = "Settings: a file that `tune` wrote, or a folder; else those beside the model or suite, or the package's."

Presets = Annotated[Path | None, typer.Option(help=PRESETS)]
Template = Annotated[
    str, typer.Option(help="The sentence around a class name, with {} for it; each dataset's own by default.")
]
Threads = Annotated[
    int,
    typer.Option(
        help="Of each worker; 0: OMP_NUM_THREADS, else the cores by the workers. Last digits depend on it.", min=0
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]

Model = Annotated[
    str | None, typer.Option(help="mini-rn, RN50:openai, NAME:FILE, local-dir:DIR, file.py:build; commas between.")
]

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

Quick = Annotated[
    bool, typer.Option("--quick", help="A first look: one class of each dataset, few test images, no audits.")
]
