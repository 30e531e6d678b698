"""The contract of a method, as laws that anybody can run: this project's tests do, and so can a plug-in's author.

    from unlearn_bench.benchmarks.checks import check_method
    check_method("path/to/file.py:MyMethod")

says each law that holds. It needs the embedded models and data only, and takes some seconds. For a model there is
`unlearn_bench.benchmarks.checkup.checkup.check_model`.
"""

import copy
import dataclasses
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import typer
from torch import Tensor

from unlearn_bench.benchmarks.images.synthetic_cache import synthetic_images
from unlearn_bench.benchmarks.presets.preset import build_method, presets_for, resolved
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.sweep.players import LoadedMethod, load_method
from unlearn_bench.clip import Clip
from unlearn_bench.methods.base import Examples, Method, Request
from unlearn_bench.seeding import generator


class LawBrokenError(Exception):
    """A method breaks one of the laws; the message says which and how."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One call of `unlearn`: what came back, and what it did to things that are not its own."""

    returned: object
    state: dict[str, Tensor]
    original_untouched: bool
    request_untouched: bool
    stream_untouched: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method on a small task: its class, an instance, and where its model and data come from."""

    loaded: LoadedMethod
    method: Method
    bench: Workbench
    dataset: str

    @cached_property
    def trial(self) -> Trial:
        """The first call on one class, which several laws look at."""
        request = self.request()
        given = (request.forget_examples, request.retain_examples)
        seen, stream = copy.deepcopy(given), torch.random.get_rng_state()
        returned: object = self.method.unlearn(self.bench.clip.copy(), request)
        untouched = self.bench.is_untouched()
        if not untouched:
            self.bench.restore()
        return Trial(
            returned=returned,
            state=returned.state() if isinstance(returned, Clip) else {},
            original_untouched=untouched,
            request_untouched=all(
                torch.equal(before.pixels, after.pixels) and torch.equal(before.labels, after.labels)
                for before, after in zip(seen, given, strict=True)
                if before is not None and after is not None
            ),
            stream_untouched=torch.equal(stream, torch.random.get_rng_state()),
        )

    def request(self, *, forget: int = 1) -> Request:
        """A fresh request for the first `forget` classes of the dataset, with the data that the access allows."""
        item = self.bench.evaluated[self.dataset]
        targets = tuple(range(forget))
        concepts = item.concepts
        access = self.loaded.kind.access
        # The first classes are forgotten, so labels are indices into the concepts as they are.
        return Request(
            forget=concepts[:forget],
            retain=concepts[forget:],
            forget_examples=self._examples(0, forget) if access != "ZS" else None,
            retain_examples=self._examples(forget, len(concepts)) if access == "not-ZS" else None,
            synthesize=lambda: copy.deepcopy(
                synthetic_images(
                    self.bench.clip,
                    fingerprint=self.bench.fingerprint,
                    dataset=self.dataset,
                    texts=item.dataset.texts,
                    targets=targets,
                    settings=presets_for(self.bench.setting.model).synthesis(),
                    seed=0,
                    domains=item.dataset.label_domains,
                ).synthetic
            ),
            generator=lambda purpose: generator("checks", purpose),
            device=self.bench.clip.device,
            report=_report,
        )

    def _examples(self, start: int, stop: int) -> Examples:
        item = self.bench.evaluated[self.dataset]
        images = item.train
        rows = ((images.labels >= start) & (images.labels < stop)).nonzero().flatten()
        texts = item.dataset.texts
        return Examples(
            pixels=images.pixels[rows],
            labels=images.labels[rows],
            texts=tuple(texts[label] for label in images.labels[rows].tolist()),
            domains=tuple(images.domains[row] for row in rows.tolist()) if images.domains else (),
        )


Law = Callable[[Case], None]


def check_method(
    target: str,
    *,
    model: str = "mini-rn",
    dataset: str = "mini-digits",
    say: Callable[[str], None] = typer.echo,
) -> None:
    """Hold a method to every law, and say each one that it keeps.

    Args:
        target: a registered name, or `path/to/file.py:Class`.
        model: a model spec. dataset: a dataset spec with images in its train split.
        say: takes a line for each law as soon as it held, then one for all.

    Raises:
        LawBrokenError: at the first law that does not hold.
        InputError: the method can't be loaded.
    """
    case = open_case(target, model=model, dataset=dataset)
    for law in LAWS:
        law(case)
        say(f"ok  {law.__name__.replace('_', ' ')}: {inspect.getdoc(law)}")
    say(f"{case.method.name} keeps all {len(LAWS)} laws on {case.bench.clip.name} with {case.dataset}")


def open_case(target: str, *, model: str = "mini-rn", dataset: str = "mini-digits") -> Case:
    """The case on which the laws are tried."""
    loaded = load_method(target, here=True)
    setting = Setting(
        model=model, datasets=(dataset,), control=(), train_split="train", test_split="val", device="cpu"
    )
    bench = open_workbench(setting)
    method = build_method(loaded.kind, presets_for(model).of(loaded.kind.name).hyperparameters)
    return Case(loaded=loaded, method=method, bench=bench, dataset=next(iter(bench.evaluated)))


def it_is_a_frozen_dataclass(case: Case) -> None:
    """Hyperparameters are fields of a frozen dataclass, and can be written as JSON into the key of a record."""
    name = case.loaded.kind.__name__
    parameters = getattr(case.loaded.kind, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__dataclass_fields__" not in vars(case.loaded.kind):
        raise LawBrokenError(f"{name} is not decorated with @dataclass(frozen=True, kw_only=True)")
    for item in dataclasses.fields(case.loaded.kind):
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise LawBrokenError(f"hyperparameter {item.name!r} of {name} has no default")
    try:
        json.dumps(resolved(case.method))
    except TypeError as error:
        raise LawBrokenError(f"hyperparameters of {name} are not plain data ({error})") from error


def it_says_whether_it_applies(case: Case) -> None:
    """`skip` gives None or a reason."""
    answer = case.method.skip(case.bench.clip.copy(), case.request())
    if answer is not None and not (isinstance(answer, str) and answer.strip()):
        raise LawBrokenError(f"skip returned {answer!r}; give None or a reason")


def it_returns_the_architecture(case: Case) -> None:
    """The returned state fits a fresh original strictly, and is finite."""
    if not isinstance(case.trial.returned, Clip):
        raise LawBrokenError(f"unlearn returned a {type(case.trial.returned).__name__}, not the clip")
    with torch.no_grad():
        case.bench.clip.with_state(case.trial.state)


def it_leaves_the_rest_alone(case: Case) -> None:
    """The original model, the request's tensors and torch's global random stream are as they were."""
    if not case.trial.original_untouched:
        raise LawBrokenError("unlearn changed the original model, not the copy that it was given")
    if not case.trial.request_untouched:
        raise LawBrokenError("unlearn edited the request's images or labels; copy what you change")
    if not case.trial.stream_untouched:
        raise LawBrokenError("unlearn drew from torch's global random stream; use request.generator(purpose)")


def it_repeats(case: Case) -> None:
    """The same request gives the same tensors, bit by bit."""
    second = case.method.unlearn(case.bench.clip.copy(), case.request()).state()
    for name, value in case.trial.state.items():
        if not torch.equal(value, second[name]):
            raise LawBrokenError(f"tensor {name!r} differs between two equal requests")


def it_takes_several_classes(case: Case) -> None:
    """Two classes can be forgotten at once, or `skip` says why not."""
    request = case.request(forget=2)
    clip = case.bench.clip.copy()
    if case.method.skip(clip, request) is None:
        state = case.method.unlearn(clip, request).state()
        with torch.no_grad():
            case.bench.clip.with_state(state)


def _report(step: int, **values: float | str) -> None:
    json.dumps({"step": step, **values})  # what a history file will hold must be plain data


LAWS: tuple[Law, ...] = (
    it_is_a_frozen_dataclass,
    it_says_whether_it_applies,
    it_returns_the_architecture,
    it_leaves_the_rest_alone,
    it_repeats,
    it_takes_several_classes,
)
"""What every method keeps; a plug-in's tests can parametrise over them with `open_case`."""
