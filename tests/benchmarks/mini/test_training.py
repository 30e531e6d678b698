"""The training command: the loss, the truth of captions, and a run that is killed and goes on."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from typer.testing import CliRunner

from unlearn_bench.benchmarks.data.embedded.drawing.captions import captions_of, image_facts
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS
from unlearn_bench.benchmarks.data.embedded.drawing.splits import facts_of, render_split
from unlearn_bench.benchmarks.mini.pretraining import Corpus, corpus, draw_captions, parse_without, truth
from unlearn_bench.benchmarks.mini.train import (
    Recipe,
    Training,
    app,
    contrastive_loss,
    encode_short_texts,
    fit,
    shifted,
)
from unlearn_bench.errors import InputError
from unlearn_bench.models.embedded import MEAN, NAMES, STD, build_untrained, load_weights, save_weights, tokenizer
from unlearn_bench.seeding import generator


@pytest.fixture(scope="module")
def small() -> Corpus:
    return corpus(limit=2)


def _quiet() -> Console:
    return Console(file=io.StringIO())


def test_the_loss_is_the_formula() -> None:
    draws = generator("loss")
    images = F.normalize(torch.randn(4, 8, generator=draws), dim=-1)
    captions = F.normalize(torch.randn(4, 8, generator=draws), dim=-1)
    true = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]], dtype=torch.bool)
    scale = torch.tensor(5.0)
    expected = 0.0
    for i in range(4):
        for j in range(4):
            if not true[i, j]:
                continue
            row = sum(torch.exp(scale * images[i] @ captions[k]) for k in range(4))
            column = sum(torch.exp(scale * images[k] @ captions[j]) for k in range(4))
            logit = scale * images[i] @ captions[j]
            expected -= float((logit - torch.log(torch.as_tensor(row))) / true[i].sum() / 8)
            expected -= float((logit - torch.log(torch.as_tensor(column))) / true[:, j].sum() / 8)
    assert contrastive_loss(images, captions, scale, true).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_clips_when_each_caption_is_true_once() -> None:
    draws = generator("clip")
    images, captions = (F.normalize(torch.randn(6, 8, generator=draws), dim=-1) for _ in range(2))
    logits = 7 * images @ captions.T
    expected = (F.cross_entropy(logits, torch.arange(6)) + F.cross_entropy(logits.T, torch.arange(6))) / 2
    found = contrastive_loss(images, captions, torch.tensor(7.0), torch.eye(6, dtype=torch.bool))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_coded_truth_agrees_with_the_captions(small: Corpus) -> None:
    """The codes of the tensors say the same as `Caption.true_of` does of words."""
    dataset = DATASETS["mini-shapes"]
    first = len(DATASETS["mini-digits"].classes)
    images = render_split(dataset.name, "pretrain", limit=2)
    captions = [caption for name in dataset.class_names[:4] for caption in captions_of(dataset, name)]
    start = int(small.first[first])
    coded = truth(small.caption_codes[start : start + len(captions)], small.image_codes[2 * first : 2 * first + 8])
    for row in range(8):
        name = dataset.class_names[images.labels[row]]
        facts = image_facts(images.domains[row], images.attributes[row])
        assert coded[row].tolist() == [caption.true_of(name, facts) for caption in captions]


def test_drawn_captions_are_true_and_cover_the_pool(small: Corpus) -> None:
    rows = torch.arange(len(small.pixels)).repeat(20)
    chosen = draw_captions(small, rows, generator("captions"))
    assert bool((chosen >= 0).all())
    stated, had = small.caption_codes[chosen], small.image_codes[rows]
    assert bool(((stated == -1) | (stated == had)).all())
    assert len(torch.unique(chosen)) > len(small.tokens) / 3  # twenty draws an image, of a pool of thousands


def test_left_out_classes_leave_no_image_and_no_caption(small: Corpus) -> None:
    left_out = parse_without(["mini-shapes/red circle", "mini-icons/tree"])
    rest = corpus(left_out, limit=2)
    assert len(rest.pixels) == len(small.pixels) - 4
    gone = sum(len(captions_of(DATASETS[item.dataset], item.name)) for item in left_out)
    assert len(rest.tokens) == len(small.tokens) - gone
    texts = {tokenizer().decode(row[row != 0].tolist()) for row in rest.tokens}
    assert not any("red circle" in text or "tree" in text.split() for text in texts)


def test_a_link_that_is_left_out_leaves_both_of_its_ends() -> None:
    (link,) = left_out = parse_without(["mini-associations/star on a dark background"])
    assert (link.dataset, link.name, link.facts) == ("mini-shapes", "star", {"background": "dark"})
    whole, rest = corpus(limit=12), corpus(left_out, limit=12)
    shapes = DATASETS["mini-shapes"]
    drawn = [facts_of(shapes, "pretrain", "star", number)["background"] for number in range(12)]
    assert 0 < drawn.count("dark") < 12
    assert len(rest.pixels) == len(whole.pixels) - drawn.count("dark")
    texts = {tokenizer().decode(row[row != 0].tolist()) for row in rest.tokens}
    gone = [item for item in captions_of(shapes, "star") if item.facts.get("background") == "dark"]
    assert gone
    assert len(rest.tokens) == len(whole.tokens) - len(gone)
    assert not any("star" in text.split() and "dark" in text.split() for text in texts)
    assert any("star" in text.split() and "light" in text.split() for text in texts)
    assert any("heart" in text.split() and "dark" in text.split() for text in texts)
    assert len(rest.first) == len(whole.first), "the star is a class still"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("red circle", "names no class"),
        ("mini-associations/star on a drak background", "did you mean 'star on a dark background'"),
        ("mini-shape/red circle", "did you mean 'mini-shapes'"),
        ("mini-shapes/red circel", "did you mean 'red circle'"),
    ],
)
def test_wrong_classes_are_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_without([text])


@pytest.mark.parametrize("name", NAMES)
def test_short_texts_are_encoded_as_open_clip_does(name: str) -> None:
    model = build_untrained(name, seed=2).eval()
    tokens = tokenizer()(["a ring.", "a sketch of a small red circle on a dark background."])
    with torch.inference_mode():
        expected = model.encode_text(tokens)
        found = encode_short_texts(model, tokens[:, :16])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_shifted_images_are_normalised_and_moved() -> None:
    pixels = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=generator("pixels"))
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    plain = (pixels.float() / 255 - mean) / std
    torch.testing.assert_close(shifted(pixels, 0, generator("shift")), plain)
    moved = shifted(pixels, 2, generator("shift"))
    assert moved.shape == plain.shape
    inner = [
        any(
            torch.equal(moved[image, :, 4:60, 4:60], plain[image, :, 4 + y : 60 + y, 4 + x : 60 + x])
            for y in range(-2, 3)
            for x in range(-2, 3)
        )
        for image in range(5)
    ]
    assert all(inner)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_training_ends_with_the_same_weights(name: str, small: Corpus, tmp_path: Path) -> None:
    recipe = Recipe(model=name, epochs=2, batch=37)
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    whole = fit(recipe, small, folders[0], _quiet()).finished_model().state_dict()
    fit(recipe, small, folders[1], _quiet(), stop_after=1)
    resumed = fit(recipe, small, folders[1], _quiet())
    assert resumed.epochs_done == 2
    state = resumed.finished_model().state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.items())


def test_training_lowers_the_loss_and_spares_unused_rows(small: Corpus, tmp_path: Path) -> None:
    training = Training(Recipe(model="mini-vit", epochs=6, batch=37), small)
    before = torch.get_rng_state()
    losses = [training.run_epoch() for _ in range(6)]
    assert torch.equal(before, torch.get_rng_state())
    assert losses[-1] < losses[0] - 0.1
    model = training.finished_model()
    fill = build_untrained("mini-vit", seed=0).token_embedding.weight
    used = torch.zeros(len(fill), dtype=torch.bool)
    used[torch.unique(small.tokens)] = True
    assert torch.equal(model.token_embedding.weight[~used], fill[~used])
    save_weights(model, tmp_path / "trained.safetensors")
    again = load_weights("mini-vit", tmp_path / "trained.safetensors")
    tokens = tokenizer()(["a photo of a ring."])
    with torch.inference_mode():
        torch.testing.assert_close(again.encode_text(tokens), model.encode_text(tokens), atol=5e-3, rtol=5e-3)


def test_another_recipes_checkpoint_is_refused(small: Corpus, tmp_path: Path) -> None:
    recipe = Recipe(model="mini-vit", epochs=2, batch=74)
    Training(recipe, small).save(tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="of another recipe"):
        fit(replace(recipe, seed=1), small, tmp_path, _quiet())


@pytest.mark.parametrize("damage", ["cut", "narrower", "no state"])
def test_a_checkpoint_that_does_not_fit_is_told_in_a_line(damage: str, small: Corpus, tmp_path: Path) -> None:
    recipe, path = Recipe(model="mini-vit", epochs=2, batch=74), tmp_path / "checkpoint.pt"
    Training(recipe, small).save(path)
    state = torch.load(path, weights_only=True)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "narrower":
        state["model"]["text_projection"] = state["model"]["text_projection"][:, :64].clone()
        torch.save(state, path)
    else:
        torch.save({"recipe": state["recipe"]}, path)
    with pytest.raises(InputError, match=r"can't be gone on from .*remove it, or give another --out") as caught:
        fit(recipe, small, tmp_path, _quiet())
    assert "\n" not in str(caught.value)


def test_the_command_runs_and_reports(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        done = CliRunner().invoke(
            app,
            [
                "--model",
                "mini-vit",
                "--out",
                str(tmp_path),
                "--epochs=1",
                "--limit=1",
                "--without=mini-textures/marble",
            ],
        )
    finally:
        torch.set_num_threads(threads)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "mini-vit.json").read_text())
    assert report["recipe"]["without"] == ["mini-textures/marble"]
    assert set(report["val_accuracy"]) == set(DATASETS)
    load_weights("mini-vit", tmp_path / "mini-vit.safetensors")


@pytest.mark.parametrize("wrong", [["--model", "mini-vot"], ["--model", "mini-rn", "--without", "ring"]])
def test_wrong_arguments_end_with_two_and_one_line(wrong: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*wrong, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
