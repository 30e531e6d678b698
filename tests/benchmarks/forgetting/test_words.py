"""Forgetting by words alone, without any dataset: what is done, what is measured, and what is said not to be."""

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import Call, is_one_error, write_colours, write_method, write_model
from unlearn_bench.benchmarks.forgetting.words import Words, read_keep
from unlearn_bench.errors import InputError
from unlearn_bench.models.sources import open_model, with_weights

TURN = """
ids = clip.tokenize([c.text for c in request.forget])
assert request.forget_examples is None and request.retain_examples is None
clip.module.text[0].weight.data[ids] *= -1
return clip
"""


@pytest.fixture
def given(tmp_path: Path) -> list[object]:
    (tmp_path / "names.txt").write_text("# kept\ngreen\nblue\nyellow\nRed\n\n")
    usual = ["forget", "--model", write_model(tmp_path), "--keep", tmp_path / "names.txt", "--device", "cpu"]
    return [*usual, "--method", write_method(tmp_path, TURN)]


def accuracies(folder: Path) -> dict[str, tuple[float, float]]:
    card = json.loads((folder / "card.json").read_text())
    return {
        item["group"]: (item["before"], item["after"])
        for item in card["measured"]
        if item["metric"] == "accuracy" and item["dataset"] == "synthetic images"
    }


def test_words_alone(call: Call, given: list[object], tmp_path: Path) -> None:
    said = call(*given, "--concepts", "red, cyan", "--out", "gone")
    assert said.code == 0, said
    assert "to forget: 2; to keep: 3 names" in said.err
    assert accuracies(tmp_path / "gone") == {"forgotten": (1.0, 0.0), "kept": (1.0, 1.0)}
    assert "forgotten, accuracy on synthetic images: 1.000 before, 0.000 after" in said.out
    assert "not measured: real images: none were given (--data)" in said.out
    card = json.loads((tmp_path / "gone" / "card.json").read_text())
    assert card["what"] == {"dataset": "", "forgotten": ["red", "cyan"]}
    assert card["how"]["kept"] == 3
    assert any("real images" in line for line in card["not_measured"])
    moved = {item["group"]: item["after"] for item in card["measured"] if item["metric"].startswith("text moved")}
    assert moved["forgotten"] == pytest.approx(2.0, abs=1e-5)  # turned round
    assert moved["kept"] == pytest.approx(0.0, abs=1e-5)
    text = (tmp_path / "gone" / "README.md").read_text()
    assert "- forgotten: red, cyan" in text
    assert "## Not measured" in text


def test_a_second_request_keeps_the_first_one_forgotten(call: Call, given: list[object], tmp_path: Path) -> None:
    """It is neither asked for again, which would turn it back, nor one of those to keep."""
    assert call(*given, "--concepts", "red", "--out", "one").code == 0
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\nyellow\n")
    said = call(*given, "--concepts", "green", "--from", "one", "--out", "two")
    assert said.code == 0, said
    assert "to forget: 1; to keep: 2 names; forgotten before, and neither: red" in said.err
    found = accuracies(tmp_path / "two")
    assert found == {"forgotten": (1.0, 0.0), "kept": (1.0, 1.0), "forgotten before": (0.0, 0.0)}
    original = open_model(str(given[2]))
    both = with_weights(original, tmp_path / "two")
    ids = [int(original.tokenize([f"a photo of a {name}."])) for name in ("red", "green")]
    before, after = (clip.state()["text.0.weight"][ids] for clip in (original, both))
    assert torch.equal(after, -before)
    card = json.loads((tmp_path / "two" / "card.json").read_text())
    assert card["from"]["what"]["forgotten"] == ["red"]
    assert "- forgotten before: red" in (tmp_path / "two" / "README.md").read_text()
    third = call(*given, "--concepts", "blue", "--from", "two", "--out", "three")
    assert "forgotten before, and neither: green, red" in third.err
    assert accuracies(tmp_path / "three")["forgotten before"] == (0.0, 0.0)


