"""What the tests of tuning share: a method with something to tune, and a search for it."""

from dataclasses import replace
from pathlib import Path

from tests.benchmarks.support import CONDITIONS, bench_of, write_method
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.benchmarks.tuning.search import Budget, Tuned, tune
from unlearn_bench.synthesis.settings import UNTUNED

CLASSES = {"folder:warm": ["red"], "folder:cold": ["cyan"]}
TUNING = {"folder:warm": ["green", "blue"], "folder:cold": ["yellow", "magenta"]}

# Below half strength nothing happens; above it, the target's text is turned round.
TURN = """
if self.strength > 0.5:
    clip.module.text[0].weight.data[clip.tokenize([c.text for c in request.forget])] *= -1
return clip
"""

# It damages as much as it forgets: the whole table of words is moved.
HARM = "clip.module.text[0].weight.data[1:] *= 1 - 2 * self.strength\nreturn clip"


def tunable_method(
    folder: Path,
    body: str = TURN,
    *,
    field: str = "tunable(0.2, low=0.0, high=1.0)",
    more: str = "",
    name: str = "mine",
) -> str:
    """The spec of a method whose `strength` has a range; `more` are further fields, indented by nothing."""
    spec = write_method(folder, body, name=name)
    file = Path(spec.rpartition(":")[0])
    fields = "\n    ".join([f"strength: float = {field}", *more.splitlines()])
    text = file.read_text().replace("strength: float = 0.5", fields)
    file.write_text(text.replace("import Method", "import Method, tunable"))
    return spec


def tuned(
    path: Path, specs: list[str], out: Path, *, trials: int = 8, fresh: bool = False, jobs: int = 1
) -> list[Tuned]:
    """What a search finds for these methods on the suite's tuning classes."""
    suite = load_suite(str(path))
    bench = bench_of(suite)
    budget = Budget(trials=trials, tasks=tuning_tasks(suite, bench).tasks, synthesis=UNTUNED, suite=suite)
    searches = tune(
        [load_method(spec) for spec in specs],
        bench,
        budget,
        out=out,
        engine=Local(conditions=replace(CONDITIONS, jobs=jobs)),
        telling=lambda done, most: None,
        fresh=fresh,
    )
    return list(searches)
