"""Pictures are decoded once, whoever asks; the file survives kills, cuts and methods that scribble."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

from tests.benchmarks.support import bench_of, start, write_colours, write_suite
from tests.core.tiny import resnet, two_towers
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Split
from unlearn_bench.benchmarks.data.layouts.folder import FolderDataset
from unlearn_bench.benchmarks.images import image_building
from unlearn_bench.benchmarks.images.image_cache import prepared_images
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError


class Counting(FolderDataset):
    """A folder that counts how often a picture is decoded."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.decoded: Counter[int] = Counter()

    def picture(self, split: Split, row: int) -> Image.Image:
        self.decoded[row] += 1
        return super().picture(split, row)


@pytest.fixture
def dataset(tmp_path: Path) -> Counting:
    return Counting(write_colours(tmp_path / "own"))


@pytest.fixture
def clip() -> Clip:
    return two_towers()


def cache_files(tmp_path: Path, pattern: str) -> list[Path]:
    return sorted((tmp_path / "cache" / "images").glob(pattern))


def test_equals_a_plain_loop_and_decodes_once(dataset: Counting, clip: Clip) -> None:
    images = prepared_images(dataset, "test", clip)
    assert dataset.decoded == Counter(range(12))
    again = prepared_images(dataset, "test", clip)
    assert dataset.decoded == Counter(range(12))
    expected = torch.stack([torch.from_numpy(clip.prepare(dataset.picture("test", row))) for row in range(12)])
    for found in (images, again):
        assert torch.equal(found.pixels, expected)
        assert found.pixels.dtype == torch.uint8
        assert found.labels.tolist() == list(dataset.index("test").labels)
        assert found.names == dataset.index("test").names
        assert found.skipped == ()
    assert len(images) == 12
    assert images.content == again.content


def test_splits_models_and_versions_have_files_of_their_own(dataset: Counting, clip: Clip, tmp_path: Path) -> None:
    contents = {prepared_images(dataset, split, clip).content for split in ("train", "test")}
    contents.add(prepared_images(dataset, "test", resnet()).content)
    (dataset.path / "red" / "000.png").write_bytes((dataset.path / "blue" / "000.png").read_bytes())
    prepared_images(FolderDataset(dataset.path), "test", clip)
    assert len(contents) == 3
    assert len(cache_files(tmp_path, "*.npy")) == 4


def test_models_that_prepare_alike_share(dataset: Counting, tmp_path: Path) -> None:
    prepared_images(dataset, "test", resnet(seed=0))
    prepared_images(dataset, "test", resnet(seed=1))
    assert dataset.decoded == Counter(range(12))
    assert len(cache_files(tmp_path, "*.npy")) == 1


def test_writing_to_the_pixels_leaves_the_file(dataset: Counting, clip: Clip) -> None:
    first = prepared_images(dataset, "test", clip)
    kept = first.pixels.clone()
    first.pixels.zero_()
    first.labels.zero_()
    assert torch.equal(prepared_images(dataset, "test", clip).pixels, kept)


@pytest.mark.parametrize("how", ["pixels", "facts", "no-facts", "empty-facts", "list"])
def test_a_cut_file_is_set_aside_and_made_again(how: str, dataset: Counting, clip: Clip, tmp_path: Path) -> None:
    whole = prepared_images(dataset, "test", clip)
    kept = whole.pixels.clone()
    del whole  # the map of a file that is about to be cut
    (pixels,) = cache_files(tmp_path, "*.npy")
    facts = pixels.with_suffix(".json")
    if how == "pixels":
        pixels.write_bytes(pixels.read_bytes()[:-7])
    elif how == "no-facts":
        facts.unlink()
    else:
        facts.write_text({"facts": facts.read_text()[:20], "empty-facts": "{}", "list": "[]"}[how])
    dataset.decoded.clear()
    again = prepared_images(dataset, "test", clip)
    assert torch.equal(again.pixels, kept)
    assert dataset.decoded == Counter(range(12))
    assert len(cache_files(tmp_path, "*.broken")) == (0 if how == "no-facts" else 1)
    prepared_images(dataset, "test", clip)
    assert dataset.decoded == Counter(range(12))


