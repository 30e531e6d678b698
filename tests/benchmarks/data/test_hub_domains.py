"""`hf:owner/name?domain=..`: datasets of the hub whose classes are parted by a column."""

from pathlib import Path

import pytest

from tests.benchmarks.data.hub_stand_in import parquet, write_cache
from unlearn_bench.benchmarks.data.layouts.hub_spec import parse_hub_spec
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

NAMES = ("giraffe", "dog", "alarm_clock")
DOMAINS = ("photo", "sketch")
REPOSITORY = "owner/parted"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("datasets", reason="the package 'datasets' is not installed")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def one_split(count: int = 10) -> dict[str, bytes]:
    labels = [label for label in range(3) for _ in range(2 * count)]
    domains = [DOMAINS[place % 2] for place in range(len(labels))]
    return {"data/train-00000-of-00001.parquet": parquet(labels, names=NAMES, more={"style": domains})}


def test_labels_are_classes_in_domains(cache: Path) -> None:
    write_cache(cache, REPOSITORY, one_split())
    plain, parted = open_dataset(f"hf:{REPOSITORY}"), open_dataset(f"hf:{REPOSITORY}?domain=style")
    assert plain.class_names == ("giraffe", "dog", "alarm clock")
    assert plain.domain_labels is None
    assert parted.class_names == (
        "giraffe@photo",
        "dog@photo",
        "alarm clock@photo",
        "giraffe@sketch",
        "dog@sketch",
        "alarm clock@sketch",
    )
    assert parted.texts[5] == "a sketch of a alarm clock."
    assert parted.version != plain.version
    assert set(parted.forget_classes) <= set(plain.class_names)
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        index = parted.index(split)  # type: ignore[arg-type]
        assert [index.labels.count(label) for label in range(6)] == [count] * 6
        assert index.domains == tuple(parted.class_names[label].split("@")[1] for label in index.labels)
        rows = [int(name.rpartition("/")[2]) for name in index.names]
        assert index.labels == tuple(row // 20 + 3 * (row % 2) for row in rows)
    assert parted.canonical(["*@sketch"]) == ("*@sketch",)


def test_a_class_that_a_domain_lacks(cache: Path) -> None:
    files = {"data/train-00000-of-00001.parquet": parquet([0, 1, 1, 2], names=NAMES, more={"style": "abab"})}
    write_cache(cache, REPOSITORY, files)
    dataset = open_dataset(f"hf:{REPOSITORY}?domain=style&template=a {{}} of {{domain}}")
    assert dataset.class_names == ("giraffe@a", "dog@a", "dog@b", "alarm clock@b")
    assert dataset.texts[2] == "a dog of a b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("domain=stile", r"unknown column of 'hf:owner/parted' 'stile'; .*did you mean 'style'"),
        (
            "domain=image",
            r"column 'image' of 'hf:owner/parted' holds Image, not a domain; name another with \?domain=",
        ),
    ],
)
def test_columns_that_do_not_fit(options: str, message: str, cache: Path) -> None:
    write_cache(cache, REPOSITORY, one_split())
    with pytest.raises(InputError, match=message):
        open_dataset(f"hf:{REPOSITORY}?{options}")


def test_one_domain_is_none(cache: Path) -> None:
    files = {"data/train-00000-of-00001.parquet": parquet([0, 1, 1, 2], names=NAMES, more={"style": ["a"] * 4})}
    write_cache(cache, REPOSITORY, files)
    with pytest.raises(InputError, match=r"has 1 domains with images \(a\); at least two are needed"):
        open_dataset(f"hf:{REPOSITORY}?domain=style")


def test_the_template_names_the_domain_unless_told() -> None:
    assert parse_hub_spec("hf:a/b")[1].template == "a photo of a {}."
    assert parse_hub_spec("hf:a/b?domain=x")[1].template == "{domain} of a {}."
    assert parse_hub_spec("hf:a/b?domain=x&template=one {}")[1].template == "one {}"
