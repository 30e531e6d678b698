"""The data report: what was understood of a dataset, short for the terminal and whole for a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from unlearn_bench.benchmarks.data.dataset.base import Dataset, LeftOut, Split
from unlearn_bench.benchmarks.data.dataset.partition import classes_lacking
from unlearn_bench.benchmarks.inspection.texts import ReadTexts, read_texts
from unlearn_bench.cache import write_text
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError
from unlearn_bench.shown import one_line, visible

SPLITS: tuple[Split, ...] = ("train", "val", "test")
_NAMED = 3
"""So many names stand for all of a kind in the terminal; the file has every one."""


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What is known of a dataset before a picture of it is opened.

    Attributes:
        name, layout, template, source, licence: the dataset's. class_names, texts: by label.
        domains: of each label, or empty. counts: images of each label, by split. left_out: what is not used.
        read: what a model reads of the texts; None where no model was asked, or the texts part no pictures.
    """

    name: str
    layout: str
    template: str
    source: str
    licence: str
    class_names: tuple[str, ...]
    texts: tuple[str, ...]
    domains: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    left_out: tuple[LeftOut, ...]
    read: ReadTexts | None

    @property
    def lacking(self) -> dict[str, str]:
        """Classes without images in train or in test, with the split that lacks them."""
        found = {split: [label for label, n in enumerate(counts) if n] for split, counts in self.counts.items()}
        return {
            self.class_names[label]: split for label, split in classes_lacking(found, len(self.class_names)).items()
        }

    def refuse(self) -> None:
        """Raise an InputError where two classes are one text to the model: one of them could never be recognised."""
        if self.read is None or not self.read.equal:
            return
        groups = self.read.equal
        first, second = groups[0][:2]
        cut = {first, second} <= set(self.read.cut)
        beginning = ", as it reads no more than the beginning" if cut else ""
        more = f" ({len(groups) - 1} more such groups of classes)" if len(groups) > 1 else ""
        raise InputError(
            f"the classes {self.class_names[first]!r} and {self.class_names[second]!r} of {self.name!r} are one text "
            f"to {self.read.model}: it makes the same tokens of {_short(self.texts[first])} and "
            f"{_short(self.texts[second])}{beginning}{more}; rename one of them, or leave one out"
        )

    def warnings(self) -> Iterator[str]:
        """What may spoil numbers and does not stop a run."""
        if self.read is not None and self.read.cut:
            cut = [self.class_names[place] for place in self.read.cut]
            yield (
                f"{self.name}: {self.read.model} reads only the beginning of {_counted(len(cut), 'class text')} "
                f"({_some(cut)}); give shorter names, or a shorter --template"
            )
        for split in ("train", "test"):
            names = [name for name, lacks in self.lacking.items() if lacks == split]
            if names:
                lacking = f"{_counted(len(names), 'class', 'classes')} without {split} images ({_some(names)})"
                yield f"{self.name}: {lacking}; averages over all classes have no value"

    def lines(self) -> Iterator[str]:
        """The report for the terminal."""
        yield from map(visible, self._lines())

    def _lines(self) -> Iterator[str]:
        parts = ", ".join(f"{sum(self.counts[split])} {split}" for split in SPLITS)
        classes = _counted(len(set(self.class_names)), "class", "classes")
        layout = f"; {self.layout}" if self.layout else ""
        yield f"data: {self.name}: {classes}, images: {parts}{layout}"
        reasons: dict[str, list[LeftOut]] = {}
        for item in self.left_out:
            reasons.setdefault(item.reason, []).append(item)
        for reason, items in reasons.items():
            yield (
                f"data: {self.name}: left out: {_some([item.name for item in items])}: {reason} "
                f"({_counted(sum(item.count for item in items), 'file')})"
            )

    def whole(self) -> str:
        """All of it, in Markdown: every class with its text and counts, every file that is left out."""
        rows = [
            [
                _cell(name),
                *(self.counts[split][label] for split in SPLITS),
                _cell(self.texts[label]),
                _cell(self._marks(label)),
            ]
            for label, name in enumerate(self.class_names)
        ]
        about = [
            f"- layout: {self.layout or 'its own'}",
            f"- template: `{self.template}`",
            f"- source: {self.source}; licence: {self.licence}",
            f"- images: {', '.join(f'{sum(self.counts[split])} {split}' for split in SPLITS)}",
            f"- texts as read by: {self.read.model if self.read else 'no model was asked'}",
            *(f"- warning: {one_line(line)}" for line in self.warnings()),
        ]
        table = tabulate(rows, headers=["class", *SPLITS, "text", "note"], tablefmt="pipe", disable_numparse=True)
        left = [[_cell(item.name), item.count, _cell(item.reason)] for item in self.left_out]
        out = tabulate(left, headers=["left out", "files", "why"], tablefmt="pipe", disable_numparse=True)
        return "\n".join([f"# {self.name}", "", *about, "", table, "", out if left else "Nothing was left out.", ""])

    def _marks(self, label: int) -> str:
        read = self.read
        if read is None:
            return ""
        same = [place for group in read.equal if label in group for place in group if place != label]
        marks = ["cut"] if label in read.cut else []
        marks += [f"one text with {', '.join(self.class_names[place] for place in same)}"] if same else []
        return "; ".join(marks)


def report_on(dataset: Dataset, clip: Clip | None = None) -> DataReport:
    """The report on a dataset, and on what `clip` reads of its texts."""
    counts: dict[str, tuple[int, ...]] = {}
    for split in SPLITS:
        found = Counter(dataset.index(split).labels)
        counts[split] = tuple(found[label] for label in range(len(dataset.class_names)))
    return DataReport(
        name=dataset.name,
        layout=dataset.layout,
        template=dataset.template,
        source=dataset.source,
        licence=dataset.licence,
        class_names=dataset.class_names,
        texts=dataset.texts,
        domains=dataset.label_domains,
        counts=counts,
        left_out=dataset.left_out,
        read=read_texts(clip, dataset) if clip is not None and dataset.classified else None,
    )


def examine(datasets: Iterable[Dataset], clip: Clip) -> tuple[DataReport, ...]:
    """The reports on what a model is going to be measured on.

    Raises:
        InputError: two classes are one text to the model.
    """
    reports = tuple(report_on(dataset, clip) for dataset in datasets)
    for report in reports:
        report.refuse()
    return reports


def write_reports(reports: Iterable[DataReport], path: Path) -> None:
    """All of it, each dataset once for each way in which a model reads it."""
    write_text(path, "\n".join(dict.fromkeys(report.whole() for report in reports)))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= 60 else f"{name[:57]}..") for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _cell(text: str) -> str:
    """In a table of Markdown."""
    return one_line(text).replace("|", "\\|")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}..")


def _counted(count: int, word: str, words: str = "") -> str:
    return f"{count} {word if count == 1 else words or word + 's'}"
