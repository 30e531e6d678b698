"""`captions:/path`: the layouts that people have, topics, splits, and what is refused; then a run on pairs."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.support import (
    CONDITIONS,
    Call,
    colour_image,
    is_one_error,
    write_colours,
    write_method,
    write_model,
)
from unlearn_bench.benchmarks.data.dataset.base import SPLITS, Dataset
from unlearn_bench.benchmarks.data.layouts.caption_files import CaptionFiles, names_topic, read_captions
from unlearn_bench.benchmarks.data.sources import open_dataset, with_topics
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.errors import InputError

COLOURS = ("red", "green", "blue")


def captions_of(number: int) -> list[str]:
    """Two captions of image `number`: its colour, and for every fourth a dog."""
    colour = COLOURS[number % 3]
    return [f"A {colour} wall, seen from afar.", f"Two people and a {colour} {'Dog' if number % 4 == 0 else 'bench'}"]


def write_images(folder: Path, count: int = 40) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        colour_image(COLOURS[number % 3], seed=number).save(folder / f"{number:03}.jpg")
    return folder


def token(count: int = 40) -> str:
    return "".join(f"{n:03}.jpg#{i}\t{text}\n" for n in range(count) for i, text in enumerate(captions_of(n)))


def table(count: int = 40) -> str:
    lines = [f'{n:03}.jpg,"{text}"\n' for n in range(count) for text in captions_of(n)]
    return "image,caption\n" + "".join(lines)


def pipes(count: int = 40) -> str:
    lines = [f"{n:03}.jpg| {i}| {text}\n" for n in range(count) for i, text in enumerate(captions_of(n))]
    return "image_name| comment_number| comment\n" + "".join(lines)


def karpathy(count: int = 40) -> str:
    splits = ("train", "restval", "val", "test")
    images = [
        {"filename": f"{n:03}.jpg", "split": splits[n % 4], "sentences": [{"raw": text} for text in captions_of(n)]}
        for n in range(count)
    ]
    return json.dumps({"images": images, "dataset": "flickr30k"})


LAYOUTS = {
    "results_20130124.token": token,
    "captions.txt": table,
    "results.csv": pipes,
    "dataset_flickr30k.json": karpathy,
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "flickr" / "images")


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_says_the_same(name: str, images: Path) -> None:
    (images.parent / name).write_text(LAYOUTS[name]())
    captions, splits = read_captions(images.parent / name)
    assert captions == {f"{n:03}.jpg": tuple(captions_of(n)) for n in range(40)}
    assert len(splits) == (40 if name.endswith("json") else 0)
    for spec in (f"captions:{images}?topic=red", f"captions:{images}?topic=red&captions={name}"):
        dataset = open_dataset(spec)
        assert dataset.name == "captions:images"
        assert dataset.class_names == ("red", "anything else")
        assert sum(len(dataset.index(split)) for split in SPLITS) == 40


def test_karpathys_splits(images: Path) -> None:
    (images / "captions.json").write_text(karpathy())
    dataset = open_dataset(f"captions:{images}?captions=captions.json&topic=dog")
    assert dataset.split_name == "karpathy"
    assert [len(dataset.index(split)) for split in SPLITS] == [0, 20, 10, 10]
    assert dataset.index("test").names == tuple(f"{n:03}.jpg" for n in range(3, 40, 4))


def test_without_splits_topics_move_no_image(images: Path) -> None:
    (images.parent / "captions.txt").write_text(table())
    one, two = (open_dataset(f"captions:{images}?topic={topic}") for topic in ("red", "dog"))
    assert [len(one.index(split)) for split in SPLITS] == [0, 20, 8, 12]
    assert one.split_name == "hash-50-20-30"
    for split in SPLITS:
        assert one.index(split).names == two.index(split).names
    assert one.pictures == two.pictures
    assert one.version != two.version


def shown(dataset: Dataset, names: list[str]) -> set[str]:
    wanted = set(dataset.labels(names))
    found = [dataset.index(split) for split in SPLITS]
    return {name for index in found for name, label in zip(index.names, index.labels, strict=True) if label in wanted}


def test_an_image_belongs_to_all_of_its_topics(images: Path) -> None:
    (images.parent / "captions.txt").write_text(table())
    dataset = open_dataset(f"captions:{images}?topic=dog&topic=red")
    assert dataset.class_names == ("dog", "red", "dog & red", "anything else")
    assert dataset.forget_classes == ("dog", "red")
    assert dataset.choices == ("dog", "red")
    dogs, reds = {f"{n:03}.jpg" for n in range(0, 40, 4)}, {f"{n:03}.jpg" for n in range(0, 40, 3)}
    assert shown(dataset, ["dog"]) == dogs
    assert shown(dataset, ["red"]) == reds
    assert shown(dataset, ["red", "dog"]) == dogs | reds
    assert dataset.canonical(["dog"]) == ("dog",)
    for split in SPLITS:  # what is kept never names what is forgotten
        index = dataset.index(split)
        for name, texts in zip(index.names, index.captions, strict=True):
            assert any(names_topic(text, "dog") for text in texts) == (name in dogs)
    with pytest.raises(InputError, match=r"unknown topic of 'captions:images' 'dgo'; known: dog, red; did you mean"):
        dataset.labels(["dgo"])


@pytest.mark.parametrize(
    ("caption", "topic", "found"),
    [
        ("A Dog runs", "dog", True),
        ("Two dogs run", "dog", False),
        ("a hot-dog stand", "dog", True),
        ("a golden  retriever", "Golden retriever", True),
        ("a golden one, a retriever", "golden retriever", False),
        ("c++ on a wall", "c++", True),
    ],
)
def test_topics_are_whole_words(caption: str, topic: str, found: bool) -> None:
    assert names_topic(caption, topic) is found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table() + '044.jpg,"A wall"\n', "names 1 images that are not in"),
        (table() + "003.jpg,\n", "captions.txt', line 82: no caption; mend it"),
        (table() + "003.jpg\n", "captions.txt', line 82: no caption; mend it"),
        (token() + "003.jpg\tA wall\n", "captions.txt', line 81: no caption; mend it"),
        (token() + "003.jpg#2\t \n", "captions.txt', line 81: no caption; mend it"),
        (pipes() + "003.jpg| 4   A dog runs .\n", "captions.txt', line 82: no caption; mend it"),
        ("file,words\n001.jpg,A wall\n", "begins with 'file,words'; expected the columns image,caption or"),
        ("", "begins with ''; expected the columns"),
        ("image,caption\n", "holds no captions"),
    ],
)
def test_files_that_do_not_fit(text: str, message: str, images: Path) -> None:
    (images.parent / "captions.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        open_dataset(f"captions:{images}?topic=red")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read"),
        ("[]", "has no list 'images'; expected Karpathy's JSON"),
        (
            '{"images": [{"filename": "000.jpg", "split": "test"}]}',
            "images[0]: expected filename, split and sentences",
        ),
        (
            '{"images": [{"filename": "000.jpg", "split": "other", "sentences": [{"raw": "a"}]}]}',
            "images[0]: expected",
        ),
        (
            '{"images": [{"filename": "000.jpg", "split": "test", "sentences": [{"raw": ""}]}]}',
            "images[0]: no caption",
        ),
        ('{"images": [{"split": "test", "sentences": [{"raw": "a"}]}]}', "images[0]: no image"),
    ],
)
def test_json_that_does_not_fit(text: str, message: str, images: Path) -> None:
    (images.parent / "dataset_flickr30k.json").write_text(text)
    with pytest.raises(InputError) as caught:
        open_dataset(f"captions:{images}?topic=red")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "'captions:images' names no topic; add ?topic=WORD, or --classes WORD"),
        ("?topic=gren", "no caption of 'captions:images' has the words 'gren'; near it are green"),
        ("?topics=red", "unknown option of captions:"),
        ("?topic=red&captions=other.txt", "no captions (other.txt) beside"),
        ("?topic=red&template=a thing", "needs one {} for the class"),
        ("?topic=red&template={} of {x}", "needs one {} for the class"),
    ],
)
def test_options_that_do_not_fit(options: str, message: str, images: Path) -> None:
    (images.parent / "captions.txt").write_text(table())
    with pytest.raises(InputError) as caught:
        open_dataset(f"captions:{images}{options}")
    assert message in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder at"):
        CaptionFiles(tmp_path / "nowhere", tmp_path / "captions.txt", topics=["red"])


def test_topics_come_from_what_is_forgotten() -> None:
    assert with_topics("captions:/a?topic=x", ["dog"]) == "captions:/a?topic=x"
    assert with_topics("folder:/a", ["dog"]) == "folder:/a"
    assert with_topics("captions:/a", []) == "captions:/a"
    assert with_topics("captions:/a?captions=b", ["captions:a/red car+dog"]).endswith("=b&topic=red+car&topic=dog")


SEEN = """
shown, kept = request.forget_examples, request.retain_examples
request.report(len(shown), forget="|".join(c.name for c in request.forget), texts="|".join(shown.texts))
request.report(len(kept), retain="|".join(c.name for c in request.retain), texts="|".join(kept.texts))
return clip
"""


@pytest.fixture
def path(images: Path, tmp_path: Path) -> Path:
    """A suite over the captioned images and plain cold colours, without topics."""
    (images.parent / "captions.txt").write_text(table())
    cold = write_colours(tmp_path / "cold", ["cyan", "yellow", "magenta"])
    found = tmp_path / "pairs.toml"
    found.write_text(
        f'models = ["{write_model(tmp_path)}"]\n'
        f'datasets = ["captions:{images}", "folder:{cold}"]\n'
        'metrics = ["accuracy", "average-score", "retrieval", "pair-retrieval", "seconds"]\n'
    )
    return found


def test_a_run_on_pairs(path: Path, tmp_path: Path) -> None:
    suite = load_suite(str(path))
    choice = Choice(methods=[write_method(tmp_path, SEEN, access="not-ZS")], classes=["red", "cyan"])
    (setting,) = settings_for(suite, replace_classes(choice, ["red"]), device="cpu", skip_bad=False)
    bench = open_workbench(setting)
    cells = cells_for(suite, choice, bench)
    assert [(cell.run.dataset, cell.run.forget) for cell in cells] == [
        ("captions:images", ("red",)),
        ("folder:cold", ("cyan",)),
    ]
    pairs, plain = (run_cell(cell, bench, CONDITIONS) for cell in cells)
    assert pairs.record.status == "ok", pairs.record.reason
    forgot, kept = pairs.history
    assert forgot["forget"] == "red"
    assert kept["retain"] == "anything else"
    assert all("red wall" in text for text in str(forgot["texts"]).split("|"))  # the first of its own captions
    assert not any("red" in text for text in str(kept["texts"]).split("|"))
    # No class text parts these images, so nothing is said of classes; pairs and costs are measured.
    assert {item.metric for item in pairs.record.measurements} == {"pair-retrieval", "seconds"}
    target = pairs.record.find("pair-retrieval", group="ift@5/target")
    other = pairs.record.find("pair-retrieval", group="ift@5/other")
    assert target is not None
    assert other is not None
    assert (target.n + other.n) == 2 * 12  # two captions each
    assert plain.record.status == "ok", plain.record.reason
    assert {item.dataset for item in plain.record.measurements if item.metric == "accuracy"} == {"folder:cold"}
    assert plain.record.find("pair-retrieval", group="tfi@1/all") is not None


def replace_classes(choice: Choice, classes: list[str]) -> Choice:
    return Choice(methods=choice.methods, classes=classes)


def test_other_topics_decode_no_image_again(path: Path, tmp_path: Path) -> None:
    suite, choice = load_suite(str(path)), Choice(methods=["identity"], classes=["red"])
    (setting,) = settings_for(suite, choice, device="cpu", skip_bad=False)
    first = open_workbench(setting).evaluated["captions:images"].images
    caches = sorted((tmp_path / "cache" / "images").iterdir())
    (setting,) = settings_for(suite, replace_classes(choice, ["dog"]), device="cpu", skip_bad=False)
    bench = open_workbench(setting)
    second = bench.evaluated["captions:images"].images
    assert sorted((tmp_path / "cache" / "images").iterdir()) == caches
    assert first.names == second.names
    assert first.labels.tolist() != second.labels.tolist()
    assert second.labels.tolist() == list(bench.evaluated["captions:images"].dataset.index("test").labels)


def test_from_the_command_line(path: Path, call: Call, tmp_path: Path) -> None:
    usual = ("--suite", path, "--methods", "identity", "--jobs", 1, "--out", tmp_path / "out")
    assert call("run", *usual, "--classes", "dog", "--limit", 1).code == 0
    text = (tmp_path / "out" / "leaderboard.md").read_text()
    assert "Retrieval of pairs, text from image" in text
    is_one_error(call("run", *usual), "names no topic")
    is_one_error(call("run", *usual, "--classes", "gren"), "has the words 'gren'; near it are green")
    assert "captions:/path" in call("list", "datasets").out


def test_what_is_left_out_is_named(images: Path, tmp_path: Path, call: Call) -> None:
    """Pictures without a line, files that are no pictures, links to nothing, pictures in a folder below."""
    captions = images / "captions.txt"
    captions.write_text(table())
    colour_image("red", seed=1).save(images / "spare.jpg")
    (images / "notes.md").write_text("x")
    write_colours(images / "more", ("red",), count=2)
    (images / "007.jpg").unlink()
    (images / "007.jpg").symlink_to(tmp_path / "nowhere.jpg")
    dataset = CaptionFiles(images, captions, topics=["dog"])
    left = {item.name: (item.reason, item.count) for item in dataset.left_out}
    assert left == {
        "007.jpg": ("a link to nothing", 1),
        "more/red": ("below the folder of the images", 2),
        "notes.md": ("the ending .md is not one of pictures", 1),
        "spare.jpg": ("no line of 'captions.txt' names it", 1),
    }
    assert "007.jpg" not in {name for split in SPLITS for name in dataset.index(split).names}
    assert dataset.version  # the link is not looked at
    said = call("inspect", f"captions:{images}?captions=captions.txt&topic=dog", "--out", tmp_path / "data.md")
    assert said.code == 0, said
    assert "images with 78 captions from 'captions.txt'; cut by a hash of the names" in said.out
    assert "left out: 'spare.jpg': no line of 'captions.txt' names it (1 file)" in said.out
    assert "| notes.md" in (tmp_path / "data.md").read_text()


def test_a_folder_of_links_to_nothing(images: Path) -> None:
    (images.parent / "captions.txt").write_text(table(2))
    for number in range(2):
        (images / f"{number:03}.jpg").unlink()
        (images / f"{number:03}.jpg").symlink_to(images / "nowhere.jpg")
    with pytest.raises(InputError, match="names 2 images, and none of them is a file in"):
        CaptionFiles(images, images.parent / "captions.txt", topics=["dog"])
