"""Requests before this one: what the cards of a model's folder say was forgotten, and whether it still is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn_bench.benchmarks.data.dataset.without import WithoutClasses
from unlearn_bench.benchmarks.referee.embedding import embed_after
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.documents import parse_json
from unlearn_bench.metrics.shared.classification import belongs, mean, predictions

CARD = "card.json"

_BACK = 0.1
"""A gain of accuracy from which an earlier class is said to have come back in part."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """One request of before.

    Attributes:
        dataset: of which classes were forgotten; empty where they were words alone. names: what was forgotten.
    """

    dataset: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Share:
    """Zero-shot accuracy on some images, by the model that a request began with and by the one that came out."""

    name: str
    dataset: str
    before: float
    after: float
    n: int

    @property
    def came_back(self) -> bool:
        """Whether the model knows it clearly better than before."""
        return self.after > self.before + _BACK

    def __str__(self) -> str:
        back = "; it has come back in part" if self.came_back else ""
        return (
            f"forgotten before, {self.name}: accuracy {self.before:.3f} before this request, {self.after:.3f} after "
            f"({self.n} images){back}"
        )


def earlier_requests(start: Path | None) -> tuple[Earlier, ...]:
    """What was forgotten on the way to the weights at `start`, the latest first; nothing where no card says so."""
    return tuple(_requests(read_card(start))) if start is not None else ()


def read_card(start: Path) -> dict[str, Any]:
    """The card beside the weights; empty where there is none that can be read."""
    path = start / CARD if start.is_dir() else start.with_name(CARD)
    try:
        told = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _requests(card: object) -> Iterator[Earlier]:
    while isinstance(card, Mapping):
        what = card.get("what")
        if isinstance(what, Mapping) and isinstance(what.get("forgotten"), list):
            names = tuple(str(name) for name in what["forgotten"])
            yield Earlier(dataset=str(what.get("dataset") or ""), names=names)
        card = card.get("from")


def set_aside(bench: Workbench, names: Sequence[str], earlier: Sequence[Earlier]) -> tuple[Evaluated, ...]:
    """Take classes that were forgotten before out of the workbench's datasets, but those that are asked for again.

    Such a class would else be one of those to keep: a method would be given its images and learn it again. Asked for
    a second time it might come back as well: who turns a direction round does so twice.

    Returns:
        The datasets as they were, for measuring.
    """
    setting = bench.setting
    specs = [(spec, False) for spec in setting.datasets] + [(spec, True) for spec in setting.control]
    whole = []
    for (spec, control), item in zip(specs, bench.evaluated.values(), strict=True):
        gone = _known_here(item, earlier, but=names)
        if gone:
            full = Evaluated(bench, spec, control=control)
            full.dataset.name = item.dataset.name
            whole.append(full)
            item.dataset = WithoutClasses(item.dataset, gone)
    return tuple(whole)


def _known_here(item: Evaluated, earlier: Sequence[Earlier], *, but: Sequence[str] = ()) -> list[str]:
    """What of the earlier requests is in a dataset, each once."""
    names = [name for request in earlier for name in request.names if request.dataset in {"", item.dataset.name}]
    return [name for name in dict.fromkeys(names) if name not in but and item.dataset.knows(name)]


def still_forgotten(
    bench: Workbench, whole: Sequence[Evaluated], unlearned: Clip, earlier: Sequence[Earlier]
) -> tuple[Share, ...]:
    """The accuracy on each class that was forgotten before, among all classes of its dataset."""
    shares = (share(bench, item, unlearned, name) for item in whole for name in _known_here(item, earlier))
    return tuple(found for found in shares if found is not None)


def share(bench: Workbench, item: Evaluated, unlearned: Clip, name: str = "") -> Share | None:
    """Accuracy before and after on the images of a class, or of all; None where there are none."""
    dataset, labels = item.dataset, item.images.labels
    if not dataset.classified:
        return None
    changed = changed_names(bench.pristine, unlearned.state())
    after = embed_after(unlearned, item.images, dataset.texts, before=item.before, changed=changed)
    rows = belongs(labels, dataset.labels((name,))) if name else labels >= 0
    right = [
        mean((predictions(embedded) == labels)[rows])
        for embedded in (item.before_in(dataset.template), item.parted(after, labels))
    ]
    if right[0] is None or right[1] is None:
        return None
    return Share(name=name or dataset.name, dataset=dataset.name, before=right[0], after=right[1], n=int(rows.sum()))
