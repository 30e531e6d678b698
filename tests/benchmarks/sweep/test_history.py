"""What a method reports of its steps is JSON, whatever the numbers are."""

import json
from pathlib import Path

from tests.benchmarks.support import Call, write_method

REPORTS = """
request.report(1, loss=float("nan"), gain=float("inf"), note="fine", share=0.5)
return clip
"""


def refuse(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def test_numbers_that_json_has_not_are_texts(sweep: Call, tmp_path: Path) -> None:
    said = sweep("--methods", write_method(tmp_path, REPORTS, name="reports"), "--classes", "red")
    assert said.code == 0, said
    (path,) = (tmp_path / "out" / "cells").glob("*.history.jsonl")
    (step,) = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert step == {"step": 1, "loss": "nan", "gain": "inf", "note": "fine", "share": 0.5}
