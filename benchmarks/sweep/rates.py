"""How fast an architecture runs on a device, as a rehearsal measured it; what a plan is estimated from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from unlearn_bench.cache import cache_root, make_folder, write_text
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.record import Run


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Images of a dataset that a run reads: `test` in all, `train` in all, and `train_by_class`."""

    test: int
    train: int
    train_by_class: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class MethodRate:
    """What one method took in the rehearsal.

    Attributes:
        access: what it saw: its time grows with the forget images (semi-ZS), with all training images (not-ZS), or
            with neither (ZS).
        seconds: of unlearning. evaluation_seconds: of encoding the test images afterwards.
        peak_memory_mib: of unlearning.
    """

    access: str
    seconds: float
    evaluation_seconds: float
    peak_memory_mib: float


@dataclass(frozen=True, kw_only=True)
class Rates:
    """A rehearsal: random weights of an architecture, noise in place of images, on one device.

    Attributes:
        device: as records name it. precision: of the encoding of test images. threads: of torch.
        test, train, forget: images of the rehearsal's one dataset: all test images, all training images, and the
            training images of the forget class.
        bare_images_per_s: the image encoder alone, on inputs that are ready.
        suite_images_per_s: the evaluation of a model whose every tensor changed, from the image cache on.
        agreement: share of the test images whose nearest class text is the same in `precision` as in fp32.
        ascent_seconds: one step of making one synthetic image, in a batch.
        methods: by row name.
    """

    device: str
    precision: str
    threads: int
    test: int
    train: int
    forget: int
    bare_images_per_s: float
    suite_images_per_s: float
    agreement: float
    ascent_seconds: float
    methods: Mapping[str, MethodRate]

    def method_seconds(self, run: Run, sizes: Sizes) -> float:
        """Seconds of unlearning in `run`: the rehearsal's, times how many more images of its kind there are."""
        rate = self.methods[run.label]
        forget = sum(sizes.train_by_class.get(name, 0) for name in run.forget)
        grown = {"ZS": 1.0, "semi-ZS": forget / self.forget, "not-ZS": sizes.train / self.train}
        return rate.seconds * grown[rate.access]

    def evaluation_seconds(self, run: Run, sizes: Mapping[str, Sizes]) -> float:
        """Seconds of encoding all test images that `run` is measured on."""
        images = sum(sizes[item.name].test for item in run.evaluation)
        return self.methods[run.label].evaluation_seconds * images / self.test


def save_rates(rates: Rates, architecture: str) -> Path:
    """Keep a rehearsal in the cache folder, for `load_rates`; an older one of the same kind is replaced."""
    path = _path(architecture, rates.device, rates.precision)
    make_folder(path.parent, what="cache folder")
    write_text(path, json.dumps(asdict(rates), indent=2) + "\n")
    return path


def load_rates(architecture: str, device: str, precision: str) -> Rates | None:
    """The rehearsal of this architecture on this device, if there was one.

    Raises:
        InputError: the file is not what `save_rates` wrote.
    """
    path = _path(architecture, device, precision)
    if not path.is_file():
        return None
    try:
        table = parse_json(path.read_text(encoding="utf-8"))
        methods = {name: MethodRate(**values) for name, values in table.pop("methods").items()}
        return Rates(**table, methods=methods)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"rates in {str(path)!r} can't be read ({error}); delete the file, and rehearse again"
        ) from error


def _path(architecture: str, device: str, precision: str) -> Path:
    digest = hashlib.sha256(json.dumps([architecture, device, precision]).encode()).hexdigest()[:16]
    return cache_root() / "rates" / f"{digest}.json"
