"""What is understood of a folder: domains or groups, endings, links, odd names; and what is left out and named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.benchmarks.support import COLOURS, WARM, colour_image, write_colours
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset
from unlearn_bench.benchmarks.data.dataset.formats import endings, formats
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError


def classes(root: Path, *paths: str, count: int = 5) -> Path:
    """A folder with pictures at each of the paths, in a colour that goes by the path's place."""
    for place, path in enumerate(paths):
        (root / path).mkdir(parents=True)
        for number in range(count):
            colour_image(list(COLOURS)[place % 6], number).save(root / path / f"{number}.png")
    return root


def left(dataset: Dataset) -> dict[str, str]:
    return {item.name: item.reason for item in dataset.left_out}


def test_groups_that_share_one_name_are_no_domains(tmp_path: Path) -> None:
    """A bird and a machine are both called crane: one class of both would be measured as one."""
    root = classes(tmp_path, "bird/crane", "bird/robin", "machine/crane", "machine/digger")
    with pytest.raises(
        InputError, match=r"'bird/crane' and 'machine/crane' .*would both be the class 'crane'"
    ) as said:
        open_dataset(f"folder:{root}")
    assert '{"bird/crane": "NAME", "machine/crane": "OTHER"}' in str(said.value)
    (root / "classnames.json").write_text(json.dumps({"bird/crane": "crane bird", "machine/crane": "crane machine"}))
    dataset = open_dataset(f"folder:{root}")
    assert dataset.class_names == ("crane bird", "robin", "crane machine", "digger")
    assert dataset.index("test").domains == ()
    assert dataset.layout.startswith("classes in folders below 2 groups (bird, machine), which are no part of")


def test_one_class_in_every_group_is_no_domain_either(tmp_path: Path) -> None:
    root = classes(tmp_path, "bird/crane", "machine/crane", "a/flat/outdoor")
    with pytest.raises(InputError, match="would both be the class 'crane'"):
        open_dataset(f"folder:{root}")


def test_deeper_classes_keep_their_images(tmp_path: Path) -> None:
    dataset = open_dataset(f"folder:{classes(tmp_path, 'a/abbey', 'a/flat/outdoor', 'b/flat/indoor')}")
    assert dataset.class_names == ("abbey", "flat outdoor", "flat indoor")
    assert sum(len(dataset.index(split)) for split in ("train", "val", "test")) == 15


def test_domains_are_recognised_where_most_classes_are_in_all(tmp_path: Path) -> None:
    for domain in ("art", "photo", "sketch"):
        classes(tmp_path, *(f"{domain}/{name}" for name in WARM))
    classes(tmp_path, "photo/cyan")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.class_names == ("blue", "cyan", "green", "red")
    assert set(dataset.index("test").domains) == {"art", "photo", "sketch"}
    assert dataset.layout.startswith("3 domains that share their classes")


def test_images_beside_folders_of_images_are_refused(tmp_path: Path) -> None:
    root = classes(tmp_path, "dog", "dog/puppies", "cat")
    with pytest.raises(InputError, match=r"'dog' of .* holds images, and so does 'dog/puppies' below it"):
        open_dataset(f"folder:{root}")


def test_two_folders_that_are_spoken_alike_are_named(tmp_path: Path) -> None:
    root = classes(tmp_path, "light red", "light_red", "blue")
    with pytest.raises(InputError, match=r"'light red' and 'light_red' .* would both be the class 'light red'"):
        open_dataset(f"folder:{root}")


