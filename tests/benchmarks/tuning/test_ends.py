"""Whether ranges bracket: too little at the weak ends, too much at the strong ones, told of each parameter."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.benchmarks.support import CONDITIONS, bench_of, write_method, write_suite
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_method
from unlearn_bench.benchmarks.tuning.ends import (
    LESS,
    MORE,
    Tried,
    app,
    ends,
    line,
    middle,
    settings,
    try_settings,
    verdicts,
)
from unlearn_bench.benchmarks.tuning.space import space_of
from unlearn_bench.methods.base import Range, search_space
from unlearn_bench.registry import catalogue
from unlearn_bench.synthesis.settings import UNTUNED

CLASSES = {"folder:warm": ["red"], "folder:cold": ["cyan"]}
TUNING = {"folder:warm": ["green", "blue"], "folder:cold": ["yellow", "magenta"]}

# Below half strength nothing happens; above it the target's text is turned round; from 2 on, every text.
BODY = """
rows = clip.tokenize([c.text for c in request.forget])
table = clip.module.text[0].weight.data
if self.strength >= 2:
    table *= -1
elif self.strength > 0.5:
    table[rows] *= -1
return clip
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_suite(tmp_path, classes=CLASSES, tuning=TUNING)


def method(folder: Path, field: str, body: str = BODY) -> str:
    spec = write_method(folder, body)
    file = Path(spec.rpartition(":")[0])
    text = file.read_text().replace("strength: float = 0.5", f"strength: float = {field}\n    idle: float = {IDLE}")
    file.write_text(text.replace("import Method", "import Method, tunable"))
    return spec


IDLE = "tunable(2, choices=(1, 2, 4))"


def tried(path: Path, spec: str, *, each: bool = True) -> list[Tried]:
    suite = load_suite(str(path))
    found = try_settings(
        suite,
        load_method(spec),
        bench_of(suite),
        dataset="folder:warm",
        forget=("green",),
        synthesis=UNTUNED,
        conditions=CONDITIONS,
        each=each,
    )
    return list(found)


def test_a_range_that_brackets(path: Path, tmp_path: Path) -> None:
    found = tried(path, method(tmp_path, "tunable(0.7, low=0.1, high=2.0)"))
    assert [(item.name, item.values) for item in found] == [
        ("weak", {"strength": 0.1, "idle": 2}),
        ("strong", {"strength": 2.0, "idle": 2}),
        ("middle", {"strength": 0.7, "idle": 2}),
        ("strength 0.1", {"strength": 0.1, "idle": 2}),
        ("strength 2", {"strength": 2.0, "idle": 2}),
        ("idle 1", {"strength": 0.7, "idle": 1}),
        ("idle 4", {"strength": 0.7, "idle": 4}),
    ]
    assert [item.forgetting for item in found] == [0, 1, 1, 0, 1, 1, 1]
    assert [item.retention >= 0.8 for item in found] == [True, False, True, True, False, True, True]
    assert verdicts(found) == ["idle makes no difference in the middle of the others"]
    assert verdicts(found[:2]) == []


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("tunable(0.7, low=0.6, high=2.0)", "the weak end forgets 1.00 already"),
        ("tunable(0.2, low=0.1, high=0.4)", "the strong end forgets 0.00 only"),
        ("tunable(0.2, low=0.1, high=1.9)", "the strong end forgets and still keeps 1.00: it can't damage"),
    ],
)
def test_ranges_that_do_not(path: Path, tmp_path: Path, field: str, said: str) -> None:
    assert verdicts(tried(path, method(tmp_path, field), each=False)) == [said]


def test_weights_that_overflow_are_too_much_and_never_too_little(path: Path, tmp_path: Path) -> None:
    body = f"if self.strength > 1:\n    raise ValueError('overflow')\n{BODY}"
    found = tried(path, method(tmp_path, "tunable(0.2, low=0.1, high=2.0)", body), each=False)
    assert verdicts(found) == []
    assert "overflow" in line(found[1])
    assert "nan" in line(found[1])
    turned = verdicts([Tried(**{**vars(found[1]), "name": "weak"}), found[1]])
    assert "the weak end has no numbers (failed: ValueError: overflow" in turned[0]


def test_a_wrecked_model_is_too_much_even_where_it_names_the_class_for_all() -> None:
    weak = Tried(method="mine", name="weak", values={}, forgetting=0.0, retention=1.0)
    for forgetting, retention, said in (
        (-0.2, 0.05, []),
        (0.6, 0.7, []),
        (-0.2, 0.5, ["the strong end forgets -0.20 only"]),
    ):
        strong = Tried(method="mine", name="strong", values={}, forgetting=forgetting, retention=retention)
        assert verdicts([weak, strong]) == said


def test_a_method_without_a_parameter_of_strength() -> None:
    assert list(settings({"idle": Range(low=1, high=3)}, {"idle": 2}, each=False)) == []
    assert verdicts([]) == ["no parameter of strength is known"]


@pytest.mark.parametrize(
    ("where", "default", "expected"),
    [
        (Range(low=1e-4, high=1.0, log=True), 1e-4, 1e-2),  # at the edge: the middle, by logarithm
        (Range(low=1e-4, high=1.0, log=True), 0.05, 0.05),
        (Range(low=0.0, high=1.0), 0.1, 0.5),
        (Range(low=0.0, high=1.0), 0.3, 0.3),
        (Range(low=1, high=6), 1, 4),  # a whole number stays one
        (Range(choices=(1, 2, 4)), 1, 1),
    ],
)
def test_the_middle_of_a_range(where: Range, default: float, expected: float) -> None:
    assert middle(where, default) == pytest.approx(expected)
    low, high = ends(where)
    assert low < high


def test_ranges_in_units_of_the_weights(path: Path, tmp_path: Path) -> None:
    """The colour model's trained matrix, and nothing of its table of tokens."""
    bench = bench_of(load_suite(str(path)))
    loaded = load_method(method(tmp_path, 'tunable(0.7, low=0.1, high=2.0, unit="rms", published=0.01)'))
    size = (1 / 3) ** 0.5  # two identity matrices of three rows
    where = space_of(loaded.kind, bench.clip).ranges["strength"]
    assert (where.low, where.unit) == (0.01, "")
    assert where.high == pytest.approx(2 * size)


def test_every_method_with_ranges_has_a_parameter_of_strength() -> None:
    for name in catalogue("methods"):
        if not name.startswith("/"):
            space = search_space(load_method(name).kind)
            assert not space or space.keys() & (MORE | LESS), name


def test_the_command(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = method(tmp_path, "tunable(0.7, low=0.1, high=2.0)")

    def said(*more: str) -> Any:
        return CliRunner().invoke(app, ["--suite", str(path), "--methods", spec, "--threads", "1", *more])

    found = said("--no-each")
    assert found.exit_code == 0, found.output
    rows = found.output.splitlines()
    assert "folder:warm/green, root mean square of the weights 0.5774" in rows[0]
    assert [row.split()[:2] for row in rows[1:]] == [
        ["method", "setting"],
        ["mine", "weak"],
        ["mine", "strong"],
        ["mine:", "brackets"],
    ]
    other = said("--class", "folder:cold/magenta")
    assert other.exit_code == 1
    assert "mine: idle makes no difference in the middle of the others" in other.output
    assert "folder:cold/magenta" in other.output
    for wrong in ("green", "folder:hot/green"):
        refused = said("--class", wrong)
        assert refused.exit_code == 2
        assert f"the class is {wrong!r}; give DATASET/CLASS" in refused.output
