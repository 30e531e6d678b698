"""The method plays in a process of its own when somebody forgets for good, as in a sweep: by words and by classes."""

from pathlib import Path

import pytest

from tests.benchmarks.support import Call, write_method, write_model, write_skipper, write_suite

ENDS = {
    "raises": ("raise ValueError('a\\nb\\x1b[31m')", "failed: ValueError: a"),
    "unprintable": (
        "class E(BaseException):\n    def __str__(self): raise KeyError\nraise E",
        "failed: E: no message, its text can't be made",
    ),
    "exit": ("os._exit(0)", "failed: the method's process ended itself with exit code 0, and gave no model back"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "failed: the method's process was ended by SIGSEGV"),
    "endless": ("while True: pass", "failed: the method took longer than it may; its process was ended"),
    "nan": ("clip.module.text[2].weight.data.fill_(float('nan'))\nreturn clip", "not finite"),
    "nothing": ("pass", "failed: unlearn returned a NoneType; it must return the clip"),
}

BYWAYS = """
import gc
from unlearn_bench.clip import Clip
assert len([one for one in gc.get_objects() if type(one).__name__ == 'Workbench']) == 0
torch.nn.functional.normalize = lambda x, *a, **k: torch.zeros_like(x)
torch.argmax = torch.Tensor.argmax = lambda x, *a, **k: torch.zeros(len(x), dtype=torch.int64)
return clip
"""


@pytest.fixture(params=["words", "classes"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> list[object]:
    """A request for red, by words or by data, without its method."""
    usual: list[object] = ["forget", "--model", write_model(tmp_path), "--device", "cpu", "--out", tmp_path / "gone"]
    if request.param == "classes":
        return [*usual, "--suite", write_suite(tmp_path), "--classes", "red"]
    (tmp_path / "names.txt").write_text("green\nblue\n")
    return [*usual, "--concepts", "red", "--keep", tmp_path / "names.txt"]


@pytest.mark.parametrize("name", ENDS)
def test_what_it_does_to_itself_is_one_line(name: str, given: list[object], call: Call, tmp_path: Path) -> None:
    body, reason = ENDS[name]
    limit = ["--timeout", "1"] if name == "endless" else []
    said = call(*given, "--method", write_method(tmp_path, body), *limit)
    assert said.code == 1, said
    (line,) = [line for line in said.err.splitlines() if line.startswith("failed")]
    assert reason in line
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err
    assert not (tmp_path / "gone").exists()


def test_what_it_changes_in_its_process_changes_no_number(given: list[object], call: Call, tmp_path: Path) -> None:
    said = call(*given, "--method", write_method(tmp_path, BYWAYS))
    assert said.code == 0, said
    accuracies = [line for line in said.out.splitlines() if "accuracy" in line]
    assert accuracies
    assert all("1.000 before, 1.000 after" in line for line in accuracies), accuracies


def test_it_may_say_that_it_does_not_apply(given: list[object], call: Call, tmp_path: Path) -> None:
    said = call(*given, "--method", write_skipper(tmp_path, tmp_path / "flag"))
    assert said.code == 1
    assert "skipped: no weights" in said.err.splitlines()


def test_a_method_is_given_synthetic_images_of_the_words(call: Call, tmp_path: Path) -> None:
    body = """
    made = request.synthesize()
    assert len(made.unit) == len(made.labels) > 0
    made.unit.zero_()
    assert float(request.synthesize().unit.sum()) > 0
    request.report(1, images=len(made.labels))
    return clip
    """
    (tmp_path / "names.txt").write_text("green\nblue\n")
    given = ["forget", "--model", write_model(tmp_path), "--device", "cpu", "--keep", tmp_path / "names.txt"]
    said = call(*given, "--concepts", "red", "--method", write_method(tmp_path, body), "--out", tmp_path / "gone")
    assert said.code == 0, said


def test_a_time_below_nothing_is_refused(given: list[object], call: Call) -> None:
    said = call(*given, "--timeout", "-1")
    assert said.code == 2
    assert "--timeout" in said.err
