"""Class texts by rows of tokens: equal ones, cut ones, and those of domains, against CLIP's own tokenizer."""

from pathlib import Path

import pytest

from tests.benchmarks.support import colour_image
from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.inspection.report import examine, report_on
from unlearn_bench.benchmarks.inspection.texts import cut_texts, read_texts
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.models.sources import open_model

LONG = "the very long name of a class that goes on and on until it has said all that there is to say of all of these"
"""With `a photo of a` before it, thirty tokens: as many as the embedded models read."""


@pytest.fixture(scope="module")
def clip() -> Clip:
    return open_model("mini-rn")


def folder(root: Path, *names: str) -> Dataset:
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(3):
            colour_image("red", number).save(root / name / f"{number}.png")
    return open_dataset(f"folder:{root}")


@pytest.mark.parametrize(
    ("one", "other"),
    [("Jaguar", "jaguar"), ("salt &amp; pepper", "salt & pepper"), ("red  fox", "red fox")],
)
def test_names_that_are_one_text_to_the_tokenizer_are_refused(
    one: str, other: str, clip: Clip, tmp_path: Path
) -> None:
    """One of the two could never be recognised, whatever its pictures: its accuracy would be 0."""
    dataset = folder(tmp_path / "own", one, other, "cat")
    tokens = clip.tokenize([f"a photo of a {name}." for name in (one, other)])
    assert bool((tokens[0] == tokens[1]).all())
    report = report_on(dataset, clip)
    assert report.read is not None
    assert [[dataset.class_names[place] for place in group] for group in report.read.equal] == [sorted([one, other])]
    with pytest.raises(InputError, match="are one text to mini-rn: it makes the same tokens") as said:
        examine([dataset], clip)
    assert repr(one) in str(said.value)
    assert repr(other) in str(said.value)
    assert "rename one of them" in str(said.value)


def test_names_that_differ_are_not_refused(clip: Clip, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "own", "jaguar", "jaguars", "café", "cafe", "C", "C++")
    (report,) = examine([dataset], clip)
    assert report.read is not None
    assert report.read.equal == ()
    assert report.read.cut == ()
    assert list(report.warnings()) == []


def test_names_that_differ_beyond_the_context_are_refused(clip: Clip, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "own", f"{LONG} cats and birds", f"{LONG} dogs and birds", "cat")
    with pytest.raises(InputError, match="as it reads no more than the beginning; rename one of them"):
        examine([dataset], clip)


def test_a_cut_text_is_a_warning(clip: Clip, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "own", f"{LONG} cats and more birds", "cat", "dog")
    (report,) = examine([dataset], clip)
    (warning,) = report.warnings()
    assert "mini-rn reads only the beginning of 1 class text ('the very long" in warning
    assert "cut" in report.whole()


def test_a_text_that_just_fits_is_not_cut(clip: Clip) -> None:
    """32 places: one for the start, one for the end."""
    texts = [" ".join(["cat"] * count) for count in range(1, 35)]
    assert cut_texts(clip, texts) == tuple(range(30, 34))


def test_classes_of_other_domains_may_share_a_text(clip: Clip, tmp_path: Path) -> None:
    for domain in ("real", "photo"):  # both are called "a photo"
        folder(tmp_path / "own" / domain, "cat", "dog")
    dataset = open_dataset(f"domains:{tmp_path / 'own'}")
    assert dataset.texts[0] == dataset.texts[2]
    assert read_texts(clip, dataset).equal == ()


def test_a_template_without_the_difference_is_seen(clip: Clip, tmp_path: Path) -> None:
    dataset = folder(tmp_path / "own", "Cat", "cat", "dog")
    dataset.template = "{}"
    assert len(read_texts(clip, dataset).equal) == 1
