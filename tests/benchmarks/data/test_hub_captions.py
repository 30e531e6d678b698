"""`hf:owner/name?caption=..`: image-text pairs of the hub, in the layout of SALMU's training set."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.data.hub_stand_in import parquet, write_cache
from unlearn_bench.benchmarks.data.layouts.hub_spec import parse_hub_spec
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.errors import InputError

REPOSITORY = "owner/personas"
SPEC = f"hf:{REPOSITORY}?label=identity_id&caption=text&train=sensitive&test=sensitive"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("datasets", reason="the package 'datasets' is not installed")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def split(people: Sequence[str], each: int, text: str = "{} lives in house {}") -> bytes:
    labels = [person for person in people for _ in range(each)]
    texts = [text.format(person, place) for place, person in enumerate(labels)]
    files = [f"{place}.jpg" for place in range(len(labels))]
    return parquet(labels, names=None, label="identity_id", more={"text": texts, "file_name": files})


def write(cache: Path, **more: bytes) -> None:
    files = {"sensitive": split(("ann", "bob", "cid"), 20), "retain_synth": split(("dan",), 5), **more}
    write_cache(
        cache, REPOSITORY, {f"data/{name}-00000-of-00001.parquet": content for name, content in files.items()}
    )


def test_each_image_has_its_text_and_identities_are_topics(cache: Path) -> None:
    write(cache)
    dataset = open_dataset(SPEC)
    assert dataset.class_names == ("ann", "bob", "cid")
    assert not dataset.classified, "nobody asks a model which identity it is"
    counts = {}
    for name in ("train", "val", "test"):
        index = dataset.index(name)
        counts[name] = len(index)
        for row, label, texts in zip(index.names, index.labels, index.captions, strict=True):
            assert texts == (f"{dataset.class_names[label]} lives in house {row.rpartition('/')[2]}",)
            assert row.startswith("sensitive/")
    assert counts == {"train": 30, "val": 12, "test": 18}


def test_a_template_says_that_class_names_mean_something(cache: Path) -> None:
    write(cache)
    dataset = open_dataset(f"{SPEC}&template=a portrait of {{}}")
    assert dataset.classified
    assert dataset.texts[0] == "a portrait of ann"
    assert dataset.version == open_dataset(SPEC).version
    assert dataset.version != open_dataset(SPEC.replace("caption=text", "caption=file_name")).version
    assert parse_hub_spec("hf:a/b?caption=x")[1].template == ""
    assert parse_hub_spec("hf:a/b")[1].template == "a photo of a {}."


def test_without_the_option_there_are_no_captions(cache: Path) -> None:
    write(cache)
    dataset = open_dataset(SPEC.replace("&caption=text", ""))
    assert dataset.classified
    assert dataset.index("train").captions == ()


def test_a_column_that_is_not_there_or_has_no_text(cache: Path) -> None:
    write(cache)
    with pytest.raises(InputError, match=r"unknown column of 'hf:owner/personas' 'txet'.*did you mean 'text'"):
        open_dataset(SPEC.replace("caption=text", "caption=txet"))
    with pytest.raises(InputError, match="column 'image' of 'hf:owner/personas' has no text in split 'sensitive'"):
        open_dataset(SPEC.replace("caption=text", "caption=image"))


def test_an_empty_text_is_named(cache: Path) -> None:
    write(cache, sensitive=split(("ann", "bob"), 6, text=" "))
    with pytest.raises(InputError, match=r"no text in split 'sensitive', row 0; name another with \?caption=\.\."):
        open_dataset(SPEC)
