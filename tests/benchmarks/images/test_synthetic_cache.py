"""Synthetic images are made once per model, class, settings and seed; a failure is remembered too."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.benchmarks.support import bench_of, start, write_suite
from unlearn_bench.benchmarks.images import synthetic_cache
from unlearn_bench.benchmarks.images.synthetic_cache import Made, synthetic_images
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.errors import CellFailure
from unlearn_bench.synthesis import ascent
from unlearn_bench.synthesis.images import Synthetic
from unlearn_bench.synthesis.settings import SynthesisSettings

SMALL = SynthesisSettings(images_per_class=3, max_steps=400)
TEXTS = ("a photo of a blue.", "a photo of a green.", "a photo of a red.")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return bench_of(load_suite(str(write_suite(tmp_path))))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The targets of each real synthesis, in order."""
    calls: list[tuple[int, ...]] = []
    plain: Callable[..., Synthetic] = ascent.synthesize

    def noting(*args: object, targets: tuple[int, ...], **more: object) -> Synthetic:
        calls.append(targets)
        return plain(*args, targets=targets, **more)

    monkeypatch.setattr(synthetic_cache, "synthesize", noting)
    return calls


def images(bench: Workbench, targets: tuple[int, ...] = (2,), **changes: object) -> Made:
    given = {"settings": SMALL, "seed": 0, "dataset": "warm", "texts": TEXTS, **changes}
    return synthetic_images(bench.clip, fingerprint=bench.fingerprint, targets=targets, **given)  # type: ignore[arg-type]


def test_made_once(bench: Workbench, made: list[tuple[int, ...]]) -> None:
    first, again = images(bench), images(bench)
    assert made == [(2,)]
    assert torch.equal(first.synthetic.unit, again.synthetic.unit)
    assert first.seconds == again.seconds > 0
    assert first.synthetic.unit.shape == (3, 3, 8, 8)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dataset": "cold"},
        {"targets": (1,)},
        {"texts": TEXTS[::-1]},
        {"settings": SynthesisSettings(images_per_class=3, max_steps=400, threshold=0.6)},
    ],
)
def test_another_request_is_made_anew(
    change: dict[str, object], bench: Workbench, made: list[tuple[int, ...]]
) -> None:
    images(bench)
    images(bench, **change)  # type: ignore[arg-type]
    assert len(made) == 2


def test_batch_size_is_no_reason_to_make_them_again(bench: Workbench, made: list[tuple[int, ...]]) -> None:
    images(bench)
    images(bench, settings=SynthesisSettings(images_per_class=3, max_steps=400, batch_size=1))
    assert len(made) == 1


def test_classes_are_shared_between_tasks(bench: Workbench, made: list[tuple[int, ...]]) -> None:
    one, other = images(bench, (2,)), images(bench, (0,))
    both = images(bench, (2, 0))
    assert made == [(2,), (0,)]
    assert torch.equal(both.synthetic.unit, torch.cat([one.synthetic.unit, other.synthetic.unit]))
    assert both.synthetic.labels.tolist() == [0, 0, 0, 1, 1, 1]  # indices into the forget concepts
    assert both.seconds == pytest.approx(one.seconds + other.seconds)


def test_a_failure_is_remembered(bench: Workbench, made: list[tuple[int, ...]]) -> None:
    hopeless = SynthesisSettings(images_per_class=1, max_steps=1, threshold=1.0, threshold_drop=0.0, max_attempts=1)
    reasons = []
    for _ in range(2):
        with pytest.raises(CellFailure, match=r"no synthetic image for 'a photo of a red.'") as caught:
            images(bench, settings=hopeless)
        reasons.append(str(caught.value))
    assert made == [(2,)]
    assert reasons[0] == reasons[1]


