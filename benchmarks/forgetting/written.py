"""An unlearned model's folder: weights in a format, the card as JSON and as README; whole, or not there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.forgetting.earlier import CARD
from unlearn_bench.cache import atomic_folder, make_folder, write_text
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.models.exchange.card import README, readme
from unlearn_bench.models.exchange.writing import library_of, write_model


def check_out(out: Path) -> None:
    """Refuse a folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{str(out)!r} is no empty folder; give a new one, nothing is overwritten")


def write_out(clip: Clip, out: Path, card: Mapping[str, Any], *, spec: str, fmt: str) -> str:
    """Write it, whole or not at all, so that who is killed can begin again; says how it is loaded.

    Raises:
        InputError: the format can't hold the model, or the folder can't be written.
    """
    make_folder(out.absolute().parent, what="output folder")
    with atomic_folder(out.absolute()) as part:
        how = write_model(clip, part, fmt).replace(str(part), str(out))
        write_text(part / CARD, json.dumps(card, indent=2) + "\n")
        write_text(part / README, readme(card, spec=spec, library=library_of(clip, fmt), how=how))
    return how
