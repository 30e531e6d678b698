"""The shared losses against their formulas, and the loop against a loop written out."""

import math

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from tests.methods.support import COLOURS, History, colours, concepts, paint
from unlearn_bench.clip import Clip
from unlearn_bench.errors import CellFailure
from unlearn_bench.seeding import generator
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import (
    batch_logits,
    contrastive_loss,
    endless,
    finite,
    from_inputs,
    from_pixels,
    pair_similarity,
    shuffled,
    symmetric_cross_entropy,
    train,
    trainable_names,
    two_way_divergence,
    with_forget_weight,
)


def cosines(clip: Clip, inputs: Tensor, tokens: Tensor) -> list[list[float]]:
    """scale * cos, in plain numbers."""
    with torch.no_grad():
        images, texts = clip.encode_images(inputs).double(), clip.encode_texts(tokens).double()
    return [
        [float(clip.logit_scale) * float(v @ t) / math.sqrt(float(v @ v) * float(t @ t)) for t in texts]
        for v in images
    ]


def log_softmax(row: list[float], place: int) -> float:
    return row[place] - math.log(sum(math.exp(value) for value in row))


@pytest.fixture
def batch() -> tuple[Clip, Tensor, Tensor, Tensor]:
    clip = tiny.two_towers(bias=1.5)
    inputs = torch.randn(5, 3, 8, 8, generator=generator("batch"))
    return clip, inputs, torch.tensor([4, 1, 4, 0, 4]), clip.tokenize(tiny.TEXTS)


def test_contrastive_loss_is_its_formula(batch: tuple[Clip, Tensor, Tensor, Tensor]) -> None:
    clip, inputs, labels, tokens = batch
    present = [0, 1, 4]
    table = [[row[u] for u in present] for row in cosines(clip, inputs, tokens)]
    columns = [present.index(int(label)) for label in labels]
    to_text = [-log_softmax(table[i], columns[i]) for i in range(5)]
    to_image = []
    for u in range(3):
        column = [table[i][u] for i in range(5)]
        own = [-log_softmax(column, i) for i in range(5) if columns[i] == u]
        to_image.append(sum(own) / len(own))
    expected = (sum(to_text) / 5 + sum(to_image) / 3) / 2
    assert float(contrastive_loss(clip, inputs, labels, tokens)) == pytest.approx(expected, rel=1e-5)


def test_contrastive_loss_of_different_texts_is_clip_s(batch: tuple[Clip, Tensor, Tensor, Tensor]) -> None:
    clip, inputs, _, tokens = batch
    labels = torch.tensor([5, 3, 0, 2, 1])
    logits = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens[labels]))
    diagonal = torch.arange(5)
    both = [torch.nn.functional.cross_entropy(side, diagonal) for side in (logits, logits.T)]
    torch.testing.assert_close(contrastive_loss(clip, inputs, labels, tokens), sum(both) / 2)


def test_equal_texts_are_not_pushed_apart() -> None:
    clip = colours()
    inputs = clip.normalise(paint(["red"], 6, seed=0)[0])
    tokens = clip.tokenize([concept.text for concept in concepts(list(COLOURS))])
    one_text = contrastive_loss(clip, inputs, torch.zeros(6, dtype=torch.int64), tokens)
    # The image side can't be wrong with one candidate; what stays is which of six images the text means.
    assert float(one_text) == pytest.approx(math.log(6) / 2, abs=0.05)


def test_batch_logits_are_of_the_batch_s_different_texts(batch: tuple[Clip, Tensor, Tensor, Tensor]) -> None:
    clip, inputs, labels, tokens = batch
    logits, column = batch_logits(clip, inputs, labels, tokens)
    table = torch.tensor(cosines(clip, inputs, tokens))
    torch.testing.assert_close(logits, table[:, [0, 1, 4]] + 1.5, rtol=1e-4, atol=1e-4)
    assert column.tolist() == [2, 1, 2, 0, 2]
    torch.testing.assert_close(
        symmetric_cross_entropy(logits, column), contrastive_loss(clip, inputs, labels, tokens)
    )