def test_real_images_are_measured_where_they_are_given(call: Call, given: list[object], tmp_path: Path) -> None:
    data = write_colours(tmp_path / "own")
    said = call(*given, "--concepts", "red", "--data", f"folder:{data}", "--out", "gone")
    assert said.code == 0, said
    assert "folder:own: accuracy 1.000 before, 0.667 after (12 images)" in said.out
    assert "folder:own, red: accuracy 1.000 before, 0.000 after (4 images)" in said.out
    assert "real images" not in said.out


def test_a_method_that_needs_no_images_is_the_default(call: Call, given: list[object], tmp_path: Path) -> None:
    said = call(*given[:-2], "--concepts", "red", "--out", "gone")
    assert said.code == 0, said
    assert "method text-null-space" in said.err
    before, after = accuracies(tmp_path / "gone")["forgotten"]
    assert (before, after < before) == (1.0, True)


def test_where_the_usual_method_does_not_apply_another_one_forgets(call: Call, tmp_path: Path) -> None:
    small = pytest.importorskip("tests.core.models.small_transformers", reason="the extra [transformers] is missing")
    folder = small.write(small.siglip_model(), tmp_path / "siglip")
    (tmp_path / "names.txt").write_text("green\nblue\nyellow\n")
    asked = ("forget", "--model", f"hf:{folder}", "--keep", tmp_path / "names.txt", "--device", "cpu")
    said = call(*asked, "--concepts", "red", "--out", "gone")
    assert said.code == 0, said
    assert "skipped: " in said.err
    assert said.err.index("method text-null-space") < said.err.index("method text-space-adaptation")
    card = json.loads((tmp_path / "gone" / "card.json").read_text())
    assert card["how"]["method"] == "text-space-adaptation"
    (told,) = (each for each in card["measured"] if each["group"] == "forgotten" and "text" in each["metric"])
    assert told["after"] > 0


def test_what_can_not_be_asked(call: Call, given: list[object], tmp_path: Path) -> None:
    out = ("--out", "gone")
    is_one_error(call(*given, *out), "say what to forget: --classes of a dataset, or --concepts in words")
    is_one_error(call(*given, "--concepts", "red", "--classes", "red", *out), "say what to forget")
    is_one_error(call(*given[:-2], "--method", "salun", "--concepts", "red", *out), "needs images, and --concepts")
    is_one_error(
        call(*given, "--concepts", "red", "--keep", "none.txt", *out), "names to keep 'none.txt' can't be read"
    )
    (tmp_path / "empty.txt").write_text("# nothing\n")
    is_one_error(call(*given, "--concepts", "red", "--keep", "empty.txt", *out), "0 others to keep")
    is_one_error(
        call(*given, "--concepts", "dark red, light red", *out), "'dark red' and 'light red' of 'words' are one"
    )
    is_one_error(call(*given, "--concepts", "red", "--template", "no place", *out), "needs one {} for the class")
    assert not (tmp_path / "gone").exists()


def test_the_names_to_keep(tmp_path: Path) -> None:
    assert len(read_keep(None)) == 1000
    (tmp_path / "k.txt").write_bytes("\ufeffa cat\n  # remark\n\n tench, Tinca tinca \n".encode())
    assert read_keep(tmp_path / "k.txt") == ("a cat", "tench, Tinca tinca")
    (tmp_path / "k.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't be read"):
        read_keep(tmp_path / "k.txt")
    words = Words(["Cat"], ["cat", "dog", "dog", "owl"], before=["OWL", "cat"])
    assert (words.forget, words.keep, words.before) == (("Cat",), ("dog",), ("OWL",))
    assert len(words.index("test")) == 0
    more = Words(["a"], ["b", "B", "A!"], before=["c", "C"])
    less = more.without_twins([(0, 3), (1, 2), (4, 5)])  # equal to the tokenizer
    assert (less.forget, less.keep, less.before) == (("a",), ("b",), ("c",))
