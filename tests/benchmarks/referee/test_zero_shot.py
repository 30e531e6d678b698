"""What a model knows is said first: by hand on colours, with a template that fits and one that does not."""

from pathlib import Path

import pytest

from tests.benchmarks.support import Call, bench_of, write_method, write_suite
from unlearn_bench.benchmarks.data.dataset.templates import set_template
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.referee.zero_shot import ZeroShot, zero_shot
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.errors import InputError


def known(accuracy: float, chance: float) -> ZeroShot:
    return ZeroShot(model="m", dataset="d", template="a {}", accuracy=accuracy, chance=chance, images=50)


@pytest.mark.parametrize(
    ("accuracy", "chance", "low"),
    [
        (0.18, 1 / 13, True),  # a wrong template, as a user had it
        (0.915, 1 / 13, False),
        (0.4, 1 / 102, False),  # the paper's hardest dataset
        (0.6, 0.5, True),
        (0.8, 0.5, False),
        (0.31, 0.2, True),
    ],
)
def test_what_counts_as_little(accuracy: float, chance: float, *, low: bool) -> None:
    assert known(accuracy, chance).is_low is low


def test_accuracy_and_chance(tmp_path: Path) -> None:
    bench = bench_of(load_suite(str(write_suite(tmp_path))))
    found = zero_shot(bench.evaluated["folder:warm"], "colours")
    assert found == ZeroShot(
        model="colours", dataset="folder:warm", template="a photo of a {}.", accuracy=1.0, chance=1 / 3, images=12
    )
    assert str(found) == (
        "before forgetting: colours on folder:warm: zero-shot accuracy 1.000 (chance 0.333, 12 images, "
        "'a photo of a {}.')"
    )


def test_a_run_says_it_first_and_warns(call: Call, suite_file: Path, tmp_path: Path, pool: None) -> None:
    """A template in which the names can't be found leaves chance; the run's first line shows it, then what to try."""
    spec = write_method(tmp_path, "return clip")
    given = ["run", "--suite", suite_file, "--methods", spec, "--device", "cpu", "--classes", "red"]
    given += ["--metrics", "accuracy,average-score"]
    for jobs in ("1", "2"):
        said = call(*given, "--jobs", jobs, "--out", tmp_path / f"good{jobs}")
        assert said.code == 0, said.err
        told = [line for line in said.err.splitlines() if not line.startswith("data: ")]
        assert told[0].startswith("before forgetting: ")
        assert "warning" not in said.err
    picky = tmp_path / "picky_model.py"
    text = (tmp_path / "colours_model.py").read_text()
    wrong = (
        "(i + 1 if text.startswith(name) else (i + 1) % len(names) + 1 for"  # mid-sentence, the next colour's token
    )
    picky.write_text(text.replace("(i + 1 for", wrong))
    assert picky.read_text() != text
    given += ["--model", f"{picky}:build", "--jobs", "1"]
    bad = call(*given, "--out", tmp_path / "bad")
    assert "is little, and what a model does not know it can't forget" in bad.err
    assert "now 'a photo of a {}.'" in bad.err
    good = call(*given, "--template", "{} thing", "--out", tmp_path / "mended")
    assert "is little" not in good.err
    told = [line for line in good.err.splitlines() if line.startswith("before forgetting: ")]
    assert "zero-shot accuracy 1.000" in told[0]
    assert "'{} thing'" in told[0]


def test_templates_of_folders(tmp_path: Path) -> None:
    write_suite(tmp_path)
    warm = tmp_path / "data" / "warm"
    assert open_dataset(f"folder:{warm}?template=a product photo: {{}}").texts[0] == "a product photo: blue"
    assert open_dataset(f"folder:{warm}").texts[0] == "a photo of a blue."
    with pytest.raises(InputError, match=r"unknown option of folder:.* 'tempalte'.*did you mean 'template'"):
        open_dataset(f"folder:{warm}?tempalte=x {{}}")
    with pytest.raises(InputError, match=r"the template 'a photo' of .* needs one \{\} for the class"):
        open_dataset(f"folder:{warm}?template=a photo")


def test_another_template_for_any_dataset() -> None:
    digits = open_dataset("mini-digits")
    before = digits.texts
    set_template(digits, "one {}")
    assert digits.texts[0] == f"one {digits.class_names[0]}" != before[0]
    with pytest.raises(InputError, match="names a domain, and 'mini-digits' has none"):
        set_template(digits, "{domain} of {}")
    domains = open_dataset("mini-domains")
    set_template(domains, "{} as {domain}")
    assert " as a" in domains.texts[0]