def test_weights_of_images_in_the_contrastive_loss_by_hand(batch: tuple[Clip, Tensor, Tensor, Tensor]) -> None:
    """A text counts with the mean weight of its images, and among these each with its own."""
    clip, inputs, labels, tokens = batch
    weights = [3.0, 1.0, 0.5, 3.0, 1.0]
    present = [0, 1, 4]
    table = [[row[u] for u in present] for row in cosines(clip, inputs, tokens)]
    columns = [present.index(int(label)) for label in labels]
    to_text = sum(w * -log_softmax(table[i], columns[i]) for i, w in enumerate(weights)) / sum(weights)
    parts, heavy = [], []
    for u in range(3):
        column, own = [table[i][u] for i in range(5)], [i for i in range(5) if columns[i] == u]
        sums = sum(weights[i] for i in own)
        parts.append(sum(weights[i] * -log_softmax(column, i) for i in own) / sums)
        heavy.append(sums / len(own))
    to_image = sum(part * w for part, w in zip(parts, heavy, strict=True)) / sum(heavy)
    found = contrastive_loss(clip, inputs, labels, tokens, torch.tensor(weights))
    assert float(found) == pytest.approx((to_text + to_image) / 2, rel=1e-5)
    even = contrastive_loss(clip, inputs, labels, tokens, torch.full((5,), 0.7))
    torch.testing.assert_close(even, contrastive_loss(clip, inputs, labels, tokens))


def test_a_weighted_loss_gets_the_weights_of_the_batch_s_rows() -> None:
    seen: list[Tensor] = []

    def spy(clip: Clip, inputs: Tensor, labels: Tensor, tokens: Tensor, weights: Tensor) -> Tensor:
        seen.append(weights)
        assert torch.equal(weights == 1, labels > 1)
        return clip.encode_images(inputs).square().mean()

    clip = colours()
    images, labels = paint(list(COLOURS), 4, seed=0)  # eight to forget, then twelve to keep
    train(
        clip,
        from_inputs(clip.normalise(images), labels),
        torch.optim.SGD(clip.train_only(trainable_names(clip)), lr=1e-3),
        loss=with_forget_weight(spy, 2.5, forget=8, retain=12),
        tokens=clip.tokenize(list(COLOURS)),
        epochs=1,
        batch_size=8,
        generator=generator("order"),
        report=History(),
    )
    assert [len(part) for part in seen] == [8, 8, 4]
    assert sorted(torch.cat(seen).tolist()) == [1.0] * 12 + [2.5] * 8


def test_pair_similarity_is_the_mean_cosine_of_pairs(batch: tuple[Clip, Tensor, Tensor, Tensor]) -> None:
    clip, inputs, labels, tokens = batch
    table = cosines(clip, inputs, tokens)
    expected = sum(table[i][int(labels[i])] for i in range(5)) / 5 / float(clip.logit_scale)
    assert float(pair_similarity(clip, inputs, labels, tokens)) == pytest.approx(expected, rel=1e-4)


def test_two_way_divergence_by_hand() -> None:
    """Rows: KL(1/2, 1/2 || 3/4, 1/4) and 0; columns: KL(1/2, 1/2 || 3/4, 1/4) and 0."""
    known, logits = torch.zeros(2, 2), torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])
    one = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert float(two_way_divergence(known, logits)) == pytest.approx(one / 2 + one / 2)
    # The other way round is another number: the first argument is what the expectation is taken over.
    back = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(two_way_divergence(logits, known)) == pytest.approx(back)
    assert float(two_way_divergence(logits, logits + 7)) == pytest.approx(0, abs=1e-6)
    # One text: nothing to tell apart over texts, only over images.
    assert float(two_way_divergence(known[:, :1], logits[:, :1])) == pytest.approx(one)


