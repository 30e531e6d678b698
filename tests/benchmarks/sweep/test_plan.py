"""From a suite to cells: keys that stay, filters, and names that do not fit."""

import dataclasses
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import COLD, WARM, bench_of, plan, write_colours, write_method, write_suite
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import QUICK_PER_CLASS, cells_for, settings_for, take_shard
from unlearn_bench.benchmarks.sweep.players import Choice, chosen_methods, load_method, load_metrics
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import EvaluationSet, Run
from unlearn_bench.metrics.base import Feature
from unlearn_bench.metrics.shared.attacks import standard_metrics

RUN = Run(
    suite="mini",
    model="mini-rn",
    fingerprint="0123456789abcdef",
    method="lip",
    method_version=1,
    method_file=None,
    access="ZS",
    kind="method",
    hyperparameters={"rate": 0.5, "layers": ("a", "b")},
    dataset="digits",
    forget=("one", "two"),
    evaluation=(EvaluationSet(name="digits", version="1", split="test", template="a {}"),),
    metrics={"accuracy": 1},
    synthesis={"threshold": 0.7},
    train_split="train",
    seed=0,
)

METRIC = """
from unlearn_bench.metrics.base import Metric

class Mine(Metric):
    name = "mine"
    needs = ("trian",)

    def measure(self, evidence):
        return ()
"""


def test_the_key_stays() -> None:
    """A new key orphans every record that was ever written: change it knowingly."""
    assert RUN.key == "1473e513a5977f32"


def test_lists_and_tuples_and_the_order_of_tables_do_not_matter() -> None:
    same = dataclasses.replace(RUN, hyperparameters={"layers": ["a", "b"], "rate": 0.5})
    assert same.key == RUN.key


def other(value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, tuple):
        return value[:-1]
    return f"{value}x" if isinstance(value, str) or value is None else value + 1


@pytest.mark.parametrize("name", [item.name for item in dataclasses.fields(Run)])
def test_every_field_that_decides_a_number_changes_the_key(name: str) -> None:
    changed = dataclasses.replace(RUN, **{name: other(getattr(RUN, name))})
    only_words = {"suite", "model", "access", "kind"}
    assert (changed.key == RUN.key) == (name in only_words)


@pytest.mark.parametrize("name", [item.name for item in dataclasses.fields(EvaluationSet)])
def test_evaluation_sets_change_the_key(name: str) -> None:
    (item,) = RUN.evaluation
    value = getattr(item, name)
    more: dict[str, Any] = {name: not value if isinstance(value, bool) else value + "x"}
    changed = dataclasses.replace(item, **more)
    assert dataclasses.replace(RUN, evaluation=(changed,)).key != RUN.key


@pytest.fixture
def mine(tmp_path: Path) -> str:
    return write_method(tmp_path, "return clip")


def test_cells_of_a_suite(suite_file: Path, mine: str, tmp_path: Path) -> None:
    two = write_method(tmp_path, "return clip", name="two", access="not-ZS")
    cells = plan(suite_file, [mine, two], seeds=[0, 1])
    turns = zip(sorted(WARM), sorted(COLD), strict=True)
    tasks = [task for warm, cold in turns for task in (("folder:warm", (warm,)), ("folder:cold", (cold,)))]
    assert [(c.run.seed, c.run.dataset, c.run.forget, c.run.method) for c in cells] == [
        (seed, dataset, forget, method) for seed in (0, 1) for dataset, forget in tasks for method in ("mine", "two")
    ]
    assert len({cell.run.key for cell in cells}) == 24
    run = cells[0].run
    assert run.hyperparameters == {"strength": 0.5}
    assert [(item.name, item.split, item.template) for item in run.evaluation] == [
        ("folder:warm", "test", "a photo of a {}."),
        ("folder:cold", "test", "a photo of a {}."),
    ]
    assert "batch_size" not in run.synthesis
    assert cells[0].preset == {"source": "default"}
    assert plan(suite_file, [mine, two], seeds=[0, 1]) == cells


def test_a_cell_crosses_processes(suite_file: Path, mine: str) -> None:
    cell = plan(suite_file, [mine])[0]
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert "unlearn_bench_plugin" not in pickle.dumps(cell).decode("latin-1")