def test_bad_pictures(dataset: Counting, clip: Clip, tmp_path: Path) -> None:
    name = dataset.index("test").names[3]
    (dataset.path / name).write_bytes(b"")
    with pytest.raises(BadImageError, match=name):
        prepared_images(dataset, "test", clip)
    assert cache_files(tmp_path, "*.npy") == []
    assert cache_files(tmp_path, ".*.part") == []
    images = prepared_images(dataset, "test", clip, skip_bad=True)
    assert len(images) == len(images.pixels) == len(images.names) == 11
    assert [Path(item).relative_to(dataset.path).as_posix() for item in images.skipped] == [name]
    index = dataset.index("test")
    assert images.names == index.names[:3] + index.names[4:]
    assert images.labels.tolist() == list(index.labels[:3] + index.labels[4:])
    row = clip.prepare(dataset.picture("test", 11))
    assert torch.equal(images.pixels[10], torch.from_numpy(row))
    with pytest.raises(BadImageError, match=name):  # leaving out is not remembered for those who do not want it
        prepared_images(dataset, "test", clip)


def test_nothing_readable_and_nothing_there(dataset: Counting, clip: Clip) -> None:
    with pytest.raises(InputError, match="'folder:own' has no images in its split 'pretrain'"):
        prepared_images(dataset, "pretrain", clip)
    for name in dataset.index("val").names:
        (dataset.path / name).write_bytes(b"x")
    with pytest.raises(InputError, match="no image of 'folder:own' in the split 'val' can be read"):
        prepared_images(dataset, "val", clip, skip_bad=True)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_no_space(dataset: Counting, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 10, 100))
    with pytest.raises(InputError, match=r"needs 0 MiB in .*, where 0 MiB are free; free some, or set UNLEARN"):
        prepared_images(dataset, "test", clip)
    assert cache_files(tmp_path, "*.npy") == []


