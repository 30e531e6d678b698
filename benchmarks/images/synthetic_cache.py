"""Synthetic images on disk: made once per model, class, settings and seed, for all methods and workers."""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn_bench.cache import cache_folder, locked
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.sealing import is_whole, seal_path, sealed_path
from unlearn_bench.synthesis.ascent import OutOfTimeError, synthesize
from unlearn_bench.synthesis.images import Say, Synthetic, silent
from unlearn_bench.synthesis.settings import SynthesisSettings

_FORMAT = 2
_LATE_FOR_S = 3600.0
"""How long it is believed that a class takes too long: the rest of a sweep, not the rest of time."""
_FAILED_FOR_S = 7 * 24 * 3600.0
"""How long it is believed that a class's images can't be made: what made it fail may have been repaired since."""
_CLOCKS_DIFFER_S = 60.0
"""Between two machines that share the cache."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """Synthetic images with what making them took: seconds at the time they were made, whoever made them."""

    synthetic: Synthetic
    seconds: float


def synthetic_images(
    clip: Clip,
    *,
    fingerprint: str,
    dataset: str,
    texts: tuple[str, ...],
    targets: tuple[int, ...],
    settings: SynthesisSettings,
    seed: int,
    descriptions: tuple[tuple[str, ...], ...] = (),
    domains: tuple[str, ...] = (),
    say: Say = silent,
) -> Made:
    """The images of the target classes, class by class, from the cache or made now.

    Where each text has one of `domains`, an image is accepted by its probability among the texts of its own. `say` is
    told how far making them is.

    A class that failed fails again at once, for a week: the search is deterministic, and may take minutes to fail.
    One that was out of time is tried again after an hour.

    Raises:
        CellFailure: a class's images can't be made.
    """
    made = []
    for target, sentences in zip(targets, descriptions or [()] * len(targets), strict=True):
        rivals = [i for i in range(len(texts)) if not domains or domains[i] == domains[target]]
        made.append(
            _one_class(
                clip,
                fingerprint=fingerprint,
                dataset=dataset,
                texts=tuple(texts[i] for i in rivals),
                target=rivals.index(target),
                settings=settings,
                seed=seed,
                sentences=sentences,
                say=say,
            )
        )
    tensors = {
        item.name: torch.cat([getattr(part.synthetic, item.name) for part in made])
        for item in fields(Synthetic)
        if item.name != "labels"
    }
    counts = torch.tensor([len(part.synthetic.labels) for part in made])
    labels = torch.arange(len(made)).repeat_interleave(counts)  # indices into the forget concepts
    return Made(synthetic=Synthetic(labels=labels, **tensors), seconds=sum(part.seconds for part in made))


def _one_class(
    clip: Clip,
    *,
    fingerprint: str,
    dataset: str,
    texts: tuple[str, ...],
    target: int,
    settings: SynthesisSettings,
    seed: int,
    sentences: tuple[str, ...],
    say: Say,
) -> Made:
    folder = cache_folder("synthetic", fingerprint)
    parts = [_FORMAT, dataset, texts, target, settings.stated(), seed, clip.device.type, torch.get_num_threads()]
    parts += [sentences] if sentences else []
    stem = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    path, failure = folder / f"{stem}.safetensors", folder / f"{stem}.failed"
    late = folder / f"{stem}.late"
    with locked(path):
        for note, believed_s in ((failure, _FAILED_FOR_S), (late, _LATE_FOR_S)):
            _raise_what_it_says(note, believed_s)
        if not is_whole(path):
            try:
                made = _timed(
                    clip,
                    texts=texts,
                    target=target,
                    settings=settings,
                    seed=seed,
                    task=dataset,
                    sentences=sentences,
                    say=say,
                )
            except CellFailure as error:
                with sealed_path(late if isinstance(error, OutOfTimeError) else failure) as part:
                    part.write_text(str(error), encoding="utf-8")
                raise
            with sealed_path(path) as part:
                save_file(made, part)
        stored = load_file(path)
    seconds = float(stored.pop("seconds"))
    return Made(synthetic=Synthetic(**stored), seconds=seconds)


def _raise_what_it_says(note: Path, believed_s: float) -> None:
    """Fail as the note says that an earlier try did; one that is too old, from the future, or not what was written
    (an older version's, a damaged one) is not believed, and removed.

    Raises:
        CellFailure: it is believed.
    """
    if is_whole(note) and 0 <= time.time() - note.stat().st_mtime + _CLOCKS_DIFFER_S < believed_s:
        raise CellFailure(note.read_text(encoding="utf-8"))
    with suppress(OSError):  # a cache that may only be read
        note.unlink(missing_ok=True)
        seal_path(note).unlink(missing_ok=True)


def _timed(
    clip: Clip,
    *,
    texts: tuple[str, ...],
    target: int,
    settings: SynthesisSettings,
    seed: int,
    task: str,
    sentences: tuple[str, ...],
    say: Say,
) -> dict[str, Tensor]:
    started = time.perf_counter()
    made = synthesize(
        clip,
        texts=texts,
        targets=(target,),
        settings=settings,
        seed=seed,
        task=task,
        descriptions={target: sentences} if sentences else {},
        say=say,
    )
    tensors: dict[str, Tensor] = {item.name: getattr(made, item.name).contiguous() for item in fields(Synthetic)}
    tensors["seconds"] = torch.tensor(time.perf_counter() - started, dtype=torch.float64)
    return tensors