def test_datasets_filter_what_is_forgotten_never_what_is_evaluated(suite_file: Path, mine: str) -> None:
    every = plan(suite_file, [mine])
    cold = plan(suite_file, [mine], datasets=["folder:cold"])
    assert cold == [cell for cell in every if cell.run.dataset == "folder:cold"]
    assert {len(cell.run.evaluation) for cell in cold} == {2}
    with pytest.raises(InputError, match=r"unknown dataset of this suite 'folder:cod'; .*did you mean 'folder:cold'"):
        plan(suite_file, [mine], datasets=["folder:cod"])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("red", ("folder:warm", ("red",))),
        ("folder:cold/cyan", ("folder:cold", ("cyan",))),
        ("red+blue", ("folder:warm", ("red", "blue"))),
        ("folder:warm/red + blue", ("folder:warm", ("red", "blue"))),
        ("red+red", ("folder:warm", ("red",))),
    ],
)
def test_classes(wanted: str, found: tuple[str, tuple[str, ...]], suite_file: Path, mine: str) -> None:
    (cell,) = plan(suite_file, [mine], classes=[wanted])
    assert (cell.run.dataset, cell.run.forget) == found


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("rde", r"unknown class 'rde'; known: .*did you mean 'red'\?"),
        ("red+blu", r"unknown class 'blu'.*did you mean 'blue'\?"),
        ("folder:warm/cyan", "unknown class of 'folder:warm' 'cyan'"),
        ("folder:warn/red", "unknown class 'folder:warn/red'"),
        ("red+cyan", "unknown class"),
    ],
)
def test_classes_that_do_not_fit(wanted: str, message: str, suite_file: Path, mine: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(suite_file, [mine], classes=[wanted])


def test_a_class_in_two_datasets(suite_file: Path, mine: str, tmp_path: Path) -> None:
    write_colours(tmp_path / "data" / "cold", ["red"])
    with pytest.raises(
        InputError, match="class 'red' is in 2 datasets; say which: 'folder:warm/red', 'folder:cold/red'"
    ):
        plan(suite_file, [mine], classes=["red"])
    (cell,) = plan(suite_file, [mine], classes=["red"], datasets=["folder:cold"])
    assert cell.run.dataset == "folder:cold"


def test_what_is_named_twice_runs_once(suite_file: Path, mine: str) -> None:
    cells = plan(suite_file, [mine, mine], classes=["red", "folder:warm/red"], seeds=[0, 0])
    assert len(cells) == 1


def test_classes_of_the_suite(mine: str, tmp_path: Path) -> None:
    path = write_suite(tmp_path, classes={"folder:warm": ["red", ["green", "blue"]]})
    cells = plan(path, [mine], datasets=["folder:warm"])
    assert [cell.run.forget for cell in cells] == [("red",), ("green", "blue")]
    path = write_suite(tmp_path, classes={"folder:wram": ["red"]})
    with pytest.raises(InputError, match=r"unknown dataset under \[classes\] of suite 'colours' 'folder:wram'"):
        plan(path, [mine])
    path = write_suite(tmp_path, classes={"folder:warm": ["rde"]})
    with pytest.raises(InputError, match="unknown class of 'folder:warm' 'rde'"):
        plan(path, [mine])


def test_a_misspelt_split_and_a_dataset_named_twice(mine: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown split 'tset'; .*did you mean 'test'"):
        plan(write_suite(tmp_path, test_split="tset"), [mine])
    same = [f"folder:{tmp_path / 'data' / 'warm'}"]
    with pytest.raises(InputError, match="dataset 'folder:warm' is named twice"):
        plan(write_suite(tmp_path, control=same), [mine])


def test_an_edited_plugin_has_another_key(suite_file: Path, tmp_path: Path) -> None:
    keys = []
    for strength in ("return clip", "return clip  # changed", "return clip"):
        (cell,) = plan(suite_file, [write_method(tmp_path, strength)], classes=["red"])
        keys.append(cell.run.key)
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_registered_methods_have_no_file() -> None:
    loaded = load_method("identity")
    assert (loaded.kind.name, loaded.file) == ("identity", None)


BODIES = {
    "no-name": ("name: ClassVar", "label: ClassVar", 'lacks a name; add `name = "my-method"` to class Mine'),
    "no-access": ("access: ClassVar", "sees: ClassVar", "lacks a access"),
    "bad-access": ('"ZS"', '"zero"', "has access 'zero'; give one of 'ZS', 'semi-ZS', 'not-ZS'"),
    "bad-version": ("strength: float", 'version = "two"\n    strength: float', "version 'two'; give a whole number"),
    "large-version": ("strength: float", "version = 10**30\n    strength: float", "version '1000.*'; give a whole"),
    "bad-kind": ("strength: float", "kind = 7\n    strength: float", "has kind 7; give one of 'method', 'reference'"),
    "bad-default": ("strength: float", "default = 1\n    strength: float", "default 1; give one of True, False"),
    "bad-reference": ("strength: float", "reference = 3\n    strength: float", "a reference that is no text"),
    "unprintable-name": ('"mine"', '"mi\\udcffne"', "has a default that is no plain data|a name that is no text"),
    "unprintable-default": ("strength: float = 0.5", "strength: str = '\\udcff'", "a default that is no plain data"),
    "empty-name": ('"mine"', '" "', "a name of 1 letters; give one of 1 to 200"),
    "long-name": ('"mine"', '"mine" * 99', "a name of 396 letters"),
    "taken": ('"mine"', '"lip"', "calls itself 'lip', which is taken; choose another name"),
    "no-base": ("class Mine(Method)", "class Mine", "is not a subclass of unlearn_bench.methods.base.Method"),
    "other-class": ("class Mine", "class Other", r"unknown attribute of .* 'Mine'; known: .*Other"),
    "does-not-import": ("import os", "import no_such_module_here", r"does not import \(ModuleNotFoundError: "),
    "syntax": ("@dataclass", "@dataclass(", r"does not import \(SyntaxError: "),
}


@pytest.mark.parametrize("case", BODIES)
def test_plugins_that_are_no_methods(case: str, mine: str) -> None:
    old, new, message = BODIES[case]
    path = Path(mine.rpartition(":")[0])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        load_method(mine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def unlearn", "def forget", "can't be made: .*abstract"),
        ("strength: float = 0.5", "strength: float", "can't be made: .*strength"),
    ],
)
def test_plugins_that_can_not_be_made(old: str, new: str, message: str, mine: str, suite_file: Path) -> None:
    path = Path(mine.rpartition(":")[0])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        plan(suite_file, [mine], classes=["red"])


def test_unknown_methods_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown method 'lipp'; known: .*did you mean 'lip'\?"):
        load_method("lipp")
    with pytest.raises(InputError, match=r"no plug-in file at 'nowhere.py'"):
        load_method("nowhere.py:Mine")


def test_two_plugins_of_one_name(suite_file: Path, mine: str, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    twin = write_method(tmp_path / "b", "return clip")
    with pytest.raises(InputError, match="two of the methods are called 'mine'"):
        plan(suite_file, [mine, twin])


def test_methods_of_a_suite_and_of_the_user(suite: Suite, mine: str) -> None:
    every = chosen_methods(suite, Choice())
    assert every == sorted(every)
    assert {"lip", "identity", "salun"} <= set(every)
    assert not {"random-weights", "retrain", "lip-real"} & set(every)  # they are named, or left out
    assert chosen_methods(suite, Choice(methods=["retrain", "all"])) == ["retrain", *every]
    assert chosen_methods(suite, Choice(methods=["lip", "all"]))[0] == "lip"
    assert sorted(chosen_methods(suite, Choice(methods=["lip", "all"]))) == every
    assert chosen_methods(suite, Choice(methods=["all", mine])) == [*every, mine]


def test_the_standard_attack_is_a_name_for_several_metrics() -> None:
    found = list(load_metrics(["standard-attack"]))
    assert found == list(standard_metrics())
    assert {"accuracy", "prototype", "class-embedding", "relearning", "pruning"} <= set(found)
    assert set(load_metrics(["all", "standard-attack"])) == {*load_metrics(["all"]), *found}
    assert next(iter(load_metrics(["linear-probe", "standard-attack"]))) == "linear-probe"
    with pytest.raises(InputError, match=r"unknown metric 'standard-atack'; .*did you mean 'standard-attack'\?"):
        load_metrics(["standard-atack"])


def test_metrics(suite_file: Path, mine: str, tmp_path: Path) -> None:
    assert list(load_metrics(["accuracy", "accuracy"])) == ["accuracy"]
    assert {"accuracy", "average-score", "seconds"} <= set(load_metrics(["all"]))
    assert "predictions" not in load_metrics(["all"])  # its `default` is false: it is named, or left out
    assert list(load_metrics(["predictions", "all"])) == ["predictions", *load_metrics(["all"])]
    with pytest.raises(InputError, match=r"unknown metric 'acuracy'; known: .*did you mean 'accuracy'\?"):
        load_metrics(["acuracy"])
    with pytest.raises(InputError, match=r"is not a subclass of unlearn_bench.metrics.base.Metric"):
        load_metrics([mine])
    misspelt = tmp_path / "metric.py"
    misspelt.write_text(METRIC)
    with pytest.raises(InputError, match=r"unknown evidence that metric .* needs 'trian'; known: .* mean 'train'\?"):
        load_metrics([f"{misspelt}:Mine"])
    nowhere = tmp_path / "nowhere.py"
    nowhere.write_text(METRIC.replace('needs = ("trian",)', 'default = "domain"'))
    with pytest.raises(InputError, match=r"unknown default of metric .* 'domain'; known: .* mean 'domains'\?"):
        load_metrics([f"{nowhere}:Mine"])
    (cell,) = plan(suite_file, [mine], classes=["red"])
    assert cell.run.metrics == {"accuracy": 1, "seconds": load_metrics(["seconds"])["seconds"][1].version}
    more = plan(write_suite(tmp_path, metrics=("accuracy",)), [mine], classes=["red"])
    assert more[0].run.key != cell.run.key


@pytest.mark.parametrize(
    ("feature", "metric"),
    [
        ("captions", "pair-retrieval"),
        ("domains", "domain-accuracy"),
        ("associations", "association-accuracy"),
    ],
)
def test_all_stands_for_what_is_about_the_dataset_s_own_features(feature: Feature, metric: str) -> None:
    assert set(load_metrics(["all"], {feature})) == {*load_metrics(["all"]), metric}
    assert metric in load_metrics([metric])
    assert metric not in load_metrics(["accuracy"], {feature})


def test_each_task_is_measured_by_what_its_own_dataset_has(mine: str) -> None:
    suite = Suite(name="both", models=("mini-rn",), datasets=("mini-domains", "mini-pairs", "mini-digits"))
    classes = ["mini-domains/cross", "mini-pairs/letter m", "digit two"]
    cells = cells_for(suite, Choice(methods=[mine], classes=classes), bench_of(suite))
    special = {"domain-accuracy", "pair-retrieval"}
    assert [special & set(cell.run.metrics) for cell in cells] == [{"domain-accuracy"}, {"pair-retrieval"}, set()]
    assert all(len(cell.metric_targets) == len(cell.run.metrics) for cell in cells)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 40])
