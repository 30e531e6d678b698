"""What holds methods back: searches under several conditions side by side."""

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner

from unlearn_bench.benchmarks.presets.places import preset_places
from unlearn_bench.benchmarks.tuning.limits import app, cells, condition, section

DOCS = Path(__file__).parents[3] / "docs"
FOUND: dict[str, Any] = {
    "source": "tuned",
    "trials": 64,
    "found": True,
    "best_that_forgot": {"score": 0.1234, "forgetting": 0.9, "retention": 0.95},
    "front": [{"forgetting": 0.5, "retention": 1.0}, {"forgetting": 1.0, "retention": 0.6}],
}


def write(folder: Path, name: str, **tables: dict[str, Any]) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps({"about": {"model": "mine"}, **tables}))
    return path


def test_what_a_search_came_to() -> None:
    """The area by hand: half of the square, and .6 of the other half."""
    assert cells(FOUND) == ("0.123 (0.900 / 0.950)", "0.800")
    assert cells({**FOUND, "found": False})[0] == "0.123* (0.900 / 0.950)"
    assert cells({"source": "tuned", "trials": 8, "front": []}) == ("none forgot", "0.000")
    assert cells(None) == ("-", "-")


def test_a_row_for_each_method_of_any_condition(tmp_path: Path) -> None:
    few = condition(f"few={write(tmp_path, 'few', lip=FOUND, emb=FOUND)}")
    many = condition(f"many={write(tmp_path, 'many', lip={**FOUND, 'trials': 640})}")
    found = section([few, many])
    assert found.headers == ("method", "few: 64 trials", "area", "many: 640 trials", "area")
    assert [row[0] for row in found.rows] == ["emb", "lip"]
    assert found.rows[0][3:] == ("-", "-")


def test_files_of_one_name_are_one_condition_and_rows_can_be_chosen(tmp_path: Path) -> None:
    few = write(tmp_path, "few", lip=FOUND, emb=FOUND, ssd=FOUND)
    one, two = (
        write(tmp_path, "one", ssd={**FOUND, "trials": 640}),
        write(tmp_path, "two", lip={**FOUND, "trials": 640}),
    )
    given = [f"few={few}", f"many={one}", f"many={two}", "--methods"]
    done = CliRunner().invoke(app, [*given, "ssd,lip"])
    lines = [line.split("|")[1:-1] for line in done.output.splitlines() if line.startswith("|")]
    assert [line[0].strip() for line in lines[2:]] == ["ssd", "lip"]
    assert [name.strip() for name in lines[0]] == ["method", "few: 64 trials", "area", "many: 640 trials", "area"]
    assert "-" not in {cell.strip() for line in lines[2:] for cell in line}
    wrong = CliRunner().invoke(app, [*given, "lipp"])
    assert (wrong.exit_code, "unknown method of these files 'lipp'" in wrong.output) == (2, True)


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    path, out = write(tmp_path, "few", lip={**FOUND, "found": False}), tmp_path / "limits.md"
    done = CliRunner().invoke(app, [f"few={path}", "--out", str(out)])
    assert done.exit_code == 0
    assert "| lip" in out.read_text()
    assert "0.123\\* (0.900 / 0.950)" in out.read_text(), "an asterisk that is no markup"


def test_the_page_of_limits_says_what_its_files_say() -> None:
    if not DOCS.is_dir():
        pytest.skip("not in a checkout")
    files = {
        "published": next(iter(preset_places("mini-rn"))),
        "tenfold": DOCS / "limits" / "tenfold.toml",
        "Lip's variants": DOCS / "limits" / "lip-variants.toml",
        "trained longer": DOCS / "limits" / "trained-longer.toml",
        "twice as wide": DOCS / "limits" / "wide.toml",
    }
    methods = "lip,lip-real,lip-all-tensors,ssd,ulip,amns,emmn"
    done = CliRunner().invoke(app, [*(f"{name}={path}" for name, path in files.items()), "--methods", methods])
    said = done.output.partition("\n\n")[2].strip()
    assert said.count("\n") > len(methods.split(","))
    assert said in (DOCS / "what-limits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("few.toml", "is not of the form NAME=FILE"),
        ("few=none.toml", "no preset file at 'none.toml' for 'few'"),
        ("few=empty.toml", "holds nothing that was tuned"),
    ],
)
def test_wrong_conditions_are_one_line(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "empty", lip={"source": "paper"})
    done = CliRunner().invoke(app, [text])
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.count("\n") == 1
