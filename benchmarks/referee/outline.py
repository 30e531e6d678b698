"""What a plan has to know of a model and its data: from a workbench, or unopened, for what is in this package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Split
from unlearn_bench.benchmarks.data.dataset.templates import set_template
from unlearn_bench.benchmarks.data.sources import is_embedded, named_apart, open_dataset
from unlearn_bench.benchmarks.referee.setting import Setting, as_split
from unlearn_bench.errors import InputError
from unlearn_bench.metrics.base import Feature
from unlearn_bench.models.known import known_model


class Listed:
    """A dataset on which every run is measured, as it is known without a model."""

    def __init__(self, setting: Setting, spec: str, *, control: bool) -> None:
        self.setting, self.control = setting, control
        self.dataset: Dataset = open_dataset(spec)
        if setting.template:
            set_template(self.dataset, setting.template)

    @property
    def version(self) -> str:
        """The dataset's, and what of its images is not looked at."""
        setting = self.setting
        skipped = "+skip-bad" if setting.skip_bad else ""
        first = f"+first-{setting.per_class}-of-each-class" if setting.per_class else ""
        return self.dataset.version + skipped + first

    @property
    def split(self) -> Split:
        """The one that is measured on."""
        return as_split(self.setting.test_split)

    @cached_property
    def features(self) -> frozenset[Feature]:
        """What it has that some metrics are about."""
        captions = self.dataset.index(self.split).captions
        had: dict[Feature, bool] = {
            "captions": bool(captions),
            "domains": self.dataset.domain_labels is not None,
            "associations": bool(self.dataset.associations),
        }
        return frozenset(name for name, there in had.items() if there)


Item = TypeVar("Item", bound=Listed)


def listed(setting: Setting, make: Callable[[str, bool], Item]) -> dict[str, Item]:
    """What `make` makes of each of the setting's datasets (its spec, and whether it is a control), by name.

    Raises:
        InputError: a dataset is named twice; and what opening it raises.
    """
    sets = ((setting.datasets, False), (setting.control, True))
    items = [make(spec, control) for specs, control in sets for spec in specs]
    named_apart([item.dataset for item in items])
    found: dict[str, Item] = {}
    for item in items:
        if item.dataset.name in found:
            raise InputError(f"dataset {item.dataset.name!r} is named twice; name each once")
        found[item.dataset.name] = item
    return found


class Planned(Protocol):
    """What a plan reads: a `Workbench`, or an `Outline`."""

    @property
    def setting(self) -> Setting:
        """What was asked for."""

    @property
    def name(self) -> str:
        """The model's own."""

    @property
    def fingerprint(self) -> str:
        """Of what the model computes."""

    @property
    def architecture(self) -> str:
        """The model's, in words."""

    @property
    def evaluated(self) -> Mapping[str, Listed]:
        """The datasets by name, control sets last."""


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A model of this package on datasets of this package, told without opening the model: torch is not needed.

    Attributes:
        opened_mib: main memory of a process that has opened them; measured once, on Linux.
    """

    setting: Setting
    name: str
    fingerprint: str
    architecture: str
    evaluated: Mapping[str, Listed]
    opened_mib: int


def outline_of(setting: Setting) -> Outline | None:
    """The outline of a setting; None where the model has to be opened to know it, or to read other texts with it."""
    own = all(map(is_embedded, (*setting.datasets, *setting.control)))
    model = known_model(setting.model) if own and not setting.template and setting.weights is None else None
    if model is None:
        return None
    for split in (setting.train_split, setting.test_split):
        as_split(split)
    return Outline(
        setting=setting,
        name=model.name,
        fingerprint=model.fingerprint,
        architecture=model.architecture,
        evaluated=listed(setting, lambda spec, control: Listed(setting, spec, control=control)),
        opened_mib=model.opened_mib,
    )