WRITTEN = {
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".pgm": "PPM",
    ".tga": "TGA",
    ".jp2": "JPEG2000",
    ".qoi": "QOI",
    ".PNG": "PNG",
    ".apng": "PNG",
    ".dib": "DIB",
    ".pcx": "PCX",
    ".ico": "ICO",
    ".mpo": "MPO",
    ".avif": "AVIF",
}


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_class_of_any_ending_that_pillow_reads_is_there(ending: str, tmp_path: Path) -> None:
    """Files with these endings made a whole class vanish without a word."""
    if ending == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow was built without AVIF")
    root = classes(tmp_path, "blue", "red")
    (root / "green").mkdir()
    picture = colour_image("green", 0, side=32)
    for number in range(5):
        shown = picture.convert("L") if ending == ".pgm" else picture
        try:
            shown.save(root / "green" / f"{number}{ending}", WRITTEN[ending])
        except (OSError, KeyError) as error:
            pytest.skip(f"this Pillow writes no {WRITTEN[ending]} ({error})")
    dataset = open_dataset(f"folder:{root}")
    assert dataset.class_names == ("blue", "green", "red")
    rows = [row for row, label in enumerate(dataset.index("test").labels) if label == 1]
    seen = np.asarray(dataset.picture("test", rows[0]).convert("RGB")).mean((0, 1))
    expected = np.asarray(picture.convert("L").convert("RGB") if ending == ".pgm" else picture).mean((0, 1))
    assert np.abs(seen - expected).max() < 12
    assert dataset.left_out == ()


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    root = classes(tmp_path, "blue", "red")
    (root / "red" / "notes.txt").write_text("x")
    (root / "red" / "clip.mp4").write_bytes(b"x")
    (root / "red" / "   ").write_bytes(b"x")
    (root / "red" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(root / "red" / "pipe.png")
    (root / "red" / ".hidden.png").write_bytes(b"x")
    (root / "red" / "up").symlink_to(root)
    (root / "red" / "top").symlink_to("/")
    (root / " ").mkdir()
    colour_image("cyan", 0).save(root / " " / "a.png")
    colour_image("cyan", 0).save(root / "loose.png")
    dataset = open_dataset(f"folder:{root}")
    assert dataset.class_names == ("blue", "red")
    assert left(dataset) == {
        " ": "a folder whose name is blank",
        "loose.png": "not in a folder of a class",
        "red/   ": "no ending",
        "red/clip.mp4": "the ending .mp4 is not one of pictures",
        "red/gone.png": "a link to nothing",
        "red/notes.txt": "the ending .txt is not one of pictures",
        "red/pipe.png": "no regular file",
        "red/top": "a link to a folder that holds it",
        "red/up": "a link to a folder that holds it",
    }


def test_links_to_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    store = classes(tmp_path / "store", "one", "two")
    (tmp_path / "own").mkdir()
    for name in ("one", "two"):
        (tmp_path / "own" / name).symlink_to(store / name)
    dataset = open_dataset(f"folder:{tmp_path / 'own'}")
    assert dataset.class_names == ("one", "two")
    assert [len(dataset.index(split)) for split in ("train", "val", "test")] == [4, 2, 4]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """Today a traceback: such a file has a name that can't be hashed or written as it is."""
    root = classes(tmp_path, "blue", "red")
    os.rename(root / "red" / "0.png", os.fsencode(root / "red") + b"/caf\xe9.png")
    dataset = open_dataset(f"folder:{root}")
    names = {name for split in ("train", "val", "test") for name in dataset.index(split).names}
    assert "red/caf\\xe9.png" in names
    assert len(dataset.version) == 16
    json.dumps(sorted(names)).encode()
    for split in ("train", "val", "test"):
        for row in range(len(dataset.index(split))):
            assert dataset.picture(split, row).size == (10, 10)
    os.rename(root / "blue", os.fsencode(root) + b"/caf\xe9")
    with pytest.raises(InputError, match=r"class folder 'caf\\\\xe9' of .* has a name that is no UTF-8; rename it"):
        open_dataset(f"folder:{root}")
    (root / "classnames.json").write_text(json.dumps({"caf\\xe9": "café"}))
    assert open_dataset(f"folder:{root}").class_names == ("café", "red")


def test_a_broken_picture_with_such_a_name_is_named(tmp_path: Path) -> None:
    root = classes(tmp_path, "blue", "red")
    for path in (root / "red").iterdir():
        path.unlink()
    for number in range(5):
        Path(os.fsdecode(os.fsencode(root / "red") + f"/{number}".encode() + b"\xff.png")).write_bytes(b"no picture")
    dataset = open_dataset(f"folder:{root}")
    row = dataset.index("test").labels.index(1)
    with pytest.raises(BadImageError, match=r"\\\\xff.png' can't be read"):
        dataset.picture("test", row)


def test_no_format_that_starts_a_program_is_read(tmp_path: Path) -> None:
    """PostScript called .jpg would start Ghostscript."""
    assert not {"EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "PDF"} & set(formats())
    assert not {".eps", ".ps", ".wmf", ".pdf", ".mpg", ".h5"} & endings()
    root = classes(tmp_path / "own", "blue", "red")
    page = tmp_path / "page.eps"
    colour_image("red", 0).save(page, "EPS")
    with Image.open(page) as opened:
        assert opened.format == "EPS"  # it is one
    for number in range(5):
        (root / "red" / f"{number}.png").unlink()
        (root / "red" / f"{number}.jpg").write_bytes(page.read_bytes())
    (root / "red" / "page.eps").write_bytes(page.read_bytes())
    dataset = open_dataset(f"folder:{root}")
    assert left(dataset) == {"red/page.eps": "the ending .eps is not one of pictures"}
    with pytest.raises(BadImageError, match="cannot identify image file"):
        dataset.picture("test", dataset.index("test").labels.index(1))


@pytest.mark.parametrize(
    ("size", "why"), [((20000, 1), "one side is over 400 times"), ((60000, 6000), "exceeds limit of")]
)
def test_a_small_file_may_not_take_gigabytes(size: tuple[int, int], why: str, tmp_path: Path) -> None:
    """The first is 138 bytes, and 4 GB once its shorter side is 224 pixels."""
    root = classes(tmp_path / "own", "blue", "red")
    bomb = tmp_path / "bomb.png"
    Image.new("1", size).save(bomb)
    for number in range(5):
        (root / "red" / f"{number}.png").write_bytes(bomb.read_bytes())
    dataset = open_dataset(f"folder:{root}")
    with pytest.raises(BadImageError, match=why):
        dataset.picture("test", dataset.index("test").labels.index(1))


def test_a_strip_is_read(tmp_path: Path) -> None:
    root = classes(tmp_path, "blue", "red")
    for number in range(5):
        Image.new("RGB", (1200, 3), "red").save(root / "red" / f"{number}.png")
    dataset = open_dataset(f"folder:{root}")
    assert dataset.picture("test", dataset.index("test").labels.index(1)).size == (1200, 3)


def test_a_blank_class_name_is_refused(tmp_path: Path) -> None:
    root = write_colours(tmp_path)
    (root / "classnames.json").write_text('{"red": "  "}')
    with pytest.raises(InputError, match="gives the folder 'red' a blank for a name"):
        open_dataset(f"folder:{root}")
