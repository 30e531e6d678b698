"""Final projections: found whichever way round they are stored, changed, looked behind; the closed form by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.core import tiny
from tests.core.foreign import Last, foreign
from tests.methods.support import Untold, colours
from unlearn_bench.clip import Clip, Place, Tower
from unlearn_bench.errors import CellFailure
from unlearn_bench.models.two_towers import TwoTowers
from unlearn_bench.training.projection import (
    Removal,
    directions,
    find_projection,
    hidden_texts,
    lacks_hidden_texts,
    lacks_projection,
    removal,
    span,
)


def custom_text() -> Clip:
    """A text tower whose projection is a Linear with a bias, and an image tower without any."""
    clip = tiny.clip_of(tiny.TRANSFORMER, custom_text=True)
    text = clip.module.get_submodule("text")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        del text.text_projection
        text.text_projection = nn.Linear(32, 24).requires_grad_(False)
    return clip


def embed(clip: Clip, tower: Tower) -> Tensor:
    if tower == "text":
        return clip.embed_texts(tiny.TEXTS).detach()
    side = clip.image_size
    return clip.encode_images(torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(0))).detach()


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("make", "tower"),
    [
        (tiny.resnet, "image"),
        (tiny.resnet, "text"),
        (tiny.transformer, "image"),
        (tiny.transformer, "text"),
        (custom_text, "text"),
        (colours, "image"),
        (colours, "text"),
    ],
)
def test_what_follows_a_projection_maps_every_embedding_bias_included(make: Callable[[], Clip], tower: Tower) -> None:
    clip = make()
    before = embed(clip, tower)
    onward = draw(before.shape[1], before.shape[1])
    projection = find_projection(clip, tower)
    assert projection is not None
    projection.follow_with(onward)
    expected = before.double() @ onward.T
    torch.testing.assert_close(embed(clip, tower).double(), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))


def test_a_square_matrix_is_told_by_its_holder_and_not_by_its_shape() -> None:
    clip = tiny.transformer()
    assert clip.module.get_parameter("visual.proj").shape == (32, 24)
    square = tiny.clip_of({**tiny.TRANSFORMER, "width": 24, "head_width": 12})
    before, onward = embed(square, "image"), draw(24, 24)
    projection = find_projection(square, "image")
    assert projection is not None
    projection.follow_with(onward)
    torch.testing.assert_close(embed(square, "image").double(), before.double() @ onward.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("joint", [16, 24])
@pytest.mark.parametrize("last", ["linear", "in-out", "out-in"])
def test_a_foreign_matrix_is_told_by_what_the_tower_does_with_it(last: Last, joint: int) -> None:
    clip = foreign("fused", last, joint=joint)
    towers: tuple[Tower, ...] = ("image", "text")
    for tower in towers:
        if last == "out-in":
            with torch.no_grad():
                clip.module.get_parameter(f"{tower}.shift").fill_(0.3)
        before, onward = embed(clip, tower), draw(joint, joint)
        projection = find_projection(clip, tower)
        assert projection is not None
        assert projection.matrix.shape == (24, joint)
        assert (projection.bias is None) == (last == "in-out")
        projection.follow_with(onward)
        torch.testing.assert_close(embed(clip, tower).double(), before.double() @ onward.T, rtol=1e-3, atol=1e-3)


def test_what_a_model_says_of_its_projection_is_held_against_what_it_does() -> None:
    class Boasting(TwoTowers):
        def locate(self, name: str) -> Place:
            place = super().locate(name)
            if place.role == "projection":
                return replace(place, role="mlp")
            return replace(place, role="projection") if name == "text.2.weight" else place

    clip = colours(Boasting)
    assert clip.locate("text.2.weight").role == "projection"
    assert find_projection(clip, "text") is None


def test_hidden_texts_of_a_tower_that_normalises() -> None:
    """Up to their length where one pass shows them; where it takes several, or a bias stands beside, nobody can."""
    clip = foreign("fused", "in-out", joint=24, normalise=True)
    projection = find_projection(clip, "text")
    assert projection is not None
    assert projection.normalised
    assert lacks_hidden_texts(clip) is None
    found = nn.functional.normalize(projection(hidden_texts(clip, projection, tiny.TEXTS)), dim=-1)
    torch.testing.assert_close(found, embed(clip, "text"), rtol=1e-3, atol=1e-4)
    for last, joint in (("in-out", 16), ("linear", 24)):
        reason = lacks_hidden_texts(foreign("fused", last, joint=joint, normalise=True))  # type: ignore[arg-type]
        assert "normalises its embeddings" in str(reason)
    assert lacks_hidden_texts(foreign("fused", "linear")) is None
    assert lacks_hidden_texts(colours(Untold)) == lacks_projection(colours(Untold), ("text",))


@pytest.mark.parametrize("make", [tiny.resnet, tiny.transformer, custom_text, colours])
def test_hidden_texts_are_what_the_projection_maps_and_the_model_comes_back(make: Callable[[], Clip]) -> None:
    clip = make()
    kept = {name: value.clone() for name, value in clip.state().items()}
    projection = find_projection(clip, "text")
    assert projection is not None
    hidden = hidden_texts(clip, projection, tiny.TEXTS)
    assert hidden.shape == (len(tiny.TEXTS), projection.matrix.shape[0])  # wider than the joint space in all four
    assert projection.matrix.shape[0] > projection.matrix.shape[1]
    torch.testing.assert_close(projection(hidden), embed(clip, "text"), rtol=1e-4, atol=1e-5)
    for name, value in clip.state().items():
        assert torch.equal(value, kept[name])


def test_the_model_comes_back_even_when_the_tower_fails() -> None:
    clip = colours()
    projection = find_projection(clip, "text")
    assert projection is not None
    kept = {name: value.clone() for name, value in clip.state().items()}

    def fail(*_: object) -> None:
        raise RuntimeError("out of order")

    clip.module.get_submodule("text").register_forward_hook(fail)
    with pytest.raises(RuntimeError):
        hidden_texts(clip, projection, ["red it is"])
    assert all(torch.equal(value, kept[name]) for name, value in clip.state().items())


def test_a_model_that_does_not_say_where_its_projection_is_gives_a_reason() -> None:
    assert find_projection(colours(Untold), "image") is None
    assert "text tower" in str(lacks_projection(colours(Untold), ("text",)))
    assert lacks_projection(colours(), ("image", "text")) is None
    assert lacks_projection(colours(Untold), ()) is None


def test_directions_have_length_one_and_must_be_finite() -> None:
    found = directions(torch.tensor([[3.0, 4.0]]))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8]], dtype=torch.float64), rtol=0, atol=1e-12)
    with pytest.raises(CellFailure, match="finite"):
        directions(torch.tensor([[1.0, float("nan")]]))


def test_span_leaves_out_what_repeats_and_nothing_spans_nothing() -> None:
    rows = draw(2, 5)
    basis = span(torch.cat([rows, rows.sum(0, keepdim=True)]))
    assert basis.shape == (5, 2)
    torch.testing.assert_close(rows @ basis @ basis.T, rows)
    assert span(rows[:0]).shape == (5, 0)


def test_without_anything_kept_it_is_the_orthogonal_projection_by_qr() -> None:
    forget = draw(3, 8)
    basis = torch.linalg.qr(forget.T).Q
    for strength in (0.4, 1.0):
        expected = torch.eye(8, dtype=torch.float64) - strength * basis @ basis.T
        torch.testing.assert_close(removal(forget, forget[:0]).at(strength), expected)


def test_by_hand_in_the_plane() -> None:
    """Forget (1, 1), keep (1, 0): U = (0, 1), P x = x - sqrt(2) x_2 (1, 1) / sqrt(2)."""
    found = removal(torch.tensor([[1.0, 1.0]]).double(), torch.tensor([[2.0, 0.0]]).double())
    torch.testing.assert_close(found.at(1.0), torch.tensor([[1.0, -1.0], [0.0, 0.0]]).double())
    torch.testing.assert_close(found.at(0.5), torch.tensor([[1.0, -0.5], [0.0, 0.5]]).double())


def test_what_is_kept_passes_and_what_is_forgotten_shrinks() -> None:
    forget, kept = draw(2, 9), draw(3, 9, seed=1)
    onward = removal(forget, kept).at(0.7)
    torch.testing.assert_close(kept @ onward.T, kept)
    torch.testing.assert_close(forget @ onward.T, 0.3 * forget)


def test_rank_keeps_the_directions_of_the_greatest_singular_values() -> None:
    forget = torch.tensor([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0]]).double()
    found = removal(forget, forget[:0], rank=1)
    assert found.rank == 1
    torch.testing.assert_close(found.at(1.0), torch.diag(torch.tensor([0.0, 1.0, 1.0])).double())
    assert removal(forget, forget[:0]).rank == 2


def test_what_lies_too_close_to_the_kept_is_left_alone() -> None:
    kept = torch.tensor([[1.0, 0.0, 0.0]]).double()
    near = torch.tensor([[1.0, 0.1, 0.0]]).double()  # a sine of .0995
    assert removal(near, kept, least_sine=0.2).rank == 0
    assert removal(near, kept, least_sine=0.05).rank == 1
    nothing = removal(kept, kept)
    assert nothing.rank == 0
    assert torch.equal(nothing.at(1.0), torch.eye(3, dtype=torch.float64))


def test_a_removal_counts_its_directions() -> None:
    assert Removal(remove=torch.zeros(4, 2), detect=torch.zeros(2, 4)).rank == 2
