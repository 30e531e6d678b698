"""One request after another on classes of a dataset: the earlier ones are set aside, and measured."""

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import COLOURS, Call, write_colours, write_method, write_model
from unlearn_bench.benchmarks.data.dataset.without import WithoutClasses
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.forgetting.earlier import Earlier, Share, earlier_requests
from unlearn_bench.errors import InputError

RELEARNS = """
for concept in request.retain:
    row = torch.tensor(COLOURS[concept.name]) / 127.5 - 1
    clip.module.text[0].weight.data[clip.tokenize([concept.text])[0]] = row
ids = clip.tokenize([c.text for c in request.forget])
clip.module.text[0].weight.data[ids] *= -1
Path(SEEN).write_text(",".join(c.name for c in request.retain))
return clip
"""
"""A method that repairs what it is told to keep, as training on images of it would."""


def relearns(seen: Path) -> str:
    return f"COLOURS, SEEN = {COLOURS!r}, {str(seen)!r}\n{RELEARNS}"


def test_the_earlier_class_is_not_learnt_again(call: Call, tmp_path: Path) -> None:
    data, seen = write_colours(tmp_path / "own", ["red", "green", "blue", "yellow"]), tmp_path / "seen.txt"
    spec = write_method(tmp_path, relearns(seen), access="not-ZS")
    given = [
        "forget",
        "--model",
        write_model(tmp_path),
        "--data",
        f"folder:{data}",
        "--method",
        spec,
        "--device",
        "cpu",
    ]
    assert call(*given, "--classes", "red", "--out", "one").code == 0
    assert sorted(seen.read_text().split(",")) == ["blue", "green", "yellow"]
    said = call(*given, "--classes", "green", "--from", "one", "--out", "two")
    assert said.code == 0, said
    assert sorted(seen.read_text().split(",")) == ["blue", "yellow"], "red is not one of those to keep"
    assert "forgotten before, red: accuracy 0.000 before this request, 0.000 after (4 images)" in said.out
    assert "target green: accuracy 1.000 before, 0.000 after" in said.out
    assert "other classes of folder:own: accuracy 1.000 before, 1.000 after (8 images)" in said.out
    card = json.loads((tmp_path / "two" / "card.json").read_text())
    assert [item for item in card["measured"] if item["group"] == "forgotten before"] == [
        {
            "metric": "accuracy",
            "dataset": "folder:own/red",
            "group": "forgotten before",
            "before": 0.0,
            "after": 0.0,
            "n": 4,
        }
    ]
    assert earlier_requests(tmp_path / "two") == (
        Earlier(dataset="folder:own", names=("green",)),
        Earlier(dataset="folder:own", names=("red",)),
    )


def test_who_asks_again_gets_it(call: Call, tmp_path: Path) -> None:
    data, seen = write_colours(tmp_path / "own"), tmp_path / "seen.txt"
    spec = write_method(tmp_path, relearns(seen))
    given = [
        "forget",
        "--model",
        write_model(tmp_path),
        "--data",
        f"folder:{data}",
        "--method",
        spec,
        "--device",
        "cpu",
    ]
    assert call(*given, "--classes", "red", "--out", "one").code == 0
    said = call(*given, "--classes", "red", "--from", "one", "--out", "two")
    assert said.code == 0, said
    assert "target red: accuracy 0.000 before, 1.000 after" in said.out  # this method turns it back


def test_what_came_back_is_said() -> None:
    usual = {"name": "red", "dataset": "d", "n": 4}
    assert "it has come back in part" in str(Share(**usual, before=0.1, after=0.5))  # type: ignore[arg-type]
    assert "come back" not in str(Share(**usual, before=0.1, after=0.15))  # type: ignore[arg-type]


def test_cards_that_say_nothing(tmp_path: Path) -> None:
    assert earlier_requests(None) == ()
    assert earlier_requests(tmp_path) == ()
    for text in ("{", "[1]", '{"what": 3}', '{"what": {"forgotten": "red"}}', '{"from": {"what": []}}'):
        (tmp_path / "card.json").write_text(text)
        assert earlier_requests(tmp_path) == ()
        assert earlier_requests(tmp_path / "model.safetensors") == ()


def test_a_dataset_without_some_classes(tmp_path: Path) -> None:
    whole = open_dataset(f"folder:{write_colours(tmp_path / 'own', ['red', 'green', 'blue'])}")
    less = WithoutClasses(whole, ["green"])
    assert less.class_names == ("blue", "red")
    assert less.version != whole.version
    for split in ("train", "val", "test"):
        index = less.index(split)
        assert set(index.labels) == {0, 1}
        for row, (label, name) in enumerate(zip(index.labels, index.names, strict=True)):
            assert name.startswith(f"{less.class_names[label]}/")
            assert (
                less.picture(split, row).tobytes()
                == whole.picture(split, whole.index(split).names.index(name)).tobytes()
            )
    with pytest.raises(
        InputError, match="without green, blue, which was forgotten before, 'folder:own' has 1 classes"
    ):
        WithoutClasses(whole, ["green", "blue"])


def test_a_dataset_with_domains_without_a_class(tmp_path: Path) -> None:
    for domain in ("art", "photo"):
        write_colours(tmp_path / "own" / domain)
    whole = open_dataset(f"domains:{tmp_path / 'own'}")
    less = WithoutClasses(whole, ["red"])
    assert less.class_names == ("blue@art", "green@art", "blue@photo", "green@photo")
    assert less.texts[0] == "an art of a blue." or less.texts[0].endswith("of a blue.")
    assert less.canonical(["blue@art", "blue@photo"]) == ("blue",)
    assert torch.tensor(less.index("test").labels).max() == 3
