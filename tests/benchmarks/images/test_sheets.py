"""Contact sheets: drawn as they should be, written once, and shown on the page."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.benchmarks.support import HERE, Call, no_warning, plan, write_method
from unlearn_bench.benchmarks.images.sheets import contact_sheet, sheet_name
from unlearn_bench.benchmarks.sweep.runner import sweep

SYNTHETIC = "request.synthesize()\nreturn clip"


def decoded(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def test_every_image_has_its_place() -> None:
    """Ten images of one class and one of another: rows of eight, eight; then two; then the other class."""
    shades = torch.arange(11) * 20 / 255
    unit = shades[:, None, None, None].expand(11, 3, 4, 4)
    labels = torch.tensor([0] * 10 + [1])
    sheet = decoded(contact_sheet(unit, labels))
    assert sheet.shape == (3 * 6 - 2, 8 * 6 - 2, 3)
    for number in range(11):
        row, column = (2, 0) if number == 10 else divmod(number, 8)
        tile = sheet[row * 6 : row * 6 + 4, column * 6 : column * 6 + 4]
        assert np.unique(tile).tolist() == [20 * number]
    assert np.unique(sheet[:, 4:6]).tolist() == [255]  # the gap
    assert np.unique(sheet[6:10, 12:]).tolist() == [255]  # places without an image


@pytest.mark.parametrize(("side", "shown"), [(64, 64), (224, 112)])
def test_large_images_are_made_smaller(side: int, shown: int) -> None:
    unit = torch.rand(20, 3, side, side, generator=torch.Generator().manual_seed(0))
    sheet = decoded(contact_sheet(unit, torch.zeros(20, dtype=torch.int64)))
    assert sheet.shape == (2 * shown + 2, 8 * (shown + 2) - 2, 3)  # sixteen of the twenty
    assert abs(float(sheet[:shown, :shown].mean()) / 255 - float(unit[0].mean())) < 0.01


def test_runs_that_share_images_share_the_sheet(suite_file: Path, tmp_path: Path) -> None:
    specs = [write_method(tmp_path, SYNTHETIC, name=name) for name in ("one", "two")]
    blind = write_method(tmp_path, "return clip", name="blind")
    cells = plan(suite_file, [*specs, blind], classes=["red", "green"])
    sweep(cells, tmp_path / "out", HERE, listener=lambda _: None, warn=no_warning)
    sheets = sorted(path.name for path in (tmp_path / "out" / "sheets").iterdir())
    assert sheets == sorted({sheet_name(cell.run) for cell in cells})
    assert len(sheets) == 2
    run = cells[0].run
    others = [replace(run, seed=1), replace(run, forget=("blue",)), replace(run, synthesis={"threshold": 0.1})]
    assert len({sheet_name(run), *(sheet_name(other) for other in others)}) == 4
    assert sheet_name(replace(run, method="three", hyperparameters={})) == sheet_name(run)


def test_a_sheet_that_is_there_is_left(suite_file: Path, tmp_path: Path) -> None:
    (cell,) = plan(suite_file, [write_method(tmp_path, SYNTHETIC)], classes=["red"])
    sweep([cell], tmp_path / "out", HERE, listener=lambda _: None, warn=no_warning)
    (path,) = (tmp_path / "out" / "sheets").iterdir()
    path.write_bytes(b"mine")
    sweep([cell], tmp_path / "out", HERE, listener=lambda _: None, warn=no_warning, fresh=True)
    assert path.read_bytes() == b"mine"


def test_the_page_shows_them(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep("--methods", write_method(tmp_path, SYNTHETIC, name="seer"), "--classes", "red,green")
    page = tmp_path / "board.html"
    assert call("leaderboard", tmp_path / "out", "--format", "html", "--out", page).code == 0
    text = page.read_text()
    assert text.count('class="sheet"') == 2
    assert text.count("data:image/webp;base64,") >= 2
    assert "Synthetic images" in text
    assert "base64" not in call("leaderboard", tmp_path / "out", "--format", "md").out
