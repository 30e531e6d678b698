"""The front, the choice of tensors, the accuracy with one tensor moved, and the search of a step."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from tests.core import tiny
from tests.methods.support import colours
from unlearn_bench.clip import Clip, Weight
from unlearn_bench.errors import CellFailure
from unlearn_bench.seeding import generator
from unlearn_bench.training.candidates import Candidates
from unlearn_bench.training.loop import Pairs, from_inputs
from unlearn_bench.training.single_layer import Step, TensorTrial, pareto_front, search_step, stand_out


def test_the_front_by_hand() -> None:
    points = [(3.0, 0.5), (2.0, 0.1), (1.0, 0.4), (2.5, 0.6), (2.5, 0.5), (0.1, 0.05)]
    assert pareto_front(points) == [0, 1, 4, 5]  # equal in one of the two is not beaten
    assert pareto_front([]) == []
    assert pareto_front([(1.0, 0.2), (1.0, 0.2)]) == [0, 1]


def weight_called(clip: Clip, name: str) -> Weight:
    return next(weight for weight in clip.weights() if weight.name == name)


# Of each tensor ||g_f|| / ||w|| and cos(g_f, g_r), whose sign must not count: image.1.weight would beat all. In each
# tower one is beaten: image.1.bias by image.1.weight, and text.2.weight by text.4.weight. image.3.weight beats both
# tensors of the text tower, but is no rival of theirs.
PLANNED = {
    "text.2.weight": (2.0, 0.5),
    "image.1.weight": (5.0, -0.8),
    "image.1.bias": (4.0, 0.9),
    "text.4.weight": (2.5, 0.2),
    "image.3.weight": (3.0, 0.1),
}


def test_tensors_that_matter_or_do_not_disturb_stand_out_in_each_tower() -> None:
    clip = colours()
    weights = [weight_called(clip, name) for name in PLANNED]
    forget, retain = [], []
    for weight, (gain, cosine) in zip(weights, PLANNED.values(), strict=True):
        own, other = torch.zeros(weight.value.numel()), torch.zeros(weight.value.numel())
        own[0] = gain * weight.value.detach().norm()
        other[:2] = 7 * torch.tensor([cosine, (1 - cosine**2) ** 0.5])  # its length does not count
        forget.append(own.view_as(weight.value))
        retain.append(other.view_as(weight.value))
    found = stand_out(weights, forget, retain)
    assert [weight.name for weight, _ in found] == ["image.1.weight", "image.3.weight", "text.4.weight"]
    own_slopes = {weight.name: slope for weight, slope in zip(weights, forget, strict=True)}
    assert all(slope is own_slopes[weight.name] for weight, slope in found)


def test_what_is_zero_takes_no_part() -> None:
    clip = colours()
    weights = [weight_called(clip, name) for name in ("image.1.weight", "image.1.bias", "image.3.weight")]
    with torch.no_grad():
        weights[1].value.zero_()
    slopes = [torch.ones_like(weight.value) for weight in weights]
    slopes[2] = torch.zeros_like(slopes[2])
    assert [weight.name for weight, _ in stand_out(weights, slopes, slopes)] == ["image.1.weight"]


def plain_accuracy(clip: Clip, pairs: Pairs, tokens: Tensor) -> float:
    inputs, labels = pairs.batch(torch.arange(len(pairs)))
    with torch.no_grad():
        found = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens)).argmax(-1)
    return float((found == labels).float().mean())


def trial_of(
    clip: Clip, weight: Weight, pairs: Pairs, tokens: Tensor, domains: Sequence[str] = ("",) * 6
) -> TensorTrial:
    return TensorTrial(clip, weight, pairs, tokens=tokens, candidates=Candidates(domains), batch_size=4)


@pytest.mark.parametrize("name", ["image.1.weight", "text.2.weight"])
def test_accuracy_is_among_the_texts_of_the_images_own_domain(name: str) -> None:
    clip = tiny.two_towers()
    inputs = torch.randn(30, 3, 8, 8, generator=generator("images"))
    tokens, domains = clip.tokenize(tiny.TEXTS), ("photo", "sketch", "photo", "sketch", "photo", "sketch")
    with torch.no_grad():
        scores = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens))
    labels, right, whole = torch.arange(30) % 6, 0, 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        rivals = [place for place, domain in enumerate(domains) if domain == domains[label]]
        right += max(rivals, key=lambda place: row[place]) == label
        whole += max(range(6), key=lambda place: row[place]) == label
    pairs, weight = from_inputs(inputs, labels), weight_called(clip, name)
    assert right > whole
    assert trial_of(clip, weight, pairs, tokens, domains).accuracy() == pytest.approx(right / 30)
    assert trial_of(clip, weight, pairs, tokens).accuracy() == pytest.approx(whole / 30)


def test_accuracy_refuses_what_is_not_finite() -> None:
    clip = colours()
    pairs = from_inputs(torch.zeros(3, 3, 8, 8), torch.zeros(3, dtype=torch.int64))
    weight = weight_called(clip, "image.3.weight")
    trial = trial_of(clip, weight, pairs, clip.tokenize(tiny.TEXTS))
    with torch.no_grad():
        weight.value.fill_(torch.inf)
    with pytest.raises(CellFailure, match="not finite"):
        trial.accuracy()


@pytest.mark.parametrize("build", [tiny.resnet, tiny.transformer, colours])
def test_accuracy_is_that_of_the_whole_model_wherever_the_tensor_is(build: Callable[[], Clip]) -> None:
    clip, stream = build(), generator("images")
    side = clip.image_size
    inputs = torch.randn(10, 3, side, side, generator=stream)
    tokens = clip.tokenize(tiny.TEXTS)
    # Labels at the edge: what the model says for half of the images, so that accuracy can go either way.
    with torch.no_grad():
        labels = clip.logits(clip.encode_images(inputs), clip.encode_texts(tokens)).argmax(-1)
    labels[5:] = (labels[5:] + 1) % len(tiny.TEXTS)
    pairs = from_inputs(inputs, labels)
    seen = set()
    for weight in [weight for weight in clip.weights() if weight.place.role != "token_embedding"][::5]:
        trial = trial_of(clip, weight, pairs, tokens)
        assert trial.accuracy() == pytest.approx(0.5)
        start = weight.value.detach().clone()
        with torch.no_grad():
            weight.value.add_(5 * start.abs().mean() * torch.randn(start.shape, generator=stream))
        seen.add(trial.accuracy())
        assert trial.accuracy() == pytest.approx(plain_accuracy(clip, pairs, tokens))
        with torch.no_grad():
            weight.value.copy_(start)
    assert len(seen) > 1


class Model:
    """A tensor of one number w, whose accuracies are functions of it; w starts at 10 and goes down by the step."""

    def __init__(self, forget: Callable[[float], float], retain: Callable[[float], float]) -> None:
        parameter = torch.nn.Parameter(torch.tensor([10.0]))
        self.weight = Weight(name="w", place=colours().locate("image.1.weight"), value=parameter)
        self.sizes: list[float] = []
        self._forget, self._retain, self.asked = forget, retain, 0

    @property
    def size(self) -> float:
        return 10 - float(self.weight.value.detach())

    def forget(self) -> float:
        self.sizes.append(self.size)
        return self._forget(self.size)

    def retain(self) -> float:
        self.asked += 1
        return self._retain(self.size)

    def search(self, *, tries: int, stop_accuracy: float = 0.0, enough: float = 1.0) -> Step:
        return search_step(
            self.weight,
            torch.tensor([-1.0]),
            forget_accuracy=self.forget,
            retain_accuracy=self.retain,
            first=1.0,
            tries=tries,
            stop_accuracy=stop_accuracy,
            enough=enough,
        )


def test_it_doubles_then_halves_towards_the_least_that_is_enough() -> None:
    model = Model(lambda size: float(size < 2.9), lambda size: 0.9 - size / 100)
    step = model.search(tries=6)
    assert model.sizes == pytest.approx([1, 2, 4, 3, 2.5, 2.75])
    assert (step.size, step.forget_accuracy, step.retain_accuracy) == pytest.approx((3.0, 0.0, 0.87))
    assert model.asked == 2  # only where the forget set was down
    assert model.weight.value.tolist() == [10.0]


def test_too_large_at_first_is_halved() -> None:
    model = Model(lambda size: float(size < 0.3), lambda size: 0.5)
    model.search(tries=4)
    assert model.sizes == pytest.approx([1, 0.5, 0.25, 0.375])


def test_it_ends_where_nothing_of_the_retain_set_is_lost() -> None:
    model = Model(lambda size: float(size < 1.5), lambda size: 0.8)
    assert model.search(tries=9, enough=0.8).size == 2
    assert len(model.sizes) == 2


def test_where_no_size_is_enough_the_one_that_leaves_least_is_taken() -> None:
    model = Model(lambda size: 0.6 if size == 2 else 0.7, lambda size: 0.4)
    step = model.search(tries=3, stop_accuracy=0.1)
    assert (step.size, step.forget_accuracy, step.retain_accuracy) == pytest.approx((2.0, 0.6, 0.4))
    assert model.weight.value.tolist() == [10.0]


def test_the_retain_set_decides_among_sizes_that_are_enough() -> None:
    model = Model(lambda size: 0.1 if size < 0.6 else 0.0, lambda size: 0.9 if size == 1 else 0.5)
    assert model.search(tries=3, stop_accuracy=0.2).size == 1


def test_rank_is_forgetting_down_to_the_stop_then_keeping() -> None:
    weight = weight_called(colours(), "image.1.bias")

    def rank(forget: float, retain: float) -> tuple[float, float]:
        step = Step(weight=weight, direction=weight.value, size=1.0, forget_accuracy=forget, retain_accuracy=retain)
        return step.rank(0.2)

    assert rank(0.2, 0.9) < rank(0.0, 0.8) < rank(0.3, 1.0)
