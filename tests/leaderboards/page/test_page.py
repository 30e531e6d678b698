"""What is in a page before a browser sees it: the numbers of the rows, whole markup, nothing from elsewhere."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.leaderboards.curve_examples import front, nothing
from tests.leaderboards.examples import ended, identity, only, sweep
from tests.leaderboards.page.page_examples import LONG, NASTY, RIGHT_TO_LEFT, audited, crowd, many_kinds, nasty
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.page.addresses import Addresses, class_slug, slug
from unlearn_bench.leaderboards.page.browser import as_script, tables_script, vega_script
from unlearn_bench.leaderboards.page.page import data, gathered, one_file, site
from unlearn_bench.leaderboards.records.record import Record

VOID = {"meta", "link", "input", "img", "br"}


class Tags(HTMLParser):
    """Sees that every element ends, and collects links, places and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: set[str] = set()
        self.sources: set[str] = set()
        self.places: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.seen.add(tag)
        assert not [name for name in said if name.startswith("on")], tag
        for name, into in (("href", self.links), ("src", self.sources)):
            if said.get(name):
                into.add(str(said[name]))
        if said.get("id"):
            self.places.append(str(said["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)


def parsed(records: list[Record]) -> Tags:
    return Tags(one_file(gathered(records)))


@pytest.mark.parametrize("records", [many_kinds(), nasty()], ids=["all kinds", "nasty"])
def test_one_file_is_whole_and_asks_for_nothing(records: list[Record]) -> None:
    page = parsed(records)
    assert page.open == []
    assert len(page.places) == len(set(page.places))
    assert all(source.startswith("data:") for source in page.sources)
    inside = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert inside <= {*page.places, ""}
    rest = {link for link in page.links if not link.startswith(("#", "data:"))}
    assert all(link.startswith("https://arxiv.org/") for link in rest), "sources of methods are for whoever follows"


def test_names_are_text_and_never_markup() -> None:
    page = parsed(nasty())
    said = "".join(page.words)
    for name in (NASTY, RIGHT_TO_LEFT, LONG):
        assert said.count(name) >= 4
    text = one_file(gathered(nasty()))
    assert "<script>window.broken" not in text
    assert "<img src=x" not in text
    assert "<bdi>شبكة عصبية</bdi>" in text


def test_a_site_has_a_page_for_each_and_its_links_lead_somewhere() -> None:
    files = site(gathered(many_kinds()))
    names = {name for name in files if name.endswith(".html")}
    assert {"index.html", "methods/lip.html", "datasets/mini-shapes.html"} < names
    assert len([name for name in names if name.startswith("classes/")]) == 3
    pages = {name: Tags(files[name]) for name in names}
    for name, page in pages.items():
        up = "../" * name.count("/")
        assert page.open == [], name
        for link in page.links | page.sources:
            target, _, place = link.partition("#")
            if link.startswith(("https://arxiv.org/", "data:")):
                continue
            path = target.removeprefix(up) if up and target.startswith(up) else target
            assert not target or path in files, (name, link)
            if place:
                assert place in pages[path or name].places, (name, link)


def test_the_table_says_what_the_rows_say() -> None:
    board = only(audited(sweep("lip", seconds=1.5), 0.6, 0.5) + identity())
    (view,) = gathered(list(board.rows[0].records) + list(board.rows[1].records)).boards
    (line,) = view.table.lines
    row = board.rows[0]
    assert row.overall.interval is not None
    assert line.cells["score"].text == f"{row.overall.score:.3f}"
    assert line.cells["forgetting"].text == "0.875"
    assert line.cells["irreversibility"].text == f"{row.irreversibility:.3f}" == "0.250"
    assert line.cells["seconds"].text == "1.50"
    assert line.cells["rank"].text == "1"
    assert line.cells["score"].said.startswith("95 % interval 0.0")
    assert [reference.label for reference in view.table.references] == ["identity"]
    assert [column.key for column in view.table.columns if column.shown] == [
        "rank", "method", "score", "forgetting", "retention", "irreversibility", "seconds",
    ]  # fmt: skip


def test_what_nobody_has_is_no_column() -> None:
    (view,) = gathered(sweep()).boards
    assert not {"irreversibility", "seconds", "memory", "note"} & {column.key for column in view.table.columns}
    assert view.remains is None


def test_marks_and_standings() -> None:
    text = one_file(
        gathered([*sweep("amns", targets=(15,)), *sweep("emb", preset={"source": "default"}), *identity()])
    )
    assert text.count('<span class="badge">did not forget</span>') == 1, "a reference is not marked"
    assert text.count('<span class="badge soft">not tuned</span>') == 1


def test_curves_have_a_table_of_areas_and_points_of_one_line() -> None:
    records = front("lip", (12, 30, 45), (2, 27, 40)) + front("emb", (9, 20, 30)) + nothing()
    view = gathered(records)
    (board,) = view.boards
    assert [line.label for line in board.table.lines] == ["lip", "emb"]
    assert board.table.lines[0].cells["area"].text.startswith("0.8")
    assert board.chart is not None
    assert [(point["line"], point["order"]) for point in board.chart["points"]][:2] == [("lip", 1), ("lip", 2)]
    assert view.methods == (), "a setting of a curve is no method"
    page = Tags(one_file(view))
    assert page.open == []
    assert gathered(records + sweep("lip")).boards[0].table is not None


def test_a_wrecked_method_is_told_of_and_shrinks_no_whisker() -> None:
    wrecked = sweep("wrecked", targets=(0,), measured={"other": 2, "rest": 3})
    (board,), (without,) = (gathered(records).boards for records in ([*many(), *wrecked], many()))
    assert board.chart is not None
    assert [point["name"] for point in board.chart["points"] if point["outside"]] == ["wrecked"]
    assert board.chart["outside"] == "not shown: wrecked (forgetting 1.00, retention .07)"
    cells = {line.label: line.cells["score"] for line in board.table.lines}
    assert cells["lip"].value == without.table.lines[0].cells["score"].value
    assert cells["wrecked"].value == 1.0
    lines = gathered(front("lip", (12, 30, 45), (2, 3, 4)) + front("low", (0, 2, 3)) + nothing()).boards[0].chart
    assert lines is not None
    assert {point["name"] for point in lines["points"] if point["outside"]} == {"low"}


def many() -> list[Record]:
    """Two methods and what does nothing."""
    return [*sweep("lip"), *sweep("emb", targets=(9,)), *identity()]


def test_the_page_of_a_method_tells_what_it_is_and_each_run() -> None:
    view = gathered(many_kinds())
    lip, outside = (next(page for page in view.methods if page.label == name) for name in ("lip", "broken"))
    assert lip.what.startswith("Lip: smooth the model around images that it made itself")
    assert lip.address == "https://arxiv.org/abs/2407.07485"
    assert lip.source.startswith("Alexey Kravets, Vinay P. Namboodiri, 2025, ")
    assert ",," not in lip.source
    assert [board.title for board in lip.boards] == ["mini-rn, suite mini", "mini-vit, suite mini"]
    assert lip.boards[0].how == "Tuned with 40 trials."
    assert {fact.name: fact.text for fact in lip.boards[0].settings}["layers"] == "a, b"
    assert outside.what == "A method from outside this package."
    headings, *cells = outside.boards[0].cells
    assert headings[:4] == ("dataset", "forget set", "seed", "status")
    assert [cell[3] for cell in cells].count("failed: loss is nan at step 3") == 1
    assert len(cells) == 3


def test_the_heat_of_a_method_is_dark_where_it_is_good() -> None:
    view = gathered(audited(sweep("lip", targets=(0, 16, 8)), 0.6, 0.5))
    heat = view.methods[0].boards[0].heat
    place = [heading.title for heading in heat.headings].index("Forgetting")
    assert [(line.cells[place].text, line.cells[place].shade) for line in heat.lines] == [
        ("0.500", 0.5), ("0.000", 0.0), ("1.000", 1.0),
    ] or sorted(line.cells[place].shade or 0 for line in heat.lines) == [0.0, 0.5, 1.0]  # fmt: skip
    probe = [heading.title for heading in heat.headings].index("Probe")
    assert heat.lines[0].cells[probe].text == "0.750"
    assert heat.lines[0].cells[probe].shade == pytest.approx(0.25)


def test_a_forget_set_names_answers_and_neighbours() -> None:
    view = gathered(audited(sweep("lip"), 0.6, 0.5) + sweep("emb"))
    (page,) = (page for page in view.forget_sets if page.key == ("mini-shapes", ("red cube",)))
    (board,) = page.boards
    assert board.headings[-1] == "near: red sphere"
    lip = next(line for line in board.lines if line.label == "lip")
    assert lip.cells[-1].text == "0.500"
    assert lip.answers == "red sphere 0.750 (0.200), red cube 0.250 (?)"
    assert board.before == "red cube 0.900 (?), red sphere 0.100 (0.200)"
    emb = next(line for line in board.lines if line.label == "emb")
    assert (emb.answers, emb.cells[-1].text) == ("", "-")


def test_records_in_other_settings_are_named() -> None:
    few, more = {"accuracy": 1}, {"accuracy": 1, "seconds": 1}
    records = sweep(metrics=few) + sweep(metrics=more)
    assert len(gathered(records).boards) == 1
    assert "with other metrics" in gathered(records).asides[0]
    assert "measured in other settings" in one_file(gathered(records))
    assert len(gathered(records, all_settings=True).boards) == 2


def test_bad_requests() -> None:
    with pytest.raises(InputError, match="no records"):
        gathered([])
    with pytest.raises(InputError, match=r"unknown baseline 'lib'.*did you mean 'lip'"):
        gathered(sweep(), baseline="lib")
    chosen = gathered(sweep("lip") + sweep("emb", targets=(3,)), baseline="emb").boards[0]
    assert any(section.title.startswith("Differences to emb") for section in chosen.tables)


def test_nothing_measured_is_a_page_too() -> None:
    page = parsed([ended(item, "failed", "loss is <nan>") for item in sweep()])
    assert page.open == []
    assert "No method has all its cells yet" in "".join(page.words)


def test_the_browser_parts_are_scripts_that_end_nothing_early() -> None:
    for script, name in ((vega_script(), "window.vega={View:"), (tables_script(), '"jQuery":')):
        assert name in script
        assert "</script" not in script.lower()
        assert "<!--" not in script
    assert len(vega_script()) + len(tables_script()) < 1_250_000
    with pytest.raises(InputError, match="0 export clauses, expected 1"):
        as_script("var a = 1;")


def test_three_megabytes_hold_the_default_run() -> None:
    """Eighteen methods and two references on twelve forget sets, with room for its pictures."""
    size = len(one_file(gathered(crowd(20, 4))).encode())  # 12 cells a method, as of the suite `mini`
    assert size < 2_400_000


def test_data_in_a_script_can_t_leave_it() -> None:
    said = {"name": "</script><!-- & \u2028"}
    text = str(data(said))
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == said


def test_addresses() -> None:
    assert Addresses().method("lip") == "#method-lip"
    assert Addresses(site=True, up="../").method("lip") == "../methods/lip.html"
    assert Addresses(site=True).home == "index.html"
    assert slug("Lip") != slug("lip")
    assert slug(LONG) != slug(LONG[:-1])
    assert len(slug(LONG)) < 80
    assert re.fullmatch("[a-z0-9-]+", slug(RIGHT_TO_LEFT))
    assert class_slug(("mini-digits", ("digit two",))).startswith("mini-digits-digit-two-")


def test_a_variant_of_settings_is_a_method_of_its_own() -> None:
    other = [
        replace(item, run=replace(item.run, hyperparameters={"sigma": 9.0})) for item in sweep("lip", targets=(4,))
    ]
    labels = [page.label for page in gathered(sweep("lip") + other).methods]
    assert len(labels) == 2
    assert all(label.startswith("lip (sigma=") for label in labels)
