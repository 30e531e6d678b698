"""A model's contract, as checks that anybody can run.

    from unlearn_bench.benchmarks.checkup.checkup import check_model
    check_model("mine.py:build")

needs no dataset: the model looks at noise and a handful of texts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import typer
from tabulate import tabulate
from torch import Tensor

from unlearn_bench.benchmarks.checkup import encoding, places, rebuilding, tensors
from unlearn_bench.benchmarks.checkup.places import RoleCount, count_roles
from unlearn_bench.benchmarks.checkup.subject import Check, Finding, Subject, bad, good
from unlearn_bench.benchmarks.checkup.takers import Taker, ask_methods
from unlearn_bench.benchmarks.isolation.measuring import Stopwatch
from unlearn_bench.benchmarks.referee.conditions import device_name
from unlearn_bench.downloads.transfer import brief
from unlearn_bench.models.sources import open_model

_REPEATED = 16
_LEAST_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What was found of a model.

    Attributes:
        findings: one for each thing that was checked, in order.
        roles, takers: empty where an error in the first checks ended the check-up.
    """

    findings: tuple[Finding, ...]
    roles: tuple[RoleCount, ...] = ()
    takers: tuple[Taker, ...] = ()

    @property
    def errors(self) -> int:
        """Findings for which methods or numbers would be wrong; a model without any can be used."""
        return self.count("error")

    def count(self, verdict: str) -> int:
        """Findings with this verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)


def check_model(spec: str, *, device: str = "cpu", say: Callable[[str], None] = typer.echo) -> Checkup:
    """Check a model of any kind, and say line by line what was found.

    Args:
        spec: any model, as `run` takes it. device: where it runs. say: takes each line as soon as it is known.

    Raises:
        InputError: the model can't be opened.
    """
    subject = Subject(spec=spec, clip=open_model(spec).to(device))
    findings: list[Finding] = []

    def take(checks: tuple[Check, ...]) -> bool:
        for check in checks:
            for finding in _carried_out(check, subject):
                findings.append(finding)
                say(str(finding))
        return not any(finding.verdict == "error" for finding in findings)

    if not take(FIRST):
        say("the rest is not checked before this is mended")
        return Checkup(findings=tuple(findings))
    take(CHECKS)
    roles, takers = count_roles(subject.clip), ask_methods(subject)
    rows = [[item.tower, item.role, item.tensors, rebuilding.millions(item.parameters)] for item in roles]
    say("")
    say(tabulate(rows, headers=["tower", "role", "tensors", "parameters"], tablefmt="simple"))
    answers = [[item.method, item.access, f"no: {item.reason}" if item.reason else "applies"] for item in takers]
    say("")
    say(
        tabulate(
            answers, headers=["method", "sees", "on this model"], tablefmt="simple", maxcolwidths=[None, None, 84]
        )
    )
    return Checkup(findings=tuple(findings), roles=roles, takers=takers)


def _carried_out(check: Check, subject: Subject) -> Iterator[Finding]:
    """What a check finds; that the model raised something is a finding too."""
    try:
        yield from check(subject)
    except Exception as error:  # a model of somebody else's may raise anything
        yield bad(check.__name__.replace("_", " "), f"the model raised {brief(error)}")


def speed(subject: Subject) -> Iterator[Finding]:
    """What an image and a text take, in batches of 64, or of 4 where these take long."""
    clip = subject.clip
    with torch.inference_mode():
        image = _seconds_each(clip.encode_images, subject.inputs)
        text = _seconds_each(clip.encode_texts, subject.tokens)
    threads = f", {torch.get_num_threads()} threads" if clip.device.type == "cpu" else ""
    where = f"{device_name(str(clip.device))}{threads}"
    each = f"{1000 * image:,.1f} ms an image ({1 / image:,.0f} a second), {1000 * text:,.1f} ms a text"
    yield good("speed", f"{each}; forward, fp32 ({where})")


def _seconds_each(run: Callable[[Tensor], Tensor], few: Tensor) -> float:
    """Of one row of these, after one pass that is not counted."""
    run(few)
    watch = Stopwatch(few.device)
    with watch:
        run(few)
    if watch.seconds > _LEAST_SECONDS:
        return watch.seconds / len(few)
    many, done = few.repeat(_REPEATED, *(1 for _ in few.shape[1:])), 0
    watch = Stopwatch(few.device)
    while watch.seconds < _LEAST_SECONDS:
        with watch:
            run(many)
        done += len(many)
    return watch.seconds / done


FIRST: tuple[Check, ...] = (rebuilding.identity, encoding.shapes)
"""Without these nothing else can be told."""

CHECKS: tuple[Check, ...] = (
    rebuilding.rebuilt,
    encoding.batches,
    encoding.padding,
    encoding.preparation,
    encoding.evaluation,
    encoding.scale,
    tensors.copies,
    tensors.stages,
    tensors.towers,
    tensors.gradients,
    places.roles,
    places.projections,
    speed,
)
"""What follows; a plug-in's tests can parametrise over them with a `Subject`."""
