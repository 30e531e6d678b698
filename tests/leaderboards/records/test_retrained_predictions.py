"""The files with what retrained models predict: written, found, and refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import EvaluationSet
from unlearn_bench.leaderboards.records.retrained_predictions import (
    FOLDER,
    Predicted,
    Retrained,
    find_retrained,
    read_retrained,
    retrained_file,
    write_retrained,
)

SEEN = Predicted(
    name="mini-digits",
    version="1",
    split="test",
    template="a photo of a {}.",
    content="c0ffee",
    accuracy=0.75,
    predictions=(3, 0, 12),
)
MODEL = Retrained(
    model="mini-rn",
    fingerprint="0123",
    dataset="mini-digits",
    forget=("digit two", "digit seven"),
    weights="4567",
    accuracy_of_forgotten={"digit two": 0.5, "digit seven": 0.25},
    recipe={"epochs": 12, "without": ["mini-digits/digit two", "mini-digits/digit seven"]},
    evaluated=(SEEN, replace(SEEN, name="mini-shapes", predictions=())),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_retrained(MODEL, folder=tmp_path)
    assert path == tmp_path / "mini-rn" / "mini-digits-digit-seven+digit-two.json"
    assert read_retrained(path) == MODEL
    lines = path.read_text().splitlines()
    assert sum('"predictions"' in line for line in lines) == 2, "a dataset a line, so that a change can be read"


def test_found_for_the_same_model_and_classes_in_any_order(tmp_path: Path) -> None:
    write_retrained(MODEL, folder=tmp_path)

    def find(**changes: object) -> Retrained | None:
        wanted = {"fingerprint": "0123", "dataset": "mini-digits", "forget": ("digit seven", "digit two")} | changes
        return find_retrained("mini-rn", folder=tmp_path, **wanted)  # type: ignore[arg-type]

    assert find() == MODEL
    assert find(fingerprint="other") is None
    assert find(forget=("digit seven",)) is None
    assert find(dataset="mini-shapes") is None
    assert find_retrained("mini-vit", fingerprint="0123", dataset="mini-digits", forget=(), folder=tmp_path) is None


def test_two_names_of_one_file_stem_are_not_taken_for_each_other(tmp_path: Path) -> None:
    write_retrained(replace(MODEL, forget=("digit-two", "digit seven")), folder=tmp_path)
    assert (
        find_retrained("mini-rn", fingerprint="0123", dataset="mini-digits", forget=MODEL.forget, folder=tmp_path)
        is None
    )


@pytest.mark.parametrize("text", ["", "{}", '{"evaluated": [{"name": 1}]}', '{"evaluated": 3}'])
def test_a_broken_file_is_named(text: str, tmp_path: Path) -> None:
    path = retrained_file("mini-rn", "mini-digits", MODEL.forget, folder=tmp_path)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match=r"holds no predictions of a retrained model .* write it again with"):
        find_retrained("mini-rn", fingerprint="0123", dataset="mini-digits", forget=MODEL.forget, folder=tmp_path)


def test_predictions_fit_the_same_images_and_texts_alone() -> None:
    item = EvaluationSet(name="mini-digits", version="1", split="test", template="a photo of a {}.")
    assert SEEN.fits(item, SEEN.content)
    assert not SEEN.fits(item, "other")
    for other in (replace(item, version="2"), replace(item, split="val"), replace(item, template="{}")):
        assert not SEEN.fits(other, SEEN.content)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.json")), ids=lambda path: path.stem)
def test_published_files_stand_where_they_are_looked_for(path: Path) -> None:
    found = read_retrained(path)
    assert path == retrained_file(found.model, found.dataset, found.forget)
    assert {part.split for part in found.evaluated} == {"test"}
    assert set(found.accuracy_of_forgotten) == set(found.forget)
    assert sorted(found.recipe["without"]) == sorted(f"{found.dataset}/{name}" for name in found.forget)
