"""Encoding a dataset: the cost of a sweep, so what has not changed is not computed again."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn

from unlearn_bench.benchmarks.images.image_cache import PreparedImages
from unlearn_bench.benchmarks.referee.setting import Precision, as_precision
from unlearn_bench.cache import cache_folder, locked
from unlearn_bench.clip import Clip
from unlearn_bench.metrics.base import Embedded
from unlearn_bench.sealing import is_whole, seal_path, sealed_path

BATCH = 256
"""Images per forward pass in evaluation. It is part of what is cached: another batch may round otherwise."""

TRUNK_LIMIT_BYTES = 2**32
"""Above this, or above half of what is free on the disk, the activations of a split before the last image stage are
not kept, and are computed again where needed. RN50's take 401 kB an image, 3.4 GB for the paper's largest dataset."""

INNER_LIMIT_BYTES = 2**29
"""Above this the unlearned model's activations before the last image stage are not held in memory for audits."""

AGREEMENT_IMAGES = 512
"""Images on which half precision is held against fp32."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """What the original model makes of a split.

    Attributes:
        embedded: normalised image and text embeddings.
        trunk: activations that enter the last image stage (N, ..), or None where they would be too large, or the
            tower has one stage only.
    """

    embedded: Embedded
    trunk: Tensor | None


def embed_before(
    clip: Clip,
    images: PreparedImages,
    texts: tuple[str, ...],
    *,
    fingerprint: str,
    precision: Precision = "fp32",
) -> Before:
    """Embeddings of the original model, from the cache or computed now; two processes may ask at once."""
    folder = cache_folder("embeddings", fingerprint)
    stem = _stem(clip, images, precision)
    final, trunk_path = folder / f"{stem}.npy", folder / f"{stem}-trunk.npy"
    with locked(final):
        has_trunk = seal_path(trunk_path).is_file()  # asked first: a damaged one loses its seal
        if not (is_whole(final) and (not has_trunk or is_whole(trunk_path))):
            _compute(clip, images, final, trunk_path, precision)
    trunk = _load(trunk_path) if seal_path(trunk_path).is_file() else None
    inner = trunk if precision == "fp32" else None
    return Before(embedded=Embedded(images=_load(final), texts=embed_texts(clip, texts), inner=inner), trunk=trunk)


def embed_after(
    clip: Clip,
    images: PreparedImages,
    texts: tuple[str, ...],
    *,
    before: Before,
    changed: tuple[str, ...],
    precision: str = "fp32",
    inner: bool = False,
) -> Embedded:
    """Embeddings of the unlearned model, given which tensors changed.

    An image tower that did not change gives the embeddings of before; one that changed in its last stage only starts
    from the kept activations; otherwise every image runs through the whole tower.

    Args:
        inner: whether what enters the last stage is wanted too, where it fits into memory.
    """
    stages = len(clip.image_stages)
    first = clip.first_image_stage(changed)
    entering = before.embedded.inner
    with torch.inference_mode(), encoding_in(as_precision(precision), clip.device):
        if first == stages:
            encoded = before.embedded.images
        elif first == stages - 1 and before.trunk is not None:
            parts = [_last_stage(clip, rows.to(clip.device)) for rows in torch.split(before.trunk, BATCH)]
            encoded = _joined(parts)
        else:
            encoded, entering = _encode(clip, images, inner=inner and precision == "fp32")
    return Embedded(images=encoded, texts=embed_texts(clip, texts), inner=entering)


def _encode(clip: Clip, images: PreparedImages, *, inner: bool) -> tuple[Tensor, Tensor | None]:
    """Every image through the whole tower: embeddings, and what enters the last stage, if that is wanted and fits."""
    inner = inner and len(clip.image_stages) > 1  # else it is the images themselves
    outputs, entering = [], []
    for start, batch in zip(range(0, len(images), BATCH), _batches(clip, images), strict=True):
        trunk = clip.run_image_stages(batch, stop=len(clip.image_stages) - 1)
        outputs.append(_last_stage(clip, trunk))
        inner = inner and (start > 0 or trunk.nbytes * len(images) // len(batch) <= INNER_LIMIT_BYTES)
        entering += [trunk.cpu()] if inner else []
    return _joined(outputs), torch.cat(entering) if entering else None


def agreement(clip: Clip, images: PreparedImages, before: Embedded) -> float:
    """Share of up to `AGREEMENT_IMAGES` images, evenly spaced, that are nearest to the same text in fp32 as before.

    Args:
        clip: the original model.
        images: N prepared images.
        before: of these images, encoded in any precision.
    """
    rows = torch.linspace(0, len(images) - 1, min(AGREEMENT_IMAGES, len(images))).round().long()
    with torch.inference_mode():
        parts = [_normal(clip.encode_images(clip.to_input(images.pixels[part]))) for part in torch.split(rows, BATCH)]
    same = (_joined(parts) @ before.texts.T).argmax(1) == (before.images[rows] @ before.texts.T).argmax(1)
    return float(same.float().mean())


def encoding_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Half precision for matrix products and convolutions, where it is asked for; norms and softmax stay in fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def kept(path: Path, compute: Callable[[], Tensor]) -> Tensor:
    """The tensor in the cache at `path`, or computed and kept now; two processes may ask at once."""
    with locked(path):
        if not is_whole(path):
            _save(path, compute())
    return _load(path)


def rounding(clip: Clip) -> list[object]:
    """What decides how sums are rounded: a "before" of other rounding must not serve a run."""
    return [BATCH, torch.get_num_threads(), clip.device.type, torch.__version__]


def embed_inputs(clip: Clip, unit: Tensor) -> Tensor:
    """Normalised embeddings (N, D) of pixels (N, 3, S, S) in [0, 1]."""
    with torch.inference_mode():
        parts = [
            _normal(clip.encode_images(clip.normalise(rows.to(clip.device)))) for rows in torch.split(unit, BATCH)
        ]
    return _joined(parts)


def embed_texts(clip: Clip, texts: tuple[str, ...]) -> Tensor:
    """Normalised embeddings (C, D) of texts."""
    with torch.inference_mode():
        parts = [_normal(clip.embed_texts(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)]
    return _joined(parts)


def _compute(clip: Clip, images: PreparedImages, final: Path, trunk_path: Path, precision: Precision) -> None:
    """Run the tower in two pieces, so that "after" from the kept piece rounds exactly as "before" did."""
    last = len(clip.image_stages) - 1
    outputs: list[Tensor] = []
    with ExitStack() as stack, torch.inference_mode(), encoding_in(precision, clip.device):
        kept: np.memmap | None = None  # on the disk from the start: it may be larger than memory
        for start, batch in zip(range(0, len(images), BATCH), _batches(clip, images), strict=True):
            trunk = clip.run_image_stages(batch, stop=last)
            outputs.append(_last_stage(clip, trunk))
            if start == 0 and last and _fits(trunk.nbytes * len(images) // len(batch), final.parent):
                part = stack.enter_context(sealed_path(trunk_path))
                kept = open_memmap(part, mode="w+", dtype=np.float32, shape=(len(images), *trunk.shape[1:]))
                stack.callback(kept.flush)
            if kept is not None:
                kept[start : start + len(batch)] = trunk.float().cpu().numpy()
    _save(final, _joined(outputs))


def _fits(size: int, folder: Path) -> bool:
    return size <= min(TRUNK_LIMIT_BYTES, shutil.disk_usage(folder).free // 2)


def _batches(clip: Clip, images: PreparedImages) -> Iterator[Tensor]:
    """The images as inputs; a GPU is sent the next batch while it is still at the last one."""
    for start in range(0, len(images), BATCH):
        rows = images.pixels[start : start + BATCH]
        yield clip.to_input(rows.pin_memory() if clip.device.type == "cuda" else rows)


def _last_stage(clip: Clip, activation: Tensor) -> Tensor:
    return _normal(clip.run_image_stages(activation, start=len(clip.image_stages) - 1))


def _normal(embeddings: Tensor) -> Tensor:
    return nn.functional.normalize(embeddings.float(), dim=-1)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """On the CPU, fetched at once: a GPU that is asked after each batch waits for the next one."""
    return torch.cat(list(parts)).cpu()


def _stem(clip: Clip, images: PreparedImages, precision: Precision) -> str:
    parts = [images.content, clip.preparation, *rounding(clip)]
    parts += [] if precision == "fp32" else [precision]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _load(path: Path) -> Tensor:
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _save(path: Path, values: Tensor) -> None:
    with sealed_path(path) as part, part.open("wb") as handle:
        np.save(handle, values.numpy())
