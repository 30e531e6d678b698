"""The command that publishes what a mini model without a class takes the test images for.

    python -m unlearn_bench.benchmarks.mini.train --model mini-rn --without "mini-digits/digit seven" --out DIR
    python -m unlearn_bench.benchmarks.mini.reference DIR

reads the weights and the report that the first one wrote, writes
`leaderboards/published/retrained/<model>/<dataset>-<class names>.json` for the metric `retrain-distance`, and puts a
copy of the weights where the method `retrain` looks for them. No weights are published: they can be made again.
"""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from unlearn_bench.benchmarks.data.dataset.base import Split
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS
from unlearn_bench.benchmarks.referee.embedding import embed_after
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.cache import atomic_path, make_folder
from unlearn_bench.clip import changed_names
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.retrained_predictions import FOLDER, Predicted, Retrained, write_retrained
from unlearn_bench.metrics.shared.classification import predictions
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.embedded import NAMES
from unlearn_bench.models.retrained import read_retrained, weights_file
from unlearn_bench.shown import console_of

app = typer.Typer(add_completion=False)

_SPLIT: Split = "test"
_CONTROL = ("mini-icons",)


def compute(weights: Path, bench: Workbench, *, without: list[str], recipe: dict[str, Any]) -> Retrained:
    """Predictions of the model at `weights`, trained without the classes `without` (each "dataset/class").

    Raises:
        InputError: no class was left out, or classes of several datasets; the weights are another model's.
    """
    owners = {item.partition("/")[0] for item in without}
    if len(owners) != 1:
        raise InputError(f"the model was trained without {without}; expected classes of one dataset")
    (dataset,) = owners
    forget = tuple(item.partition("/")[2] for item in without)
    clip = read_retrained(bench.clip, weights)
    changed = changed_names(bench.clip.state(), clip.state())
    parts, recalls = [], {}
    for name, item in bench.evaluated.items():
        images = item.images
        seen = predictions(embed_after(clip, images, item.dataset.texts, before=item.before, changed=changed))
        right = seen == images.labels
        if name == dataset:
            rows = {each: images.labels == item.dataset.label(each) for each in forget}
            recalls = {each: round(float(right[shown].double().mean()), 4) for each, shown in rows.items()}
        parts.append(
            Predicted(
                name=name,
                version=item.dataset.version,
                split=_SPLIT,
                template=item.dataset.template,
                content=images.content,
                accuracy=round(float(right.double().mean()), 4),
                predictions=tuple(seen.tolist()),
            )
        )
    return Retrained(
        model=bench.setting.model,
        fingerprint=bench.fingerprint,
        dataset=dataset,
        forget=forget,
        weights=clip.fingerprint(),
        accuracy_of_forgotten=recalls,
        recipe=recipe,
        evaluated=tuple(parts),
    )


def read_report(folder: Path) -> tuple[str, dict[str, Any]]:
    """The model's name and its recipe, from the report in a folder of the training command.

    Raises:
        InputError: no report, or weights, in the folder; or it is no report.
    """
    for name in NAMES:
        path = folder / f"{name}.json"
        if path.is_file() and path.with_suffix(".safetensors").is_file():
            try:
                recipe: dict[str, Any] = dict(parse_json(path.read_text(encoding="utf-8"))["recipe"])
                recipe["without"] = [str(item) for item in recipe["without"]]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{str(path)!r} is no report of the training command ({error})") from error
            return name, recipe
    expected = " or ".join(f"{name}.json with {name}.safetensors" for name in NAMES)
    raise InputError(f"{str(folder)!r} holds no {expected}; give what the training command wrote with --out")


@app.command()
@mistakes_in_a_line
def main(
    folder: Annotated[Path, typer.Argument(help="What the training command wrote with --out.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the predictions.")] = FOLDER,
) -> None:
    """Write the predictions of a retrained mini model, and put its weights where `retrain` finds them.

    Example: python -m unlearn_bench.benchmarks.mini.reference runs/without-digit-seven
    """
    console = console_of()
    model, recipe = read_report(folder)
    own = [item.partition("/")[0] for item in recipe["without"]]
    data = tuple(dict.fromkeys(name for name in (*DATASETS, *own) if name not in _CONTROL))
    setting = Setting(
        model=model, datasets=data, control=_CONTROL, train_split="train", test_split=_SPLIT, device="cpu"
    )
    bench = open_workbench(setting)
    weights = folder / f"{model}.safetensors"
    found = compute(weights, bench, without=recipe["without"], recipe=recipe)
    path = write_retrained(found, folder=out)
    copy = weights_file(bench.fingerprint, found.forget)
    make_folder(copy.parent, what="folder of retrained weights")
    with atomic_path(copy) as part:
        shutil.copyfile(weights, part)
    console.print(f"predictions: {path}\nweights: {copy}", markup=False, soft_wrap=True)
    console.print_json(data={"still recognised": dict(found.accuracy_of_forgotten)})


if __name__ == "__main__":
    app()
