"""`domains:/path`: made-up trees in the three layouts, PACS's real files, and what is refused."""

import shutil
from pathlib import Path

import pytest

from tests.benchmarks.data.photo_trees import USED, colour_of, shared, write_photo
from unlearn_bench.benchmarks.data.dataset.base import BadImageError, Dataset
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

CLASSES, DOMAINS = ("alarm_clock", "dog", "house"), ("art_painting", "sketch")


def write_tree(root: Path, count: int = 10) -> Path:
    for domain in DOMAINS:
        for label, name in enumerate(CLASSES):
            for number in range(count):
                write_photo(root / domain / name / f"pic_{number:03}.jpg", label)
    return root


def names_of(dataset: Dataset) -> dict[str, set[str]]:
    return {split: set(dataset.index(split).names) for split in USED}


def test_a_tree(tmp_path: Path) -> None:
    dataset = open_dataset(f"domains:{write_tree(tmp_path / 'tree')}")
    assert dataset.name == "domains:tree"
    assert dataset.class_names == (
        "alarm clock@art_painting",
        "dog@art_painting",
        "house@art_painting",
        "alarm clock@sketch",
        "dog@sketch",
        "house@sketch",
    )
    assert dataset.texts[0] == "a painting of a alarm clock."
    assert dataset.texts[4] == "a sketch of a dog."
    assert dataset.template == "{domain} of a {}."
    assert {split: len(names) for split, names in names_of(dataset).items()} == {"train": 30, "val": 12, "test": 18}
    assert len(dataset.index("pretrain")) == 0
    assert dataset.split_name == "hash-50-20-30"
    for split in USED:
        index = dataset.index(split)
        for row, (label, domain, name) in enumerate(zip(index.labels, index.domains, index.names, strict=True)):
            class_name = dataset.class_names[label]
            assert class_name.endswith(f"@{domain}")
            assert name.startswith(f"{domain}/")
            shown = dataset.picture(split, row).getpixel((5, 5))
            expected = colour_of(label % 3)
            assert all(abs(one - other) < 6 for one, other in zip(shown, expected, strict=True))  # type: ignore[arg-type]


