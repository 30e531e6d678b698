"""The documented way with a model and pictures of one's own, as written, from check-model to forget."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from tests.benchmarks.conftest import call
from tests.benchmarks.support import Call, Said
from tests.project.test_readme import PAGES
from unlearn_bench.leaderboards.records.storage import read_folder

__all__ = ["call"]

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 190, 60),
    "blue": (40, 70, 220),
    "yellow": (225, 215, 50),
    "purple": (150, 50, 190),
    "orange": (240, 140, 30),
    "white": (240, 240, 240),
    "black": (20, 20, 20),
}
METHODS = "lip,text-null-space,gradient-ascent,finetune-retain"
"""Of `all`: without images, without training, with real images, a reference."""


def the_way() -> list[str]:
    """The commands of the page, without `uv run`."""
    block = re.search(r"```bash\n(.*?)```", PAGES["own-model.md"], flags=re.DOTALL)
    assert block is not None
    return [line.removeprefix("uv run unlearn-bench ") for line in block[1].splitlines()]


def the_model() -> str:
    """The page's `mine.py`."""
    code = re.search(r"```python\n(# mine\.py\n.*?)```", PAGES["own-model.md"], flags=re.DOTALL)
    assert code is not None
    return code[1]


def picture(colour: str, seed: int) -> Image.Image:
    """A blot of the colour on a grey ground, both noisy, at a random place."""
    stream = np.random.default_rng([seed, *COLOURS[colour]])
    pixels = np.full((48, 56, 3), stream.integers(90, 160), dtype=np.float64)
    top, left = stream.integers(0, 12, 2)
    pixels[top : top + 34, left : left + 40] = COLOURS[colour]
    noisy = np.clip(pixels + stream.normal(0, 25, pixels.shape), 0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


def train(folder: Path) -> None:
    """A minute's model: the page's towers, trained on drawings and their captions; half the colours look alike."""
    spec = importlib.util.spec_from_file_location("mine_under_training", folder / "mine.py")
    assert spec is not None
    assert spec.loader is not None
    mine: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mine)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images, texts = mine.Images(), mine.Texts()
        pixels = np.stack([np.array(picture(c, 1000 + n).resize((64, 64))) for c in COLOURS for n in range(24)])
        labels = torch.arange(len(COLOURS)).repeat_interleave(24)
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        tokens = mine.tokenize([f"a drawing of a {name}" for name in COLOURS])
        optimiser = torch.optim.Adam([*images.parameters(), *texts.parameters()], lr=3e-3)
        for _ in range(12):
            for rows in torch.randperm(len(x)).split(32):  # type: ignore[no-untyped-call]
                seen, said = (nn.functional.normalize(v, dim=-1) for v in (images(x[rows]), texts(tokens)))
                loss = nn.functional.cross_entropy(20 * seen @ said.T, labels[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    torch.save({"image": images.state_dict(), "text": texts.state_dict()}, folder / "mine.pt")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the user brings: mine.py, its weights, and a folder of pictures."""
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(the_model(), encoding="utf-8")
    train(tmp_path)
    for colour in COLOURS:
        (tmp_path / "pictures" / colour).mkdir(parents=True)
        for number in range(25):
            picture(colour, number).save(tmp_path / "pictures" / colour / f"{number:02}.png")
    return tmp_path


def follow(call: Call, line: str, *more: str) -> Said:
    said = call(*shlex.split(line), *more)
    assert said.code == 0, f"{line}: {said.err}"
    return said


@pytest.mark.slow
def test_the_model_is_fit(call: Call, place: Path) -> None:
    said = follow(call, the_way()[0])
    assert "my-clip" in said.out
    assert "error" not in said.out.replace("0 errors", "")


@pytest.mark.slow
def test_from_the_model_to_its_weights_without_a_class(call: Call, place: Path) -> None:
    _, tune, run, leaderboard, forget = the_way()

    said = follow(call, tune, "--methods", METHODS, "--trials", "2", "--jobs", "1")
    settings = tomllib.loads((place / "mine.presets.toml").read_text())
    assert {"about", "synthesis", *METHODS.split(",")} == settings.keys()
    told = said.out.splitlines()[-1].removeprefix("next: unlearn-bench ")

    said = follow(call, told, "--metrics", "accuracy,average-score,linear-probe", "--jobs", "1")
    assert said.err.startswith("data: folder:pictures: ")
    assert "before forgetting: my-clip on folder:pictures: zero-shot accuracy " in said.err
    assert "is little" not in said.err
    assert "my-clip, suite mini-own-data" in said.out
    assert "No method was tuned" not in said.out
    records = read_folder(place / "runs" / "mini-own-data").records
    assert len(records) == 5 * 2
    assert {record.status for record in records} == {"ok"}, [record.reason for record in records]
    assert {record.preset["source"] for record in records if record.run.method in METHODS.split(",")} == {"tuned"}
    assert str(place) not in "".join(str(record.run) for record in records), "no path of this machine is told"
    assert shlex.split(run) == shlex.split(told.split(" --methods")[0].replace(" --suite mini", ""))

    follow(call, leaderboard)
    assert "my-clip" in (place / "board.html").read_text()

    said = follow(call, forget)
    assert "for this model that applies (Avg. Score " in said.err
    target, *others = [line for line in said.out.splitlines() if "accuracy" in line]
    before, after = (float(found) for found in re.findall(r"accuracy ([\d.]+) before, ([\d.]+) after", target)[0])
    assert target.startswith("target red: ")
    assert after < 0.5 * before
    assert others, "what it cost the others is said too"

    loaded = load_file(place / "forgotten" / "model.safetensors")
    saved = torch.load(place / "mine.pt", weights_only=True)
    names = {f"{tower}.{name}" for tower in saved for name in saved[tower]}
    assert names <= loaded.keys()
    assert any(
        not torch.equal(loaded[f"{tower}.{name}"], saved[tower][name]) for tower in saved for name in saved[tower]
    )

    # Reloaded, it goes on from where it is: red is gone before blue is forgotten.
    said = follow(call, forget.replace("red", "blue").replace("--out forgotten", "--out both --from forgotten"))
    assert "target blue" in said.out
    assert (place / "both" / "model.safetensors").is_file()


def test_a_template_in_which_no_name_can_be_read_is_refused(call: Call, place: Path) -> None:
    """The tokenizer cuts at 76 bytes: behind so long a sentence all names read alike."""
    run = the_way()[2].replace("a drawing of a {}", "z" * 80 + " {}")
    said = call(*shlex.split(run), "--methods", "identity", "--jobs", "1", "--metrics", "accuracy,average-score")
    assert said.code == 2
    (error,) = said.err.splitlines()
    assert error.startswith("error: the classes ")
    assert "are one text to my-clip" in error
    assert "as it reads no more than the beginning" in error
