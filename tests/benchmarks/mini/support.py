"""What several tests of the embedded datasets ask."""

from collections.abc import Collection

from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.players import load_metrics


def measured(suite: str, dataset: str) -> Collection[str]:
    """The metrics by which a suite measures what is forgotten from a dataset."""
    setting = Setting(
        model="mini-rn", datasets=(dataset,), control=(), train_split="train", test_split="test", device="cpu"
    )
    return load_metrics(load_suite(suite).metrics, open_workbench(setting).evaluated[dataset].features)