def test_the_disk_fills_while_writing(dataset: Counting, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("unlearn_bench.benchmarks.images.image_cache.seal", full)
        with pytest.raises(InputError, match=r"can't be written \(No space left on device\); free space there"):
            prepared_images(dataset, "test", clip)
    assert len(prepared_images(dataset, "test", clip)) == 12


def test_a_cache_that_is_a_file(
    dataset: Counting, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=r"cache folder .* can't be written \(Not a directory\)"):
        prepared_images(dataset, "test", clip)


class Stopping(Counting):
    """A folder whose owner loses patience: the picture `at` is an interruption."""

    at = -1

    def picture(self, split: Split, row: int) -> Image.Image:
        if row == self.at:
            raise KeyboardInterrupt
        return super().picture(split, row)


def test_a_build_that_was_stopped_goes_on(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With unreadable pictures before and after the stop; what comes out is what an undisturbed build makes."""
    monkeypatch.setattr(image_building, "_JOURNAL_EVERY", 4)
    dataset = Stopping(write_colours(tmp_path / "own"))
    names = dataset.index("test").names
    for row in (1, 10):
        (dataset.path / names[row]).write_bytes(b"x")
    dataset.at = 9
    with pytest.raises(KeyboardInterrupt):
        prepared_images(dataset, "test", clip, skip_bad=True)
    assert len(cache_files(tmp_path, "*.building")) == 1
    dataset.at = -1
    dataset.decoded.clear()
    told: list[tuple[int, int]] = []
    images = prepared_images(
        dataset, "test", clip, skip_bad=True, told=lambda done, total: told.append((done, total))
    )
    assert sorted(dataset.decoded) == [8, 9, 10, 11]  # eight were in the journal
    assert told == [(9, 12), (10, 12), (11, 12), (12, 12)]
    assert images.names == tuple(name for row, name in enumerate(names) if row not in {1, 10})
    assert [Path(name).name for name in images.skipped] == [Path(names[row]).name for row in (1, 10)]
    assert cache_files(tmp_path, "*building*") == []
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "other"))
    undisturbed = prepared_images(Counting(dataset.path), "test", clip, skip_bad=True)
    assert torch.equal(images.pixels, undisturbed.pixels)
    assert images.content == undisturbed.content


@pytest.mark.parametrize("how", ["cut", "journal", "other"])
def test_a_half_that_does_not_fit_is_begun_anew(
    how: str, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_building, "_JOURNAL_EVERY", 4)
    dataset = Stopping(write_colours(tmp_path / "own"))
    dataset.at = 9
    with pytest.raises(KeyboardInterrupt):
        prepared_images(dataset, "test", clip)
    (part,) = cache_files(tmp_path, "*.npy.building")
    (note,) = cache_files(tmp_path, "*.building.json")
    if how == "cut":
        part.write_bytes(part.read_bytes()[:-9])
    else:
        note.write_text({"journal": '{"done": 8', "other": '{"done": 8, "kept": [0], "skipped": []}'}[how])
    dataset.at = -1
    dataset.decoded.clear()
    prepared_images(dataset, "test", clip)
    assert dataset.decoded == Counter(range(12))


def test_threads_change_nothing(
    dataset: Counting, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dataset.path / dataset.index("test").names[5]).write_bytes(b"")
    alone = prepared_images(dataset, "test", clip, skip_bad=True)
    monkeypatch.setenv("UNLEARN_BENCH_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    together = prepared_images(Counting(dataset.path), "test", clip, skip_bad=True)
    assert torch.equal(alone.pixels, together.pixels)
    assert (alone.content, alone.names, alone.skipped) == (together.content, together.names, together.skipped)
    with pytest.raises(BadImageError):
        prepared_images(dataset, "test", clip)


def test_a_changed_byte_is_found(dataset: Counting, clip: Clip, tmp_path: Path) -> None:
    kept = prepared_images(dataset, "test", clip).pixels.clone()
    (path,) = cache_files(tmp_path, "*.npy")
    bytes_ = bytearray(path.read_bytes())
    bytes_[-1] ^= 1
    path.write_bytes(bytes(bytes_))
    assert torch.equal(prepared_images(dataset, "test", clip).pixels, kept)
    assert len(cache_files(tmp_path, "*.broken")) == 1
    dataset.decoded.clear()
    prepared_images(dataset, "test", clip)
    assert not dataset.decoded


_TOGETHER = """
import json, os
from pathlib import Path
os.environ["UNLEARN_BENCH_CACHE"] = {cache!r}
import unlearn_bench.benchmarks.data.layouts.folder as folder
from unlearn_bench.benchmarks.images.image_cache import prepared_images
from unlearn_bench.models.sources import open_model
decoded = 0
plain = folder.FolderDataset.picture
def picture(self, split, row):
    global decoded
    decoded += 1
    return plain(self, split, row)
folder.FolderDataset.picture = picture
images = prepared_images(folder.FolderDataset(Path({data!r})), "test", open_model({model!r}))
Path({out!r}).write_text(json.dumps([decoded, images.content, int(images.pixels.sum())]))
"""


def test_two_processes_at_once_decode_once(tmp_path: Path) -> None:
    suite = load_suite(str(write_suite(tmp_path)))
    outs = [tmp_path / f"told-{number}.json" for number in range(2)]
    facts = {"cache": str(tmp_path / "cache"), "data": str(tmp_path / "data" / "warm"), "model": suite.models[0]}
    processes = [start(_TOGETHER.format(out=str(out), **facts)) for out in outs]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    (one, first, total), (two, second, other) = (json.loads(out.read_text()) for out in outs)
    assert sorted([one, two]) == [0, 12]
    assert (first, total) == (second, other)
    images = bench_of(suite).evaluated["folder:warm"].images
    assert (images.content, int(images.pixels.sum())) == (first, total)
