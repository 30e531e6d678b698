"""The browser parts of the libraries that a page uses, taken from the wheels that ship them.

Measured, minified, in bytes:

| library | browser part | why, or why not |
|---|---|---|
| Vega, from `vl-convert-python` | 581,000 | chosen: SVG that takes the page's colours, dark or light, prints sharp, has names for screen readers and places labels so that they don't overlap |
| Vega with Vega-Lite and Embed | 898,000 | what they add is done when the page is written |
| Bokeh, with its tables | 1,950,000 | a canvas: no names in it for screen readers, colours fixed when the page is written |
| Plotly | 4,816,000 | larger than a whole page may be |
| DataTables, from `itables` | 619,000 | chosen: sorts, searches, hides columns, by keyboard too; works on a table that is there without it; its styles (107,000) stay out, as the page has its own |

Both together are 1.2 MB, which leaves 1.8 MB of the 3 MB that a page of the default run may have.
"""  # noqa: E501  (a table)

import re
from functools import lru_cache
from importlib.resources import files

from unlearn_bench.errors import InputError

_EXPORTS = re.compile(r"export\s*\{([^{}]*)\}\s*;?")
_VEGA = 'import {{View, parse, Error}} from "/npm/vega@{version}/+esm.js"; window.vega = {{View, parse, Error}};'
"""What of Vega is wanted. The wheel holds its parts under this name, so nothing is fetched; the name `vega` that the
wheel offers stands for nothing, as Vega 6 has no default export."""

_NOTICE = "/*! Vega, copyright University of Washington Interactive Data Lab, BSD-3-Clause */\n"
"""What its licence asks for, and its shortened form lacks; DataTables and jQuery bring theirs."""

_ALL = "window.vega = vegaEmbed.vega;"
"""The same with Vega-Lite and Embed, from a wheel that has its parts elsewhere."""


@lru_cache(maxsize=1)
def vega_script() -> str:
    """Vega as a script that sets `window.vega`; takes a second."""
    import vl_convert  # noqa: PLC0415  (80 MB, for pages alone)

    try:
        script = vl_convert.javascript_bundle(_VEGA.format(version=vl_convert.get_vega_version()))
    except ValueError:
        script = vl_convert.javascript_bundle(_ALL)
    return _NOTICE + _closed(script)


@lru_cache(maxsize=1)
def tables_script() -> str:
    """DataTables with jQuery as a script that sets `window.jQuery`; the wheel holds a module.

    Raises:
        InputError: the installed version of itables is built in another way.
    """
    module = (files("itables") / "html" / "dt_bundle.js").read_text(encoding="utf-8")
    return _closed(as_script(module))


def as_script(module: str) -> str:
    """A module as a classic script whose exports are set on `window`: a browser loads no module from `file://`.

    >>> as_script("var a=1;export{a as one};/* end */")
    '(()=>{var a=1;Object.assign(window,{"one":a});/* end */})();'

    Raises:
        InputError: the module has no export clause, or several.
    """
    found = _EXPORTS.findall(module)
    if len(found) != 1:
        raise InputError(
            f"the browser part of itables has {len(found)} export clauses, expected 1; install itables 2.9"
        )
    pairs = [part.split(" as ") for part in found[0].split(",")]
    names = ",".join(f'"{pair[-1].strip()}":{pair[0].strip()}' for pair in pairs)
    return "(()=>{" + _EXPORTS.sub(lambda _: f"Object.assign(window,{{{names}}});", module) + "})();"


def _closed(script: str) -> str:
    """What would end a script element early, written so that it does not."""
    return re.sub(r"</(script)", r"<\\/\1", script, flags=re.IGNORECASE).replace("<!--", "<\\!--")
