"""Contact sheets: what the synthetic images of a forget set look like, as one PNG beside the records."""

import hashlib
import io
import json
import re
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from unlearn_bench.cache import atomic_path, make_folder
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.synthesis.images import Synthetic

SHEETS = "sheets"
"""The folder of the sheets in a run's folder."""

_COLUMNS, _ROWS = 8, 2
_SIDE = 112  # px of one image at most
_GAP = 2  # px


def sheet_name(run: Run) -> str:
    """The file of a run's sheet; runs that share their synthetic images share it."""
    words = [run.model, run.dataset, *run.forget, f"seed {run.seed}"]
    readable = re.sub("[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")[:80]
    parts = [run.fingerprint, run.dataset, run.forget, dict(run.synthesis), run.seed]
    return f"{readable}-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]}.png"


def write_sheet(out: Path, run: Run, synthetic: Synthetic) -> None:
    """Write the sheet of a run's synthetic images into `out/sheets`, unless it is there."""
    path = make_folder(out / SHEETS, what="folder of contact sheets") / sheet_name(run)
    if not path.is_file():
        with atomic_path(path) as part:
            part.write_bytes(contact_sheet(synthetic.unit, synthetic.labels))


def contact_sheet(unit: Tensor, labels: Tensor) -> bytes:
    """A PNG of the first images of each class (M, 3, S, S) in [0, 1], two rows of eight to a class."""
    side = min(unit.shape[-1], _SIDE)
    rows = []
    for label in sorted(set(labels.tolist())):
        chosen = unit[labels == label][: _COLUMNS * _ROWS].float()
        if unit.shape[-1] > side:
            chosen = functional.interpolate(chosen, (side, side), mode="bilinear", antialias=True)
        for start in range(0, len(chosen), _COLUMNS):
            row = torch.ones(3, side, _COLUMNS * (side + _GAP) - _GAP)
            for place, image in enumerate(chosen[start : start + _COLUMNS]):
                left = place * (side + _GAP)
                row[:, :, left : left + side] = image
            rows.append(functional.pad(row, (0, 0, 0, _GAP), value=1.0))
    pixels = (torch.cat(rows, dim=1)[:, :-_GAP].clamp(0, 1) * 255).round().to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