def test_endless_batches_go_round_in_fresh_orders() -> None:
    pairs = from_inputs(torch.arange(5.0).reshape(5, 1), torch.arange(5))
    stream, order = endless(pairs, 2, generator("order")), generator("order")
    for _ in range(3):
        found = [next(stream) for _ in range(3)]
        assert [len(labels) for _, labels in found] == [2, 2, 1]
        assert torch.equal(torch.cat([labels for _, labels in found]), torch.randperm(5, generator=order))
        assert all(torch.equal(inputs.flatten().long(), labels) for inputs, labels in found)


def test_shuffled_batches_hold_each_row_once() -> None:
    parts = shuffled(10, 4, generator("order"))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert sorted(torch.cat(parts).tolist()) == list(range(10))
    again = shuffled(10, 4, generator("order"))
    assert all(torch.equal(a, b) for a, b in zip(parts, again, strict=True))


def test_joined_pairs_keep_images_and_labels_together() -> None:
    first = from_inputs(torch.arange(3.0).reshape(3, 1), torch.tensor([10, 11, 12]))
    second = from_inputs(torch.arange(3.0, 7.0).reshape(4, 1), torch.tensor([13, 14, 15, 16]))
    both = first + second
    assert len(both) == 7
    for rows in ([6, 0, 3, 2], [0, 1], [5], [4, 3, 2, 1, 0]):
        inputs, labels = both.batch(torch.tensor(rows))
        assert inputs.flatten().tolist() == rows
        assert labels.tolist() == [row + 10 for row in rows]


def test_pixels_become_inputs_batch_by_batch() -> None:
    clip = colours()
    pixels = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8, generator=generator("pixels"))
    inputs, labels = from_pixels(clip, pixels, torch.arange(4)).batch(torch.tensor([2, 0]))
    torch.testing.assert_close(inputs, clip.to_input(pixels)[[2, 0]])
    assert labels.tolist() == [2, 0]


def test_scale_and_token_embedding_are_not_trained() -> None:
    clip = tiny.resnet()
    everything = {item.name for item in clip.weights()}
    assert everything - set(trainable_names(clip)) == {"logit_scale", "token_embedding.weight"}


def test_training_is_the_plain_loop() -> None:
    clip, twin = colours(), colours()
    inputs, labels = paint(list(COLOURS), 4, seed=0)
    inputs = clip.normalise(inputs)
    texts = [concept.text for concept in concepts(list(COLOURS))]
    history, steps = History(), []
    train(
        clip,
        from_inputs(inputs, labels),
        torch.optim.Adam(clip.train_only(trainable_names(clip)), lr=1e-3),
        loss=Candidates([""] * len(COLOURS)).classification_loss,
        tokens=clip.tokenize(texts),
        epochs=2,
        batch_size=8,
        generator=generator("order"),
        report=history,
        after_step=lambda: steps.append(1),
        watch=lambda: {"seen": float(len(steps))},
    )
    optimizer = torch.optim.Adam(twin.train_only(trainable_names(twin)), lr=1e-3)
    stream, means = generator("order"), []
    for _ in range(2):
        order, values = torch.randperm(20, generator=stream), []
        for start in (0, 8, 16):
            rows = order[start : start + 8]
            logits = twin.logits(twin.encode_images(inputs[rows]), twin.embed_texts(texts))
            loss = torch.nn.functional.cross_entropy(logits, labels[rows], reduction="sum")
            values.append(float(loss))
            twin.module.zero_grad()
            (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        means.append(sum(values) / 20)
    for name, value in clip.state().items():
        torch.testing.assert_close(value, twin.state()[name])
    assert history.column("loss") == pytest.approx(means, rel=1e-4)
    assert history.column("seen") == [3.0, 6.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_step_and_value(value: float) -> None:
    with pytest.raises(CellFailure, match=f"became {value} in step 4"):
        finite(torch.tensor(value), step=4)
    assert finite(torch.tensor(0.5), step=0) == 0.5
