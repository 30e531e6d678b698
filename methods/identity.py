"""The reference row in which nothing is done."""

from dataclasses import dataclass

from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Method, Request


@dataclass(frozen=True, kw_only=True)
class Identity(Method):
    """Nothing done: the scale's other end, against which every row is read.

    Source: none. Departures: none.
    """

    name = "identity"
    access = "ZS"
    kind = "reference"

    def unlearn(self, clip: Clip, request: Request) -> Clip:  # noqa: ARG002
        """The model as it came."""
        return clip
