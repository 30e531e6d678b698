"""The parts that images are drawn with."""

import colorsys

import numpy as np
import pytest

from unlearn_bench.benchmarks.data.embedded.drawing.canvas import (
    Placement,
    fill,
    place,
    shrink,
    smooth_noise,
    stream,
    to_array,
    to_image,
)
from unlearn_bench.benchmarks.data.embedded.drawing.concepts import (
    DATASETS,
    DIGITS,
    DOMAINS,
    ICONS,
    LETTERS,
    TEXTURES,
)
from unlearn_bench.benchmarks.data.embedded.drawing.digits import draw_digit
from unlearn_bench.benchmarks.data.embedded.drawing.icons import draw_icon
from unlearn_bench.benchmarks.data.embedded.drawing.letters import TYPEFACES, draw_letter
from unlearn_bench.benchmarks.data.embedded.drawing.shapes import draw_shape, from_hue, shade
from unlearn_bench.benchmarks.data.embedded.drawing.styles import Difficulty, finish, paint, spoil
from unlearn_bench.benchmarks.data.embedded.drawing.textures import PATTERNS, draw_texture

CENTRE = Placement(x=32, y=32, half=20, turn=0)
GENTLE = Difficulty(noise=(0, 0), blur=(0, 0), contrast=(1, 1), clutter=(0, 0), occlusion=0)


def test_streams_differ_by_name_and_repeat() -> None:
    draws = [stream("a", 1).uniform(size=4), stream("a", 2).uniform(size=4), stream("a1").uniform(size=4)]
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    np.testing.assert_array_equal(draws[0], stream("a", 1).uniform(size=4))


def test_streams_are_those_of_every_machine() -> None:
    """NumPy promises that RandomState never changes; a change of our seeding would redraw every image."""
    np.testing.assert_allclose(
        stream("mini", 0).uniform(size=3), [0.628126840036, 0.590928147413, 0.113131546577], atol=1e-12
    )


