"""What the README and its further pages say is true: code runs, commands exist, the table is that of the records."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from unlearn_bench.benchmarks.checks import check_method
from unlearn_bench.benchmarks.cli import app
from unlearn_bench.leaderboards.paper_page import is_stale
from unlearn_bench.leaderboards.publish import Published, stale
from unlearn_bench.leaderboards.published.places import PAPER_PAGE, PUBLISHED, paper_records
from unlearn_bench.leaderboards.records.record import CURVE
from unlearn_bench.leaderboards.records.retrained_predictions import FOLDER, read_retrained
from unlearn_bench.leaderboards.records.storage import read_csv

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
"""What the README links to for more."""


def _blocks(language: str) -> list[str]:
    return [found for text in (README, *PAGES.values()) for found in _blocks_of(text, language)]


def _blocks_of(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def _commands() -> list[list[str]]:
    jobs = (ROOT / ".github" / "workflows").glob("*.yml")
    texts = [*_blocks("bash"), *(path.read_text(encoding="utf-8") for path in jobs)]
    lines = [line for text in texts for line in text.splitlines()]
    calls = [re.split(r"\s#\s", line)[0] for line in lines if "unlearn-bench " in line]
    return [shlex.split(call[call.index("unlearn-bench ") :]) for call in calls]


def test_the_example_method_is_short_and_keeps_the_laws(tmp_path: Path) -> None:
    (code,) = [block for block in _blocks("python") if block.startswith("# push.py")]
    body = code[code.index("@dataclass") :].strip().splitlines()
    assert len(body) <= 20
    path = tmp_path / "push.py"
    path.write_text(code, encoding="utf-8")
    check_method(f"{path}:PushAway")


def test_the_commands_and_their_options_exist() -> None:
    group = typer.main.get_command(app)
    known = getattr(group, "commands")  # noqa: B009  (typer's own class, which mypy knows only as a command)
    assert len(_commands()) >= 4
    for _, name, *arguments in _commands():
        options = {option for parameter in known[name].params for option in parameter.opts}
        used = {argument for argument in arguments if argument.startswith("--")}
        assert used <= options, name


@pytest.mark.parametrize("item", PUBLISHED, ids=lambda item: item.suite)
def test_the_published_tables_are_those_of_the_records(item: Published) -> None:
    if not item.records.is_file() and item.suite.endswith(CURVE):
        assert not any(page.exists() for page in item.pages), "a page without records"
        pytest.skip("no curves are published yet")
    if not item.records.is_file():
        pytest.fail(f"no published records: leaderboards/published/{item.suite}.csv is missing")
    assert stale(item) == (), "run `python -m unlearn_bench.benchmarks.publish`"
    assert {record.run.suite for record in read_csv(item.records, metrics=())} == {item.suite}


def test_the_readme_is_short_and_its_first_screen_is_the_result() -> None:
    lines = README.splitlines()
    assert len(lines) <= 180
    first = lines[:45]
    table = [line for line in first if line.startswith("|")]
    assert 3 <= len(table) - 2 <= 12
    assert max(line.count("|") for line in table) - 1 <= 7
    assert "leads with a score of" in " ".join(first)
    assert "prefers-color-scheme: dark" in " ".join(first)
    assert "unlearn-bench run --methods all" in " ".join(first)


def test_links_lead_to_files_and_folders_that_are_there() -> None:
    for folder, text in ((ROOT, README), *((ROOT / "docs", text) for text in PAGES.values())):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)|(?:src|srcset|href)=\"([^\"#]+)\"", text):
            target = next(filter(None, link))
            assert target.startswith("https://") or (folder / target).exists(), target
    linked = set(re.findall(r"\]\(docs/([^)#]+)\)", README))
    assert linked == set(PAGES), "each page is linked"


def test_what_retrained_models_recognise_is_what_their_files_say() -> None:
    text = " ".join(PAGES["what-comes-back.md"].split())
    files = sorted(FOLDER.rglob("*.json"))
    assert files
    for path in files:
        for name, share in read_retrained(path).accuracy_of_forgotten.items():
            shown = f"{share:.2f}".removeprefix("0") + f" ({name})" if share > 0.03 else name
            assert shown in text, f"{name}: {share}"


def test_the_paper_s_page_is_that_of_the_reported_tables_and_the_records() -> None:
    assert not is_stale(PAPER_PAGE, paper_records()), "run `python -m unlearn_bench.benchmarks.publish`"
