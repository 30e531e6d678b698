"""`hf:owner/name?option=value&..`: what a spec of the hub says."""

import re
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl

from unlearn_bench.benchmarks.data.dataset.domains import TEMPLATE
from unlearn_bench.benchmarks.data.dataset.prefixes import HUB_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE, check_template
from unlearn_bench.benchmarks.data.layouts.hub_files import HubRepository
from unlearn_bench.errors import InputError, unknown

_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """What follows the `?` of a spec; empty texts are found out.

    Attributes:
        config: of a dataset with several. revision: branch, tag or commit. image, label: columns. domain: the column
            by which classes are parted, where they shall be. caption: the column of each image's text, or list of
            texts, where pairs are forgotten.
        train, val, test: splits there. template: the evaluation template; empty where there are captions and none
            was given: then classes are topics of pairs, whose names nobody asks the model for.
        files: patterns of the files that are wanted, with commas between.
    """

    config: str = ""
    revision: str = "main"
    image: str = ""
    label: str = ""
    domain: str = ""
    caption: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    template: str = DEFAULT_TEMPLATE
    files: str = ""


def parse_hub_spec(spec: str) -> tuple[str, HubOptions]:
    """`hf:owner/name?image=img&label=fine_label&template=a photo of a {}.` in its parts.

    Raises:
        InputError: not of this form, an unknown option, or a template without `{}`.
    """
    name, _, rest = spec.removeprefix(HUB_PREFIX).partition("?")
    if not _REPOSITORY.fullmatch(name):
        raise InputError(f"{spec!r} names no dataset of the hub; give hf:owner/name?option=value&option=value")
    known = [item.name for item in fields(HubOptions)]
    given: dict[str, str] = {}
    for option, value in parse_qsl(rest, keep_blank_values=True):
        if option not in known:
            raise unknown(f"option of {HUB_PREFIX}{name}", option, known)
        given[option] = value
    options = HubOptions(**given)
    if options.domain and "template" not in given:
        options = replace(options, template=TEMPLATE)
    if options.caption and "template" not in given:
        return name, replace(options, template="")
    check_template(options.template, of=spec)
    return name, options


def hub_repository(name: str, options: HubOptions) -> HubRepository:
    """The files of a spec."""
    patterns = tuple(item.strip() for item in options.files.split(",") if item.strip())
    return HubRepository(name=name, revision=options.revision, patterns=patterns)