def test_a_placed_square_has_its_place_and_size() -> None:
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    mask = shrink(fill([(square, True)], Placement(x=20, y=40, half=10, turn=0)))
    rows, columns = np.nonzero(mask > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (30, 49, 10, 29)
    turned = shrink(fill([(square, True)], Placement(x=20, y=40, half=10, turn=45)))
    assert turned.sum() == pytest.approx(mask.sum(), rel=0.03)
    assert turned[30, 10] == 0


def test_a_hole_is_cut_out() -> None:
    ring, colour = draw_shape(stream("ring"), "ring", CENTRE)
    mask = shrink(ring)
    assert mask[32, 32] == 0
    assert mask[32, 32 + 18] == 1
    assert colour.shape == (3,)


def test_large_objects_are_larger_than_small_ones() -> None:
    small = [place(stream(index), "small", turn=0).half for index in range(50)]
    large = [place(stream(index), "large", turn=0).half for index in range(50)]
    assert max(small) < min(large)


@pytest.mark.parametrize("hue", [-20.0, 0.0, 37.0, 119.0, 230.0, 300.0])
def test_hues_agree_with_the_standard_library(hue: float) -> None:
    expected = colorsys.hsv_to_rgb(hue / 360 % 1, 0.7, 0.8)
    np.testing.assert_allclose(from_hue(hue, 0.7, 0.8), expected, atol=1e-6)


def test_neighbouring_colours_do_not_overlap() -> None:
    def hues(colour: str) -> list[float]:
        found = [colorsys.rgb_to_hsv(*map(float, shade(stream(colour, index), colour)))[0] for index in range(80)]
        return [hue - 1 if hue > 0.9 else hue for hue in found]

    assert max(hues("red")) < min(hues("orange"))
    assert max(hues("orange")) < min(hues("blue"))
    assert max(hues("blue")) < min(hues("purple"))


def test_an_ellipse_is_flatter_than_a_circle() -> None:
    def flatness(name: str, index: int) -> float:
        rows, columns = np.nonzero(shrink(draw_shape(stream(name, index), name, CENTRE)[0]) > 0.5)
        return float(np.ptp(rows) / np.ptp(columns))

    circles = [flatness("red circle", index) for index in range(20)]
    ellipses = [flatness("red ellipse", index) for index in range(20)]
    assert max(ellipses) < min(circles)


@pytest.mark.parametrize("name", DATASETS["mini-shapes"].class_names)
def test_shapes_stay_in_their_box(name: str) -> None:
    mask = shrink(draw_shape(stream(name), name, CENTRE)[0])
    rows, columns = np.nonzero(mask > 0)
    assert 100 < mask.sum() < 40 * 40
    assert min(rows.min(), columns.min()) >= 11
    assert max(rows.max(), columns.max()) <= 53


@pytest.mark.parametrize("name", ICONS)
def test_icons_stay_in_their_box_and_differ(name: str) -> None:
    mask = shrink(draw_icon(stream(name), name, CENTRE)[0])
    assert 100 < mask.sum() < 42 * 42
    others = [shrink(draw_icon(stream(name), other, CENTRE)[0]) for other in ICONS if other != name]
    assert all(np.abs(mask - other).sum() > 60 for other in others)


@pytest.mark.parametrize("letter", LETTERS)
def test_letters_are_legible_marks(letter: str) -> None:
    masks = [shrink(draw_letter(stream(letter, index), f"letter {letter}", CENTRE)[0]) for index in range(6)]
    assert all(60 < mask.sum() < 40 * 40 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) > 1  # several typefaces


def test_typefaces_are_distinct() -> None:
    assert len(set(TYPEFACES)) == len(TYPEFACES) >= 10


@pytest.mark.parametrize("digit", DIGITS)
def test_digits_are_real_scans(digit: str) -> None:
    mask = shrink(draw_digit(stream(digit), f"digit {digit}", CENTRE, split="val", index=0)[0])
    assert mask.max() > 0.8
    assert 50 < mask.sum() < 40 * 40


def test_every_texture_has_a_pattern_of_its_own() -> None:
    assert set(PATTERNS) == set(TEXTURES)
    drawn = {name: draw_texture(stream("same"), name, scale="coarse", tone="warm") for name in TEXTURES}
    assert len({picture.tobytes() for picture in drawn.values()}) == len(TEXTURES)
    assert all(picture.std() > 0.03 for picture in drawn.values())


@pytest.mark.parametrize("name", ["stripes", "checkerboard", "polka dots", "bricks", "honeycomb"])
def test_fine_textures_vary_faster_than_coarse_ones(name: str) -> None:
    def roughness(scale: str) -> float:
        pictures = [draw_texture(stream(name, index), name, scale=scale, tone="cool") for index in range(8)]
        return float(np.mean([np.abs(np.diff(picture, axis=0)).mean() / picture.std() for picture in pictures]))

    assert roughness("fine") > roughness("coarse")


@pytest.mark.parametrize("domain", DOMAINS)
def test_domains_paint_the_same_mask_differently(domain: str) -> None:
    mask, colour = draw_shape(stream("heart"), "heart", CENTRE)
    pictures = {each: paint(stream("ground"), mask, colour, domain=each, tone="light") for each in DOMAINS}
    for other in set(DOMAINS) - {domain}:
        assert np.abs(pictures[domain] - pictures[other]).mean() > 0.01


def test_a_sketch_leaves_the_inside_nearly_empty() -> None:
    mask, _ = draw_shape(stream("disc"), "red circle", CENTRE)
    ink = np.array([1.0, 0.0, 0.0], dtype=np.float32)
    photo = paint(stream("ground"), mask, ink, domain="photo", tone="light")
    sketch = paint(stream("ground"), mask, ink, domain="sketch", tone="light")
    inside = np.s_[26:38, 26:38, 1]  # green: bright paper, dark ink
    assert sketch[inside].mean() > photo[inside].mean() + 0.3


def test_spoiling_does_what_it_says() -> None:
    picture = np.full((64, 64, 3), 0.5, dtype=np.float32)
    picture[:, 32:] = 1.0
    np.testing.assert_allclose(spoil(stream(1), picture, GENTLE), picture, atol=1 / 255)
    noisy = Difficulty(noise=(0.1, 0.1), blur=(0, 0), contrast=(1, 1), clutter=(0, 0), occlusion=0)
    assert (spoil(stream(1), picture, noisy) - picture).std() == pytest.approx(0.1, rel=0.05)
    pale = Difficulty(noise=(0, 0), blur=(0, 0), contrast=(0.5, 0.5), clutter=(0, 0), occlusion=0)
    assert spoil(stream(1), picture, pale).std() == pytest.approx(picture.std() / 2, rel=0.05)
    messy = Difficulty(noise=(0, 0), blur=(0, 0), contrast=(1, 1), clutter=(3, 3), occlusion=1)
    assert 0 < np.mean(np.abs(spoil(stream(1), picture, messy) - picture) > 0.02) < 0.4


def test_pixels_survive_the_round_trip() -> None:
    pixels = smooth_noise(stream("blobs"), 5)
    assert pixels.shape == (64, 64)
    np.testing.assert_allclose(to_array(to_image(pixels)), pixels, atol=0.5 / 255 + 1e-6)
    assert finish(np.array([[[-0.2, 0.5, 1.7]]], dtype=np.float32)).tolist() == [[[0, 128, 255]]]