@pytest.mark.parametrize("what", ["a week old", "of the future", "damaged", "of an older version"])
def test_a_failure_is_not_believed_for_ever(
    what: str, bench: Workbench, made: list[tuple[int, ...]], tmp_path: Path
) -> None:
    """It is tried again, and the note that is not believed is gone once images could be made."""
    hopeless = SynthesisSettings(images_per_class=1, max_steps=1, threshold=1.0, threshold_drop=0.0, max_attempts=1)
    with pytest.raises(CellFailure):
        images(bench, settings=hopeless)
    folder = tmp_path / "cache" / "synthetic" / bench.fingerprint
    (note,) = folder.glob("*.failed")
    days = {"a week old": -8, "of the future": 3}
    if what in days:
        os.utime(note, (time.time() + days[what] * 24 * 3600,) * 2)
    elif what == "damaged":
        note.write_text("another reason")
    else:
        note.with_name(f"{note.name}.seal").unlink()
    with pytest.raises(CellFailure, match="no synthetic image for"):
        images(bench, settings=hopeless)
    assert made == [(2,), (2,)]
    images(bench)
    (other,) = folder.glob("*.safetensors")
    stale = other.with_suffix(".failed")  # of an earlier version: it has no seal
    stale.write_text("can't be made")
    assert len(images(bench).synthetic.labels) == 3
    assert not stale.exists()


@pytest.mark.parametrize("change", [lambda data: data[:50], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_what_was_cut_or_changed_is_made_again(
    change: Callable[[bytes], bytes], bench: Workbench, made: list[tuple[int, ...]], tmp_path: Path
) -> None:
    kept = images(bench).synthetic.unit.clone()
    folder = tmp_path / "cache" / "synthetic" / bench.fingerprint
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(change(path.read_bytes()))
    assert torch.equal(images(bench).synthetic.unit, kept)
    assert len(made) == 2
    assert len(list(folder.glob("*.broken"))) == 1


_TOGETHER = """
import json, os
from pathlib import Path
from typing import Any
os.environ["UNLEARN_BENCH_CACHE"] = {cache!r}
import torch
torch.set_num_threads(1)
from unlearn_bench.benchmarks.images import synthetic_cache
from unlearn_bench.models.sources import open_model
from unlearn_bench.synthesis.settings import SynthesisSettings
plain, count = synthetic_cache.synthesize, 0
def noting(*args, **more):
    global count
    count += 1
    return plain(*args, **more)
synthetic_cache.synthesize = noting
clip = open_model({model!r})
made = synthetic_cache.synthetic_images(clip, fingerprint=clip.fingerprint(), dataset="warm", texts={texts!r},
    targets=(2,), settings=SynthesisSettings(images_per_class=3, max_steps=400), seed=0)
Path({out!r}).write_text(json.dumps([count, float(made.synthetic.unit.double().sum())]))
"""


def test_two_processes_at_once_make_them_once(tmp_path: Path, bench: Workbench) -> None:
    outs = [tmp_path / f"told-{number}.json" for number in range(2)]
    facts = {"cache": str(tmp_path / "cache"), "model": bench.setting.model, "texts": TEXTS}
    processes = [start(_TOGETHER.format(out=str(out), **facts)) for out in outs]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    (one, first), (two, second) = (json.loads(out.read_text()) for out in outs)
    assert sorted([one, two]) == [0, 1]
    assert first == second == float(images(bench).synthetic.unit.double().sum())


def test_out_of_time_is_believed_for_an_hour(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a sweep nobody waits for it twice; the next day it is tried again, and may come through."""
    endless = SynthesisSettings(images_per_class=5000, batch_size=1, max_seconds=0.2)  # one after the other

    def attempt() -> None:
        with pytest.raises(CellFailure, match=r"in 0\.2 s"):
            synthetic_images(
                bench.clip,
                fingerprint=bench.fingerprint,
                dataset="warm",
                texts=TEXTS,
                targets=(2,),
                settings=endless,
                seed=0,
            )

    attempt()
    (note,) = (tmp_path / "cache" / "synthetic" / bench.fingerprint).glob("*.late")
    tries = [0]
    climb = ascent.Ascent.step

    def counted(self: ascent.Ascent, *given: Any) -> Any:
        tries[0] += 1
        return climb(self, *given)

    monkeypatch.setattr(ascent.Ascent, "step", counted)
    attempt()
    assert tries[0] == 0, "the note is believed"
    os.utime(note, (time.time() - 7200,) * 2)
    attempt()
    assert tries[0] > 0
