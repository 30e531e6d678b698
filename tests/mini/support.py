"""What several tests of the embedded datasets ask."""

from collections.abc import Collection

from unlearn_bench.benchmarks.plan import load_metrics
from unlearn_bench.benchmarks.suite import load_suite
from unlearn_bench.benchmarks.workbench import Setting, open_workbench


def measured(suite: str, dataset: str) -> Collection[str]:
    """The metrics by which a suite measures what is forgotten from a dataset."""
    setting = Setting(
        model="mini-rn", datasets=(dataset,), control=(), train_split="train", test_split="test", device="cpu"
    )
    return load_metrics(load_suite(suite).metrics, open_workbench(setting).evaluated[dataset].features)
