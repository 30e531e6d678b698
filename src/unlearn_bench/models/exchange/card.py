"""The card of an unlearned model as a README with the hub's metadata: its origin, what was done, what it cost."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from unlearn_bench.models.hub_models import hub_model
from unlearn_bench.models.names import is_hub_id
from unlearn_bench.models.open_clip_weights import weights_asset

README = "README.md"


def base_of(spec: str) -> tuple[str, str]:
    """The repository on the hub that a model came from and its licence in the hub's words; empty where unknown."""
    found = hub_model(spec)
    if found is not None:
        return (found.repository if is_hub_id(found.repository) else ""), ""
    try:
        asset = weights_asset(spec)
    except Exception:  # a name that is none of open_clip's: a file, a plug-in
        return "", ""
    if asset is None:
        return "", ""
    licence = asset.licence.lower()
    return str(asset.published.facts.get("hf_hub") or "").rstrip("/"), "" if " " in licence else licence


def readme(card: Mapping[str, Any], *, spec: str, library: str, how: str) -> str:
    """The card in Markdown, after the metadata that the hub reads.

    Args:
        card: what `card.json` holds. spec: the model as it was named. library: that reads the folder, or empty.
        how: how it is loaded.
    """
    from huggingface_hub import ModelCardData  # noqa: PLC0415  (slow to import)

    base, licence = base_of(spec)
    data = ModelCardData(
        base_model=base or None,
        license=licence or None,
        library_name=library or None,
        pipeline_tag="zero-shot-image-classification" if library != "diffusers" else None,
        tags=["machine-unlearning", "clip", "unlearn-bench"],
    )
    body = "\n".join(_body(card, spec=spec, how=how))
    return f"---\n{data.to_yaml().strip()}\n---\n\n{body}\n"


def _body(card: Mapping[str, Any], *, spec: str, how: str) -> Iterator[str]:
    made, what = card["how"], card["what"]
    forgotten = ", ".join(map(_plain, what["forgotten"]))
    yield f"# {_plain(made['model'])} without {forgotten}"
    yield ""
    yield f"- made from: `{_code(spec)}`, fingerprint {made['fingerprint']}"
    yield f"- forgotten: {forgotten}" + (f" (of {_plain(what['dataset'])})" if what.get("dataset") else "")
    for request in _earlier(card.get("from")):
        yield f"- forgotten before: {', '.join(map(_plain, request))}"
    yield f"- method: {made['method']}, settings {made.get('preset') or 'default'}, seed {made['seed']}"
    yield f"- load it with `{_code(how)}`"
    yield ""
    rows = [
        [
            item["metric"],
            _plain(item["dataset"]),
            item["group"],
            _number(item["before"]),
            _number(item["after"]),
            item["n"],
        ]
        for item in card["measured"]
    ]
    yield "## Measured"
    yield ""
    yield tabulate(
        rows, headers=["metric", "on", "group", "before", "after", "n"], tablefmt="pipe", disable_numparse=True
    )
    yield ""
    missing: Sequence[str] = card.get("not_measured", ())
    if missing:
        yield "## Not measured"
        yield ""
        yield from (f"- {line}" for line in missing)
        yield ""
    yield "Made and measured with unlearn-bench. That a class is not named any more does not mean that nothing of it"
    yield "is left: a probe on the image embeddings may still find it."


def _earlier(table: object) -> Iterator[list[str]]:
    while isinstance(table, Mapping):
        what = table.get("what")
        if isinstance(what, Mapping):
            yield [str(name) for name in what.get("forgotten", ())]
        table = table.get("from")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plain(text: object) -> str:
    """A name in running Markdown: no line ends, nothing that would be markup."""
    words = " ".join(str(text).split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in words)


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")
