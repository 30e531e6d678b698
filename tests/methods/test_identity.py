"""The reference that does nothing."""

from tests.core import tiny
from tests.methods.support import colour_request, colours, copied, moved_names, request
from unlearn_bench.methods.identity import Identity


def test_every_tensor_stays_bit_for_bit() -> None:
    clip = tiny.resnet()
    before = copied(clip)
    returned = Identity().unlearn(clip, request(["red"], ["blue"]))
    assert returned is clip
    assert not moved_names(before, returned)


def test_it_is_a_reference_and_always_applies() -> None:
    assert Identity.kind == "reference"
    assert Identity.access == "ZS"
    assert Identity().skip(colours(), colour_request()) is None
