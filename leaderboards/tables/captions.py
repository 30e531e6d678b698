"""What stands beside a table: which model, data, seeds and presets, and what the intervals are over."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unlearn_bench.leaderboards.records.record import different
from unlearn_bench.leaderboards.reported.order import printed_scores
from unlearn_bench.leaderboards.reported.printed import reported_tables
from unlearn_bench.leaderboards.statistics.agreement import agreement
from unlearn_bench.leaderboards.statistics.intervals import RESAMPLES, SEED, ClassKey
from unlearn_bench.leaderboards.statistics.ranking import tuned_on_reported
from unlearn_bench.leaderboards.statistics.rows import AUDITS, Board, Cell, Row
from unlearn_bench.leaderboards.tables.section import two_decimals

Preset = Mapping[str, Any]
"""Where the hyperparameters of records come from, as they say it."""

INTERVALS = (
    f"Intervals: 95 %, {RESAMPLES} resamples (seed {SEED}) of the forget classes within each dataset and of the "
    "test images within each class, other group and other dataset, the same images before and after and for every "
    "method; outcomes are averaged over seeds first; the ratio of means is recomputed."
)
SCORE = (
    "Avg. Score: ( AF/BF of the target + the sum of max(0, (BF - AF)/BF) over the own dataset's other classes and "
    "each other dataset ) / (number of terms), of class-averaged accuracies (seeds, then classes; a ratio of means); "
    "overall it is the mean over the forget datasets. Lower is better; doing nothing scores 1 / (number of terms)."
)
RANKS = (
    "Ranks: by Avg. Score; methods whose paired difference to the best of their group has an interval that includes "
    "0 share its rank. A row with '-' in place of a rank is not counted; its note says why. 'Not tuned': its "
    "hyperparameters are defaults or were given by hand, and nobody knows what an equal budget would have made of "
    "it. 'Tuned on reported classes': it has seen what it is tested on. 'Did not forget': target AF/BF over .5. "
    "A row with a missing cell has no mean."
)
TRADE_OFF = (
    "Forgetting: 1 - AF/BF of the target, clipped to 0 to 1. Retention: the mean of min(1, AF/BF) over the own "
    "dataset's other classes and each other dataset; overall, the mean over the forget datasets. H: the harmonic "
    "mean of the two, 0 if either is. Irreversibility: 1 - the largest recovered share; of an audit, that is its "
    "accuracy on the target with the unlearned model over that with the original, clipped to 0 to 1, and 0 where its "
    "accuracy on the other classes is less than half of that with the original: a model that calls everything by the "
    "target's name has not brought it back. A model that never saw the class sets its scale; '-' where no audit ran. "
    "Of all four, higher is better. Front (Pareto): no other method of the table is as good in forgetting and in "
    "retention and better in one; a method whose forgetting has an interval that reaches 0 is not on it, nor is one "
    "that was tuned on reported classes."
)
AREA = (
    "Area: the share of the square of forgetting and retention that a method's points dominate, the union of the "
    "rectangles from (0, 0) to each point; doing nothing has 0, forgetting all at no cost 1, higher is better. Its "
    f"interval is of the area recomputed in each of the {RESAMPLES} resamples of forget classes and test images, the "
    "same for every method."
)
SHARES = (
    "BF, AF: accuracy before and after forgetting. Forgetting: 1 - AF/BF of the target, clipped to 0 to 1. "
    "Retention: the mean of min(1, AF/BF) over the own dataset's other classes and each other dataset; overall, the "
    "mean over the forget datasets. Of both, higher is better."
)
READING = (
    "BF, AF: before and after forgetting; zero-shot accuracy where the table names nothing else. " + SCORE,
    TRADE_OFF,
    RANKS,
    INTERVALS,
)
"""What holds for every leaderboard."""

PARTIAL = "A forget set that leaves no such group does not count in its column."

SEVERAL = "Of a run: the mean over the datasets on which it was measured; those with nothing to look at don't count."

_AUDITS = {"linear-probe": "linear probe", "relearning": "relearning from one image of each class"}
"""In words."""


def title(board: Board) -> str:
    """Model and suite, and what tells this board from another of the same."""
    extra = f" ({board.variant})" if board.variant else ""
    return f"{board.run.model}, suite {board.run.suite}{extra}"


def about(board: Board) -> tuple[str, ...]:
    """The paragraphs that hold for all tables of a board."""
    return (
        *measured(board),
        " ".join([f"Presets: {presets(board)}.", *settings(board)]),
        *_audits(board),
        *_agreement(board),
    )


def measured(board: Board) -> tuple[str, ...]:
    """What was measured: model, forget sets, test data, versions."""
    run = board.run
    classes = "; ".join(
        f"{name}: {', '.join(' + '.join(forget) for dataset, forget in board.classes if dataset == name)}"
        for name in board.datasets
    )
    tested = "; ".join(
        f"{item.name} ({item.split}, version {item.version}{', control' if item.control else ''})"
        for item in run.evaluation
    )
    what = (
        f"Model {run.model} (fingerprint {run.fingerprint}), suite {run.suite}, {_seeds(board)}, "
        f"{len(board.classes)} forget sets ({classes}), {len(board.cells)} cells for each method; "
        f"methods are given images of the split {run.train_split!r}. Test data: {tested}. {_code(board)}"
    )
    return what, *_precision(board)


def settings(board: Board) -> tuple[str, ...]:
    """How tuned settings came about, as far as all presets tell the same; nothing where nothing was tuned."""
    presets = different(record.preset for row in board.rows for record in row.records)
    found = [preset for preset in presets if preset.get("source") == "tuned"]
    if not found:
        return ()
    parts = [_trials(found) or "tuned"]
    searches = [text for text in (_alike(found, name) for name in ("sampler", "pruner")) if text]
    if searches:
        parts.append(f" with the same {' and '.join(searches)}")
    classes = [preset.get("classes") for preset in found]
    if all(classes):
        seen = tuned_on_reported([record for row in board.rows for record in row.records], classes)
        images = {"val": " and validation images", "train": " and training images"}.get(_value(found, "images"), "")
        parts.append(f", on tuning classes{images}{'' if seen else ' that no table here reports'}")
    return () if parts == ["tuned"] else (f"Settings: {''.join(parts)}.",)


def _trials(found: Sequence[Preset]) -> str:
    """How many each method had; empty where a preset says nothing."""
    budgets = {preset.get("trials", preset.get("budget")) for preset in found}
    known = sorted(budget for budget in budgets if isinstance(budget, int))
    if not known or len(known) < len(budgets):
        return ""
    if len(known) > 1:
        return f"{known[0]} to {known[-1]} trials for a tuned method, not as many for each"
    return f"{known[0]} trial{'' if known[0] == 1 else 's'} for each tuned method"


def _alike(found: Sequence[Preset], name: str) -> str:
    """`sampler (optuna TPE)` if all presets say the same; empty where they differ or one says nothing."""
    value = _value(found, name)
    return f"{name} ({value})" if value else ""


def _value(found: Sequence[Preset], name: str) -> str:
    """What all presets say under that name in words; empty where they differ or one says nothing."""
    said = {str(preset.get(name) or "") for preset in found}
    return said.pop() if len(said) == 1 else ""


def _agreement(board: Board) -> tuple[str, ...]:
    """How far the order of the paper's methods is the paper's, where the board has all of them."""
    found = agreement(board, printed_scores(reported_tables()))
    if found is None:
        return ()
    spread = found.interval
    sure = f" ({two_decimals(spread.low)} to {two_decimals(spread.high)})" if spread else ""
    said = (
        "Kendall's tau between the order of the seven methods here and in the paper's Table 1: "
        f"{two_decimals(found.tau)}{sure}. 1: the same order, -1: the reverse. There: CLIP RN50, the mean of the "
        "Avg. Scores printed for a method, of Lip over three forget datasets (its row on StanfordCars breaks off), "
        "of the others over four. The interval is over the resamples of the scores here."
    )
    return (said,)


def _audits(board: Board) -> tuple[str, ...]:
    """Which audits irreversibility is over."""
    ran = [_AUDITS.get(name, name) for name in AUDITS if any(name in row.audits for row in board.rows)]
    return (f"Audits of irreversibility: {'; '.join(ran)}.",) if ran else ()


def _precision(board: Board) -> tuple[str, ...]:
    """How far half precision is from fp32, where test images were encoded in it."""
    if board.run.precision == "fp32":
        return ()
    shares: dict[str, float] = {}
    for row in board.rows:
        for record in row.records:
            for name, share in record.provenance.get("agreement", {}).items():
                shares[name] = min(share, shares.get(name, 1.0))
    found = ", ".join(f"{name} {share:.1%}" for name, share in shares.items()) or "not recorded"
    what = f"Test images are encoded in {board.run.precision}"
    return (f"{what}; share that the original model takes for the same class as in fp32: {found}.",)


def presets(board: Board) -> str:
    """Where each method's hyperparameters come from."""
    said = []
    for row in board.rows:
        if row.run.hyperparameters:
            found = dict.fromkeys(_preset(preset) for preset in different(record.preset for record in row.records))
            said.append(f"{row.label} {' or '.join(found)}")
        else:
            said.append(f"{row.label} has no hyperparameters")
    return "; ".join(said)