def test_each_class_in_each_domain_is_cut_alike(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    dataset = open_dataset(f"domains:{root}")
    counts = [[dataset.index(split).labels.count(label) for split in USED] for label in range(6)]
    assert counts == [[5, 2, 3]] * 6
    before = names_of(dataset)
    write_photo(root / "cartoon" / "dog" / "pic_000.jpg", 1)  # another domain moves no file of these
    after = names_of(open_dataset(f"domains:{root}"))
    assert all(before[split] <= after[split] for split in USED)


def test_a_class_may_be_missing_in_a_domain(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    shutil.rmtree(root / "sketch" / "house")
    dataset = open_dataset(f"domains:{root}")
    assert "house@sketch" not in dataset.class_names
    assert dataset.canonical(["house"]) == ("house",)
    assert dataset.labels(["house"]) == (2,)
    with pytest.raises(InputError, match="class 'house' of 'domains:tree' has no images in domain 'sketch'"):
        dataset.labels(["house@sketch"])


@pytest.mark.parametrize("with_val", [False, True])
def test_folders_of_splits(with_val: bool, tmp_path: Path) -> None:
    write_tree(tmp_path / "tree" / "train", count=10)
    write_tree(tmp_path / "tree" / "test", count=2)
    if with_val:
        write_tree(tmp_path / "tree" / "val", count=1)
    dataset = open_dataset(f"domains:{tmp_path / 'tree'}")
    counts = {split: len(names) for split, names in names_of(dataset).items()}
    assert counts == ({"train": 60, "val": 6, "test": 12} if with_val else {"train": 48, "val": 12, "test": 12})
    assert dataset.split_name == "folders"
    assert dataset.class_names[0] == "alarm clock@art_painting"


def write_lists(root: Path, *, test: int = 2, train: int = 10) -> None:
    for domain in DOMAINS:
        for split, numbers in (("test", range(test)), ("train", range(2, train))):
            lines = [
                f"{domain}/{name}/pic_{number:03}.jpg {label}"
                for label, name in enumerate(CLASSES)
                for number in numbers
            ]
            (root / f"{domain}_{split}.txt").write_text("\n".join(lines) + "\n")


def test_lists_beside_the_domains(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    whole = open_dataset(f"domains:{root}").version
    write_lists(root, train=7)
    dataset = open_dataset(f"domains:{root}")
    names = names_of(dataset)
    assert names["test"] == {f"{d}/{c}/pic_{n:03}.jpg" for d in DOMAINS for c in CLASSES for n in (0, 1)}
    assert names["train"] | names["val"] == {
        f"{d}/{c}/pic_{n:03}.jpg" for d in DOMAINS for c in CLASSES for n in range(2, 7)
    }
    assert not names["train"] & names["val"]
    assert dataset.split_name == "listed"
    assert dataset.version != whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "sketch/dog/pic_000.jpg").unlink(), "sketch_test.txt', line 3, names 'sketch/dog"),
        (lambda root: write_lists(root, test=4), "12 images in train and test, 'art_painting/alarm_clock/pic_002"),
    ],
)
def test_lists_that_do_not_fit(change: object, message: str, tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    write_lists(root)
    change(root)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        open_dataset(f"domains:{root}")


def test_templates_and_phrases(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    usual = open_dataset(f"domains:{root}")
    dataset = open_dataset(f"domains:{root}?template=this is {{domain}}: a {{}}&sketch=a pencil drawing")
    assert dataset.texts[0] == "this is a painting: a alarm clock"
    assert dataset.texts[4] == "this is a pencil drawing: a dog"
    assert dataset.version != usual.version  # the template stands in the record, the phrases only here
    assert open_dataset(f"domains:{root}?template=a {{}}.").version == usual.version
    assert open_dataset(f"domains:{root}?template=a {{}}.").texts[1] == "a dog."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("template=a thing", "needs one {} for the class, and may hold {domain}"),
        ("template={} and {}", "needs one {} for the class"),
        ("template={style} of a {}", "needs one {} for the class"),
        ("template=a {} }", "needs one {} for the class"),
        ("skech=a drawing", "unknown domain of 'domains:tree' 'skech'; known: art_painting, sketch; did you mean"),
    ],
)
def test_options_that_do_not_fit(options: str, message: str, tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    with pytest.raises(InputError) as caught:
        open_dataset(f"domains:{root}?{options}")
    assert message in str(caught.value)


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    def message(root: Path) -> str:
        with pytest.raises(InputError) as caught:
            open_dataset(f"domains:{root}")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no folder at" in message(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no images in <domain>/<class>/ folders" in message(tmp_path / "empty")
    root = write_tree(tmp_path / "tree")
    (root / "cartoon" / "dog").mkdir(parents=True)
    assert "domain 'cartoon' in" in message(root)
    assert "remove it, or put <class>/ folders there" in message(root)
    assert "domain 'alarm_clock' in" in message(root / "sketch")
    assert "folder:/path is for <class>/image" in message(root / "sketch")
    shutil.rmtree(root / "cartoon")
    shutil.rmtree(root / "sketch")
    assert "has 1 domains with images (art_painting); at least two" in message(root)


def test_class_names_of_ones_own(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    (root / "classnames.json").write_text('{"dog": "puppy"}')
    assert open_dataset(f"domains:{root}").class_names[4] == "puppy@sketch"
    (root / "classnames.json").write_text('{"dog": "house"}')
    with pytest.raises(InputError, match=r"two class folders .* have one name"):
        open_dataset(f"domains:{root}")


def test_the_version_sees_names_and_sizes(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    versions = {open_dataset(f"domains:{root}").version}
    with (root / "sketch" / "dog" / "pic_003.jpg").open("ab") as handle:
        handle.write(b"x")
    versions.add(open_dataset(f"domains:{root}").version)
    (root / "sketch" / "dog" / "pic_003.jpg").rename(root / "sketch" / "dog" / "pic_003b.jpg")
    versions.add(open_dataset(f"domains:{root}").version)
    assert len(versions) == 3
    assert all(version.startswith("hash-50-20-30-") for version in versions)


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "tree")
    (root / "sketch" / "dog" / "pic_000.jpg").write_bytes(b"not a picture")
    dataset = open_dataset(f"domains:{root}")
    split, row = next(
        (split, row)
        for split in USED
        for row, name in enumerate(dataset.index(split).names)
        if name == "sketch/dog/pic_000.jpg"
    )
    with pytest.raises(BadImageError, match=r"sketch/dog/pic_000\.jpg"):
        dataset.picture(split, row)


def test_pacs() -> None:
    dataset = open_dataset(f"domains:{shared('pacs')}")
    assert dataset.name == "domains:pacs"
    assert len(dataset.class_names) == 28
    assert dataset.domain_labels is not None
    assert dataset.domain_labels.domain_list == ("art_painting", "cartoon", "photo", "sketch")
    assert dataset.domain_labels.class_list == ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert dataset.canonical(["dog@sketch", "*@photo", "dog"]) == ("*@photo", "dog")
    assert dataset.texts[dataset.label("guitar@art_painting")] == "a painting of a guitar."
    assert dataset.texts[dataset.label("guitar@cartoon")] == "a cartoon of a guitar."
    assert sum(len(dataset.index(split)) for split in USED) == 560
    for split, count in zip(USED, (10, 4, 6), strict=True):
        assert [dataset.index(split).labels.count(label) for label in range(28)] == [count] * 28
    sizes = {dataset.picture("test", row).size for row in range(0, 168, 20)}
    assert sizes == {(227, 227)}
