"""What the tests of the benchmarks share: plug-ins as files, folders of small pictures, processes that start fast."""

import json
import multiprocessing
import os
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.isolation.fence import ALLOW_VARIABLE
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for
from unlearn_bench.benchmarks.sweep.players import Choice

CONDITIONS = Conditions(device="cpu", jobs=1, threads=1, commit=None)
HERE = Local(conditions=CONDITIONS)
COLOURS = {
    "red": (230, 30, 30),
    "green": (30, 230, 30),
    "blue": (30, 30, 230),
    "yellow": (230, 230, 30),
    "magenta": (230, 30, 230),
    "cyan": (30, 230, 230),
}
WARM, COLD = ("red", "green", "blue"), ("cyan", "magenta", "yellow")

# A dual encoder that knows colours by construction: the mean pixel against a table of colours.
MODEL = f"""
import torch
from torch import nn
from unlearn_bench.models.two_towers import TwoTowers

COLOURS = {COLOURS!r}

def tokenize(texts):
    names = list(COLOURS)
    rows = [next((i + 1 for i, name in enumerate(names) if name in text), 0) for text in texts]
    return torch.tensor(rows)[:, None]

def build():
    with torch.random.fork_rng(devices=[]):  # torch fills new layers from the global stream
        image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3, bias=False))
        text = nn.Sequential(nn.Embedding(len(COLOURS) + 1, 3), nn.Flatten(), nn.Linear(3, 3, bias=False))
    with torch.no_grad():
        image[2].weight.copy_(torch.eye(3))
        text[2].weight.copy_(torch.eye(3))
        text[0].weight.copy_(torch.tensor([(200, 200, 200), *COLOURS.values()]) / 127.5 - 1)
    return TwoTowers(image, text, tokenize, name="colours", image_size=8, logit_scale=20.0)
"""

_METHOD = '''
import os, signal, sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import torch
from unlearn_bench.methods.base import Method

@dataclass(frozen=True, kw_only=True)
class Mine(Method):
    """A method of the tests."""

    name: ClassVar[str] = "{name}"
    access: ClassVar[str] = "{access}"
    strength: float = 0.5

    def unlearn(self, clip, request):
{body}
'''


def write_model(folder: Path) -> str:
    """The spec of a model plug-in that tells the six colours apart."""
    path = folder / "colours_model.py"
    path.write_text(MODEL)
    return f"{path}:build"


def write_method(folder: Path, body: str, *, name: str = "mine", access: str = "ZS") -> str:
    """The spec of a method plug-in whose `unlearn(self, clip, request)` has this body."""
    path = folder / f"method_{name.replace('-', '_')}.py"
    path.write_text(_METHOD.format(name=name, access=access, body=textwrap.indent(textwrap.dedent(body), " " * 8)))
    return f"{path}:Mine"


def write_skipper(folder: Path, flag: Path, body: str = "return clip") -> str:
    """The spec of a method plug-in that skips until there is a file `flag`."""
    spec = write_method(folder, body, name="skipper")
    path = Path(spec.rpartition(":")[0])
    skip = f"def skip(self, clip, request):\n    return None if Path({str(flag)!r}).exists() else 'no weights'\n"
    path.write_text(f"{path.read_text()}\n{textwrap.indent(skip, ' ' * 4)}")
    return spec


NOISE = """
weight = dict(clip.module.named_parameters())["text.2.weight"]
noise = torch.randn(weight.shape, generator=request.generator("noise"))
weight.data += self.strength * noise
request.report(1, sigma=self.strength)
return clip
"""
"""The body of an honest method: noise on the text projection."""


def counting(body: str, folder: Path) -> str:
    """The same body, noting each call in `folder`: a file for each call, so that processes can't race."""
    return f"""
import uuid
note = "+".join(concept.name for concept in request.forget)
(Path({str(folder)!r}) / f"{{note}}.{{os.getpid()}}.{{uuid.uuid4().hex}}").touch()
{textwrap.dedent(body)}
"""


def calls(folder: Path) -> list[str]:
    """Forget sets of the noted calls, sorted."""
    return sorted(path.name.split(".")[0] for path in folder.iterdir())


def referee_of(player: int) -> psutil.Process:
    """The process that asked for a player: the parent of the one from which its warden (on Linux) was forked."""
    return psutil.Process(player).parents()[2 if sys.platform.startswith("linux") else 1]


def colour_image(name: str, seed: int, side: int = 10) -> Image.Image:
    noise = np.random.RandomState(seed).randint(-25, 26, (side, side, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8))


def write_colours(folder: Path, names: Sequence[str] = WARM, *, count: int = 10) -> Path:
    """A folder of `count` pictures of each colour, one sub-folder per class."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            colour_image(name, seed=index).save(folder / name / f"{index:03}.png")
    return folder


def write_suite(folder: Path, *, metrics: Sequence[str] = ("accuracy", "seconds"), **more: object) -> Path:
    """A suite over two colour folders and the colour model; `more` are further keys."""
    warm = write_colours(folder / "data" / "warm", WARM)
    cold = write_colours(folder / "data" / "cold", COLD)
    table = {
        "models": [write_model(folder)],
        "datasets": [f"folder:{warm}", f"folder:{cold}"],
        "metrics": list(metrics),
        **more,
    }
    lines = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", *(f"{json.dumps(name)} = {json.dumps(item)}" for name, item in value.items())]
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    path = folder / "colours.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def bench_of(suite: Suite, *, skip_bad: bool = False) -> Workbench:
    from unlearn_bench.benchmarks.sweep.plan import settings_for

    (setting,) = settings_for(suite, Choice(), device="cpu", skip_bad=skip_bad)
    return open_workbench(setting)


def plan(path: Path, methods: Sequence[str], **choice: Sequence[str] | Sequence[int]) -> list[Cell]:
    """The cells of a suite file for these methods."""
    suite = load_suite(str(path))
    return cells_for(suite, Choice(methods=methods, **choice), bench_of(suite))  # type: ignore[arg-type]


def no_warning(text: str) -> None:
    raise AssertionError(f"unexpected warning: {text}")


_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["unlearn_bench.benchmarks.commands.run", "unlearn_bench.benchmarks.cli"])

_CLI = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
os.environ.update({env!r})
os.chdir({cwd!r})
sys.stdout = open({log!r} + ".out", "w", buffering=1)
sys.stderr = open({log!r} + ".err", "w", buffering=1)
sys.argv = {argv!r}
from unlearn_bench.benchmarks.cli import main
main()
"""


def start(source: str) -> BaseProcess:
    """Run `source` in a process of its own, forked from one that has the imports done (they take seconds)."""
    process = _CONTEXT.Process(target=exec, args=(source, {"__name__": "child"}))
    process.start()
    return process


def wait_for(condition: Callable[[], object], *, seconds: float = 120) -> None:
    """Until it holds; a failure where it does not within so long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def ready() -> None:
    """Begin the process from which others are forked, if it is not there yet: it keeps the environment of now, and
    hands it to workers of later tests."""
    start("").join()


def start_cli(*arguments: str, cwd: Path, log: Path) -> BaseProcess:
    """The command line in a process of its own; its output goes to `log`.out and `log`.err."""
    env = {name: os.environ[name] for name in ("UNLEARN_BENCH_CACHE", ALLOW_VARIABLE)}
    return start(_CLI.format(env=env, cwd=str(cwd), log=str(log), argv=["unlearn-bench", *arguments]))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]


def is_one_error(said: Said, *parts: str) -> None:
    assert said.code == 2, said
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
