import base64

import numpy as np
import pytest

from unlearn_bench.errors import InputError
from unlearn_bench.metrics.shared.outcomes import pack, unpack


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 101])
def test_what_was_packed_comes_back(n: int) -> None:
    random = np.random.default_rng(n)
    before, after = random.random(n) < 0.5, random.random(n) < 0.5
    back_before, back_after = unpack(pack(before, after), n)
    assert back_before.dtype == back_after.dtype == np.bool_
    np.testing.assert_array_equal(back_before, before)
    np.testing.assert_array_equal(back_after, after)


def test_bits_lie_first_image_first_and_before_first() -> None:
    before = np.array([True] + [False] * 8)
    after = np.array([False] * 8 + [True])
    assert base64.b64decode(pack(before, after)) == bytes([0b10000000, 0, 0, 0b10000000])


def test_a_hundred_images_fit_into_forty_characters() -> None:
    assert len(pack(np.zeros(100, dtype=bool), np.ones(100, dtype=bool))) == 36


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.zeros(3, dtype=bool), np.zeros(4, dtype=bool)),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((3, 1), dtype=bool), np.zeros((3, 1), dtype=bool)),
    ],
)
def test_pack_refuses_what_is_not_two_rows_of_yes_and_no(before: np.ndarray, after: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two bool arrays of one length"):
        pack(before, after)


@pytest.mark.parametrize("n", [0, 8, 17, -1])
def test_unpack_refuses_a_text_of_another_length(n: int) -> None:
    text = pack(np.zeros(9, dtype=bool), np.zeros(9, dtype=bool))
    with pytest.raises(InputError, match=f"outcomes of {n} images take"):
        unpack(text, n)


@pytest.mark.parametrize("text", ["no base64!", "é", "AAA"])
def test_unpack_refuses_what_is_no_base64(text: str) -> None:
    with pytest.raises(InputError, match="no base64"):
        unpack(text, 9)


def test_no_outcomes_are_no_images_but_not_some() -> None:
    assert [len(side) for side in unpack("", 0)] == [0, 0]
    with pytest.raises(InputError, match="take 2 bytes, got 0"):
        unpack("", 3)
