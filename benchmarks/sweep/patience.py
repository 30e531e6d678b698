"""How long a method may take before its cell has failed: so that one that never ends does not end the sweep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.sweep.estimate import Known

LEAST_S = 3600.0
"""A method is given no less than this unasked."""

TIMES = 20.0
"""And no less than so many times what it is expected to take."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds that a method may take, synthesis left out.

    Attributes:
        given: by the user, 0: without end; None: `LEAST_S`, or `TIMES` what a rehearsal makes expect, if more.
        known: of models, by spec.
    """

    given: float | None = None
    known: Mapping[str, Known] = field(default_factory=dict)

    def of(self, cell: Cell) -> float:
        """For one cell; 0: without end."""
        if self.given is not None:
            return self.given
        about, run = self.known.get(cell.setting.model, Known()), cell.run
        if about.rates is None or run.label not in about.rates.methods or run.dataset not in about.sizes:
            return LEAST_S
        return max(LEAST_S, TIMES * about.rates.method_seconds(run, about.sizes[run.dataset]))


UNHURRIED = Patience()
"""Where nothing is known, and nothing was given."""
