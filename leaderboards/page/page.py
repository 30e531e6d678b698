"""A leaderboard as one HTML file that needs no network, or as a site with a page for each method and forget set."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from unlearn_bench.leaderboards.page.addresses import Addresses, class_slug, file_of, slug
from unlearn_bench.leaderboards.page.browser import tables_script, vega_script
from unlearn_bench.leaderboards.page.extras import Extras
from unlearn_bench.leaderboards.page.view import View, view_of
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.tables.render import boards_of

_HERE = Path(__file__).parent
_TITLE = "Unlearning in CLIP"


def gathered(
    records: Iterable[Record],
    *,
    baseline: str | None = None,
    extras: Extras | None = None,
    all_settings: bool = False,
) -> View:
    """What a page of these records shows.

    Raises:
        InputError: no records, or a baseline that no board has.
    """
    found, asides = boards_of(records, baseline=baseline, all_settings=all_settings)
    return view_of(found, asides, extras or Extras(), baseline)


def one_file(view: View) -> str:
    """Everything in one HTML file, scripts and styles too."""
    scripts = (vega_script(), tables_script(), _asset("page.js"), _asset("charts.js"))
    return _template("single.html").render(
        view=view,
        links=Addresses(),
        title=_TITLE,
        style=Markup(_asset("page.css")),
        scripts=tuple(Markup(text) for text in scripts),
    )


def site(view: View) -> dict[str, str]:
    """The files of a site by their path: `index.html`, a page for each method, dataset and forget set, and assets."""
    files = {
        "index.html": _site_page(view, "index_page.html", up=""),
        "assets/vega.js": vega_script(),
        "assets/tables.js": tables_script(),
        "assets/page.js": _asset("page.js"),
        "assets/charts.js": _asset("charts.js"),
        "assets/page.css": _asset("page.css"),
    }
    for method in view.methods:
        place = file_of("method", slug(method.label))
        files[place] = _site_page(view, "method_page.html", method=method, name=method.label)
    for dataset in view.datasets:
        place = file_of("dataset", slug(dataset.name))
        files[place] = _site_page(view, "dataset_page.html", dataset=dataset, name=dataset.name)
    for forget in view.forget_sets:
        place = file_of("class", class_slug(forget.key))
        files[place] = _site_page(view, "forget_page.html", forget=forget, name=forget.name)
    return files


def _site_page(view: View, template: str, *, up: str = "../", name: str = "", **what: object) -> str:
    return _template(template).render(
        view=view,
        links=Addresses(site=True, up=up),
        title=f"{name}: {_TITLE}" if name else _TITLE,
        assets=f"{up}assets/",
        **what,
    )


def _template(name: str) -> Template:
    return _environment().get_template(name)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """With the templates as they are compiled: that takes longer than to fill them, and a site has many pages."""
    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["slug"] = slug
    env.filters["class_slug"] = class_slug
    env.filters["data"] = data
    return env


def data(value: Mapping[str, Any] | list[Any] | tuple[Any, ...]) -> Markup:
    """JSON that can stand in a script element of any page.

    >>> data({"name": "</script>"})
    Markup('{"name":"\\\\u003c/script\\\\u003e"}')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # nothing in it can end the element


def _asset(name: str) -> str:
    return (_HERE / "assets" / name).read_text(encoding="utf-8")