def of_dataset(board: Board, dataset: str) -> str:
    """The caption of one forget dataset's table."""
    names = [" + ".join(forget) for own, forget in board.classes if own == dataset]
    return (
        f"{_line(board)}; forget sets {', '.join(names)}; accuracies averaged over seeds, then over forget sets; "
        f"{_counts(board, dataset)}. Intervals over forget sets and test images."
    )


def of_class(board: Board, key: ClassKey) -> str:
    """The caption of one forget class's table."""
    return f"{_line(board)}; accuracies averaged over seeds; {_counts(board, *key)}. Intervals over test images only."


def of_differences(board: Board, baseline: Row) -> str:
    """The caption of the paired differences."""
    return (
        f"{_line(board)}; Avg. Score of the row minus that of {baseline.label}; negative: better than it. "
        "Intervals are of paired differences: the same resampled forget sets and images for both."
    )


def of_curves(board: Board) -> tuple[str, ...]:
    """The caption of the table of curves: how the points were chosen, what the area is, ranks and intervals."""
    records = [record for row in board.rows for record in row.records if "point" in record.preset]
    trials = sorted({found for record in records if isinstance(found := record.preset.get("trials"), int)})
    many = f"{trials[0]} to {trials[-1]}" if len(trials) > 1 else str(trials[0]) if trials else "its"
    points = (
        f"{_line(board)}. Points: forgetting / retention at a method's settings. They are the front of {many} trials "
        "on tuning classes, measured again on the reported classes; none was chosen by what is shown here, so one "
        "may beat another. A method without a front has one point."
    )
    ranks = (
        "Ranks: by area; methods whose paired difference to the best of their group has an interval that includes 0 "
        "share its rank. A method that lacks a point has no area."
    )
    return points, f"{AREA} {ranks}"


