"""Datasets of the hub as people have them: splits of other names, classes without images, turned pictures."""

import io
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.benchmarks.data.hub_stand_in import COMMIT, parquet, write_cache
from tests.benchmarks.support import colour_image
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

NAMES = ("fox", "wolf", "lynx")
REPOSITORY = "owner/animals"

pytest.importorskip("datasets", reason="the package 'datasets' is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def turned() -> bytes:
    """A wide picture whose EXIF says that it stands on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    packed = io.BytesIO()
    colour_image("red", 0).resize((20, 10)).save(packed, "JPEG", exif=exif)
    return packed.getvalue()


def test_a_class_without_test_images_is_left_out_and_named(cache: Path) -> None:
    files = {
        "data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=NAMES),
        "data/dev-00000-of-00001.parquet": parquet([0, 2, 2], names=NAMES),
    }
    write_cache(cache, REPOSITORY, files)
    dataset = open_dataset(f"hf:{REPOSITORY}?test=dev")
    assert dataset.class_names == ("fox", "lynx")
    assert dataset.index("test").labels == (0, 1, 1)
    assert set(dataset.index("train").labels) == {0, 1}
    (left,) = dataset.left_out
    assert (left.name, left.reason, left.count) == ("wolf", "the class has no image in test", 5)
    assert "test from" in dataset.layout


def test_one_class_left_is_too_few(cache: Path) -> None:
    files = {
        "data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=NAMES),
        "data/test-00000-of-00001.parquet": parquet([1, 1], names=NAMES),
    }
    write_cache(cache, REPOSITORY, files)
    with pytest.raises(InputError, match="has 1 classes with images in train and test; two are needed"):
        open_dataset(f"hf:{REPOSITORY}")


def test_pictures_are_read_as_stored_from_every_source(cache: Path, tmp_path: Path) -> None:
    """The package `datasets` would turn them by their EXIF, and a folder's reader would not."""
    cells = [turned()] * 6
    write_cache(
        cache, REPOSITORY, {"data/train-00000-of-00001.parquet": parquet([0, 1] * 3, names=NAMES[:2], cells=cells)}
    )
    hub = open_dataset(f"hf:{REPOSITORY}")
    for name in ("fox", "wolf"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "own" / name / f"{number}.jpg").write_bytes(turned())
    folder = open_dataset(f"folder:{tmp_path / 'own'}")
    found = [dataset.picture("test", 0) for dataset in (hub, folder)]
    assert [picture.size for picture in found] == [(20, 10), (20, 10)]
    assert found[0].tobytes() == found[1].tobytes()


def test_a_program_in_the_repository_is_not_run(cache: Path, tmp_path: Path) -> None:
    """Neither where it is called as the dataset or its folder is, nor where the card asks for it."""
    sign = tmp_path / "code-ran"
    code = f"open({str(sign)!r}, 'w').close()\n".encode()
    card = b"---\nconfigs:\n- config_name: default\n  data_files: data/*.parquet\n---\n"
    files = {
        "data/train-00000-of-00001.parquet": parquet([0, 1, 2] * 5, names=NAMES),
        "data/test-00000-of-00001.parquet": parquet([0, 1, 2], names=NAMES),
        "README.md": card,
    }
    write_cache(cache, REPOSITORY, {**files, "animals.py": code, f"{COMMIT}.py": code})
    with suppress(InputError):
        assert open_dataset(f"hf:{REPOSITORY}").class_names == NAMES
    assert not sign.exists()
