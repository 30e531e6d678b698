"""`check-model` from end to end: a foreign model in a file passes, a careless one is told, bad input is one line."""

import inspect
from pathlib import Path

import pytest

from tests.benchmarks.support import Call, is_one_error, write_model
from tests.core.foreign import foreign
from unlearn_bench.benchmarks.checkup import checkup, takers
from unlearn_bench.benchmarks.checkup.checkup import check_model
from unlearn_bench.benchmarks.checkup.rebuilding import rebuilt
from unlearn_bench.benchmarks.checkup.subject import Finding, Subject
from unlearn_bench.benchmarks.checkup.takers import ask_methods, noise_request
from unlearn_bench.models.sources import open_model
from unlearn_bench.registry import catalogue

SOURCE = Path(inspect.getfile(foreign)).read_text(encoding="utf-8")
"""Another process does not see the tests, and a user's file stands alone too."""

OWN = f"""
{SOURCE}

def build():
    return foreign("anonymous", "in-out")
"""

CARELESS = f"""
{SOURCE}

def unseeded():
    clip = foreign()
    return TwoTowers(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 16)), clip.module["text"], spell,
                     name="unseeded", image_size=16, logit_scale=20.0)

def hashed():
    clip = foreign()
    clip._tokenizer = lambda texts: torch.tensor([[hash(text) % 256 + 1] for text in texts])
    return clip

def broken():
    return TwoTowers(nn.Identity(), nn.Identity(), spell, name="broken", image_size=8, logit_scale=20.0)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return f"{path}:build"


@pytest.fixture
def careless(tmp_path: Path) -> Path:
    path = tmp_path / "careless.py"
    path.write_text(CARELESS)
    return path


def built_again(spec: str) -> Finding:
    (finding,) = rebuilt(Subject(spec=spec, clip=open_model(spec)))
    return finding


def test_a_foreign_model_in_a_file_passes_and_its_name_is_its_own(call: Call, own: str, tmp_path: Path) -> None:
    said = call("check-model", own, "--device", "cpu")
    assert said.code == 0, said
    lines = said.out.splitlines()
    verdicts = [line.split()[0] for line in lines[: lines.index("")]]
    assert set(verdicts) == {"ok"}
    assert len(verdicts) > 15
    assert lines[0].startswith("ok       model: 'foreign', fingerprint ")
    assert lines[-1] == "usable: 0 errors, 0 warnings"
    assert str(tmp_path) not in said.out
    assert "\x1b" not in said.out, "no colours where there is no terminal"
    rows = [line.split() for line in lines]
    assert ["image", "attention", "16", "4.8", "k"] in rows
    assert ["text-null-space", "ZS", "applies"] in rows
    assert {row[0] for row in rows if row} >= set(catalogue("methods"))


def test_random_weights_without_a_seed_are_told(careless: Path) -> None:
    finding = built_again(f"{careless}:unseeded")
    assert finding.verdict == "error"
    assert "other values of image.1.weight, image.1.bias; load weights from a file" in finding.text


def test_a_tokenizer_that_hashes_texts_is_told(careless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    finding = built_again(f"{careless}:hashed")
    assert finding.verdict == "error"
    assert "other token ids; Python's hash()" in finding.text


def test_what_another_process_says_is_passed_on(careless: Path) -> None:
    subject = Subject(spec=f"{careless}:gone", clip=open_model(f"{careless}:hashed"))
    (finding,) = rebuilt(subject)
    assert finding.verdict == "error"
    assert "another process can't open it" in finding.text
    assert "gone" in finding.text


def test_a_model_that_can_not_be_run_ends_the_checks(call: Call, careless: Path) -> None:
    said = call("check-model", f"{careless}:broken", "--device", "cpu")
    assert said.code == 1
    assert (
        "error    embeddings" in said.out or "error    shapes" in said.out or "error    image embeddings" in said.out
    )
    assert said.out.splitlines()[-3] == "the rest is not checked before this is mended"
    assert said.out.splitlines()[-1] == "not usable yet: 1 errors, 0 warnings"


def test_bad_input_is_one_line(call: Call, tmp_path: Path) -> None:
    is_one_error(call("check-model", "nowhere.py:build"), "no plug-in file at 'nowhere.py'")
    is_one_error(call("check-model", "RN5O"), "unknown model")
    is_one_error(call("check-model", write_model(tmp_path), "--device", "gpu"), "device 'gpu' can't be used")


def test_what_a_check_raises_is_a_finding(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def text_padding(subject: Subject) -> None:
        raise KeyError("x")

    monkeypatch.setattr(checkup, "CHECKS", (text_padding,))
    said: list[str] = []
    found = check_model(own, say=said.append)
    assert found.errors == 1
    assert "error    text padding: the model raised KeyError: 'x'" in said
    assert found.roles
    assert found.takers, "the tables come all the same"


def test_methods_are_asked_with_what_they_may_see() -> None:
    subject = Subject(spec="own", clip=foreign("fused", "none", joint=24))
    answers = {taker.method: taker for taker in ask_methods(subject, ["lip", "text-null-space", "salun"])}
    assert answers["lip"].reason == answers["salun"].reason == ""
    assert (
        "no final projection in its image tower that can be told; its `locate`" in answers["text-null-space"].reason
    )
    for access, sees in (("ZS", (False, False)), ("semi-ZS", (True, False)), ("not-ZS", (True, True))):
        request = noise_request(subject, access)  # type: ignore[arg-type]
        assert (request.forget_examples is not None, request.retain_examples is not None) == sees
    assert len(request.concepts) == len(takers.CLASSES)
    assert request.retain_examples is not None
    assert request.retain_examples.pixels.shape == (3, 16, 16, 3)
    assert request.synthesize().unit.shape == (1, 3, 16, 16)


def test_a_method_that_fails_when_asked_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(spec="own", clip=foreign())
    monkeypatch.setattr(type(subject.clip), "weights", lambda self: 1 / 0)
    (answer,) = ask_methods(subject, ["ulip"])
    assert answer.reason == "asked whether it applies, it failed (ZeroDivisionError: division by zero)"