def of_retrieval(board: Board) -> str:
    """The caption of a retrieval table."""
    return (
        f"{of_means(board)} Precision@k in the pooled test images; ceiling: the most that k images can reach; "
        "chance: a random order."
    )


def of_pairs(board: Board) -> str:
    """The caption of a table of retrieved pairs."""
    return f"{of_means(board)} Recall@k of the right one among all test pairs of the dataset; chance: a random order."


def of_means(board: Board) -> str:
    """The caption of a table of plain means."""
    return f"{_line(board)}; averaged over seeds, then forget sets, then datasets ({len(board.cells)} cells)."


def cell(found: Cell) -> str:
    """A cell in words."""
    dataset, forget, seed = found
    return f"{dataset}: {' + '.join(forget)}, seed {seed}"


def listed(items: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more there are.

    >>> listed(["a", "b", "c", "d"], most=2)
    'a; b; and 2 more'
    """
    shown = [*items[:most], *([f"and {len(items) - most} more"] if len(items) > most else [])]
    return "; ".join(shown)


def _line(board: Board) -> str:
    run = board.run
    return f"{run.model} (fingerprint {run.fingerprint}), suite {run.suite}, {_seeds(board)}"


def _seeds(board: Board) -> str:
    word = "seed" if len(board.seeds) == 1 else "seeds"
    return f"{word} {', '.join(str(seed) for seed in board.seeds)}"


def _counts(board: Board, dataset: str, forget: tuple[str, ...] | None = None) -> str:
    """How many test images each accuracy is over: a number, or a range where forget sets differ."""
    found: dict[str, list[int]] = {}
    for row in board.rows:
        of_class = (seeds for key, seeds in row.seeds.items() if key[0] == dataset and forget in {None, key[1]})
        for layout in dict.fromkeys(layout for seeds in of_class for layout in seeds.layouts):
            for place in layout.find("accuracy"):
                _, _, own, group, n, _ = layout.quantities[place]
                found.setdefault(group if group in {"target", "other"} else own, []).append(n)
    said = [f"{name} {min(n)}" if min(n) == max(n) else f"{name} {min(n)} to {max(n)}" for name, n in found.items()]
    return f"test images: {', '.join(said)}" if said else "no test images counted"


UNTUNED_SOURCES = {
    "paper": "as its paper says",
    "paper-per-class": "as its paper says, chosen by class on the reported classes",
    "default": "by default, not tuned",
    "given": "given by hand",
}
"""Where settings come from that nobody searched, in words."""


def _preset(preset: Preset) -> str:
    source = str(preset.get("source", "default"))
    if source != "tuned":
        return UNTUNED_SOURCES.get(source, source)
    budget = preset.get("trials", preset.get("budget"))
    return f"tuned ({budget} trials)" if isinstance(budget, int) else "tuned"


def _code(board: Board) -> str:
    """Versions of the package, of the methods that are not at their first, and of the metrics."""
    found = different(record.provenance for row in board.rows for record in row.records)
    versions = _known(found, "version")
    commits = _known(found, "commit")
    parts = [f"unlearn-bench {', '.join(versions) or 'of unknown version'}"]
    if commits:
        parts.append(f"commit {', '.join(commits)}")
    methods = {row.run.method: row.run.method_version for row in board.rows}
    parts.append("methods at version " + _versions(methods))
    parts.append("metrics at version " + _versions(board.run.metrics))
    return f"Measured with {'; '.join(parts)}."


def _versions(versions: Mapping[str, int]) -> str:
    other = [f"{name} {version}" for name, version in sorted(versions.items()) if version != 1]
    return f"1 except {', '.join(other)}" if other else "1"


def _known(provenances: Iterable[Mapping[str, object]], name: str) -> list[str]:
    return sorted({str(found[name]) for found in provenances if found.get(name)})
