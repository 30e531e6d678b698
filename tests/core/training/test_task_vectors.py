"""Task vectors: fine-tuning written out, and their arithmetic by hand."""

import pytest
import torch

from tests.core import tiny
from tests.methods.support import COLOURS, History, colours, concepts, copied, paint
from unlearn_bench.clip import Clip
from unlearn_bench.seeding import generator
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import Pairs, from_inputs
from unlearn_bench.training.task_vectors import FineTuning, TaskVector, consensus, subtract, task_vector, tuned_names

SETTINGS = FineTuning(learning_rate=3e-3, epochs=2, batch_size=4, weight_decay=0.1)
TEXTS = [concept.text for concept in concepts(list(COLOURS))]


def pairs(clip: Clip) -> Pairs:
    images, _ = paint(["red"], 6, seed=0)
    return from_inputs(clip.normalise(images), torch.full((6,), 2))  # green's neighbour in the list: not yet right


def made(clip: Clip, *, order: str = "order", history: History | None = None) -> TaskVector:
    return task_vector(
        clip,
        pairs(clip),
        texts=TEXTS,
        candidates=Candidates([""] * len(TEXTS)),
        settings=SETTINGS,
        generator=generator(order),
        report=history or History(),
    )


def test_the_vector_is_what_plain_fine_tuning_adds() -> None:
    clip, twin, history = colours(), colours(), History()
    before = copied(clip)
    vector = made(clip, history=history)
    assert all(torch.equal(value, before[name]) for name, value in clip.state().items())
    moving = {n: p.requires_grad_(True) for n, p in twin.module.named_parameters() if n.startswith("image.")}
    assert set(vector) == set(moving)
    optimizer = torch.optim.AdamW(moving.values(), lr=3e-3, weight_decay=0.1)
    stream, known = generator("order"), pairs(twin)
    with torch.no_grad():
        texts = twin.embed_texts(TEXTS)
    for _ in range(2):
        order = torch.randperm(6, generator=stream)
        for rows in (order[:4], order[4:]):
            inputs, labels = known.batch(rows)
            scores = twin.logits(twin.encode_images(inputs), texts).log_softmax(1)
            optimizer.zero_grad()
            (-scores[torch.arange(len(rows)), labels].mean()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    for name, value in moving.items():
        torch.testing.assert_close(vector[name], value.detach() - before[name])
    losses = history.column("loss")
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_only_the_image_tower_is_tuned_and_the_statistics_stay() -> None:
    clip = tiny.resnet()
    names = tuned_names(clip)
    assert {clip.locate(name).tower for name in names} == {"image"}
    buffers = {name for name, _ in clip.module.named_buffers()}
    assert not buffers & set(names)


def test_another_order_gives_another_vector() -> None:
    one, same, other = (made(colours(), order=order) for order in ("a", "a", "b"))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_consensus_is_the_mean_where_signs_agree_and_zero_elsewhere() -> None:
    vectors = [
        {"w": torch.tensor([[1.0, -2.0], [3.0, 0.0]]), "b": torch.tensor([-1.0])},
        {"w": torch.tensor([[2.0, 2.0], [1.0, 4.0]]), "b": torch.tensor([-2.0])},
        {"w": torch.tensor([[6.0, -2.0], [-5.0, 2.0]]), "b": torch.tensor([-6.0])},
    ]
    merged = consensus(vectors)
    assert merged["w"].tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert merged["b"].tolist() == [-3.0]


def test_consensus_of_one_is_itself_and_of_opposites_nothing() -> None:
    vector = made(colours())
    opposite = {name: -value for name, value in vector.items()}
    assert all(torch.equal(value, vector[name]) for name, value in consensus([vector]).items())
    assert not any(bool(value.any()) for value in consensus([vector, opposite]).values())


@pytest.mark.parametrize("coefficient", [0.5, 2.0])
def test_subtracting_moves_the_named_tensors_and_no_other(coefficient: float) -> None:
    clip = colours()
    before = copied(clip)
    vector = {"image.1.bias": torch.arange(24.0)}
    subtract(clip, vector, coefficient)
    for name, value in clip.state().items():
        expected = before[name] - coefficient * vector[name] if name in vector else before[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-6)


def test_minus_one_times_the_vector_is_the_fine_tuned_model() -> None:
    clip = colours()
    inputs, labels = pairs(clip).batch(torch.arange(6))
    vector = made(clip)

    def loss() -> float:
        with torch.no_grad():
            logits = clip.logits(clip.encode_images(inputs), clip.embed_texts(TEXTS))
            return float(torch.nn.functional.cross_entropy(logits, labels))

    original = loss()
    subtract(clip, vector, -1.0)
    tuned = loss()
    subtract(clip, vector, 2.0)
    assert tuned < original < loss()