def test_shards_are_a_partition(count: int, suite_file: Path, mine: str) -> None:
    cells = plan(suite_file, [mine], seeds=[0, 1, 2])
    shards = [take_shard(cells, index, count) for index in range(1, count + 1)]
    keys = [cell.run.key for shard in shards for cell in shard]
    assert sorted(keys) == sorted(cell.run.key for cell in cells)
    assert len(set(keys)) == len(keys)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_a_quick_look_is_one_class_of_each_dataset_without_audits(mine: str, tmp_path: Path) -> None:
    path = write_suite(tmp_path, metrics=("accuracy", "average-score", "relearning"), seeds=(3, 4))
    suite = load_suite(str(path))
    quick = Choice(methods=[mine, "identity"], quick=True)
    (setting,) = settings_for(replace(suite, models=(*suite.models, "mini-vit")), quick, device="cpu", skip_bad=False)
    assert (setting.model, setting.per_class) == (suite.models[0], QUICK_PER_CLASS)
    cells = cells_for(suite, quick, open_workbench(setting))
    assert [(c.run.dataset, c.run.forget, c.run.label, c.run.seed) for c in cells] == [
        (dataset, (name,), method, 3)
        for dataset, name in (("folder:warm", "blue"), ("folder:cold", "cyan"))
        for method in ("mine", "identity")
    ]
    assert set(cells[0].run.metrics) == {"accuracy", "average-score"}
    assert all(item.version.endswith("+first-10-of-each-class") for item in cells[0].run.evaluation)
    some = replace(quick, classes=["red", "green"], seeds=[7, 8])
    assert [(c.run.forget, c.run.seed) for c in cells_for(suite, some, open_workbench(setting))][::2] == [
        (("red",), 7),
        (("red",), 8),
    ]


def test_one_setting_for_each_model(suite: Suite) -> None:
    settings = settings_for(suite, Choice(models=["a", "b"]), device="cpu", skip_bad=True)
    assert [(item.model, item.skip_bad, item.datasets) for item in settings] == [
        ("a", True, suite.datasets),
        ("b", True, suite.datasets),
    ]


def test_the_key_is_that_of_the_content(suite_file: Path, mine: str, tmp_path: Path) -> None:
    """Another path of model and data is the same run; another picture, or other weights, is not."""
    (here,) = plan(suite_file, [mine], classes=["red"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copied = write_suite(elsewhere)
    (there,) = plan(copied, [mine], classes=["red"])
    assert there.setting.model != here.setting.model
    assert there.run.model == here.run.model == "colours"
    assert there.run.key == here.run.key
    (elsewhere / "data" / "cold" / "cyan" / "000.png").unlink()
    suite = load_suite(str(copied))
    (fewer,) = cells_for(suite, Choice(methods=[mine], classes=["red"]), _fresh(suite))
    assert fewer.run.key != here.run.key


def _fresh(suite: Suite) -> Any:
    from unlearn_bench.benchmarks.referee.workbench import open_workbench

    open_workbench.cache_clear()
    return bench_of(suite)
