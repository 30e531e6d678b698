"""What no command may choke on: one table of inputs, each answered by exit code 2 and one line with what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.benchmarks.support import Call, is_one_error, write_method, write_suite
from tests.leaderboards import examples
from unlearn_bench.leaderboards.records.storage import write_csv, write_record

DEEP = 100_000
LONG = "7" * 5000
BINARY = bytes(range(256)) * 4
DEEP_JSON = "[" * DEEP + "]" * DEEP
DEEP_TOML = "x = " + "[" * DEEP + "]" * DEEP + "\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, and what its one line says.

    Attributes:
        command: its words; in braces what `places` names.
        says: parts of the line.
        files: that are there, by name in the test's folder; "suite" adds lines to the suite's file.
        code: what the call ends with.
    """

    command: str
    says: tuple[str, ...]
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def case(command: str, *says: str, **files: str | bytes) -> Case:
    return Case(command=command, says=says, files={name.replace("__", "."): text for name, text in files.items()})


RUN = "run --suite {suite} --methods {method} --jobs 1 --device cpu --out {tmp}/out"
FORGET = "forget --suite {suite} --model {model} --classes red --method {method} --device cpu"
TUNE = "tune --suite {suite} --model {model} --methods lip --trials 1 --jobs 1 --device cpu"
VARIANT = '[variants.v]\nmethod = "lip"\n'

CASES: dict[str, Case] = {
    # run: numbers
    "run: a seed of 5,000 digits": case(f"{RUN} --seeds {LONG}", "seed '777", "too many digits (5000)"),
    "run: a seed that no generator takes": case(f"{RUN} --seeds {2**63}", "seed '9223372036854775808'"),
    "run: a shard of 5,000 digits": case(f"{RUN} --shard 1/{LONG}", "shard '1/777"),
    "run: more threads than a number holds": case(f"{RUN} --threads {10**12}", "threads"),
    "run: 5,000 digits of threads": case(f"{RUN} --threads {LONG}", "threads"),
    "run: 5,000 digits of jobs": case(f"{RUN} --jobs {LONG}", "jobs"),
    "run: no jobs at all": case(f"{RUN} --jobs -1", "jobs"),
    # run: devices
    "run: a device without memory": case(f"{RUN} --device meta", "device 'meta' can't be used"),
    "run: no device": case(f"{RUN} --device ,", "device ',' can't be used"),
    "run: a device that is not here": case(f"{RUN} --device cuda:99", "device 'cuda:99' can't be used"),
    "run: a device of another kind": case(f"{RUN} --device vulkan", "device 'vulkan' can't be used"),
    # run: templates
    **{
        f"run: a template {template}": case(f"{RUN} --template {template}", "template", "one {} for the class")
        for template in ("photo", "{}{}", "{}{", "}{}", "{0}", "{}{x}", "{.name}", "{}{domain.x}", "{!r}", "{:d}")
    },
    "run: a domain where there are none": case(f"{RUN} --template {{}}{{domain}}", "domain"),
    **{
        f"run: a variant's template {template}": case(
            RUN, "template", "one {} for the class", suite=f'{VARIANT}template = "{template}"\n'
        )
        for template in ("photo", "{}{", "{}{x}", "{.name}", "{!r}", "{:d}")
    },
    # run: suites
    "run: a suite that is deep": case(
        "run --suite {tmp}/x.toml", "x.toml' is not TOML", "too deeply", x__toml=DEEP_TOML
    ),
    "run: a suite of tables in tables": case(
        "run --suite {tmp}/x.toml", "x.toml' is not TOML", x__toml="x = " + "{a=" * DEEP + "1" + "}" * DEEP
    ),
    "run: a suite of 5,000 digits": case(
        "run --suite {tmp}/x.toml", "x.toml' is not TOML", "thousands of digits", x__toml=f"seeds = [{LONG}]\n"
    ),
    "run: a binary suite": case("run --suite {tmp}/x.toml", "x.toml' is not TOML", x__toml=BINARY),
    "run: a folder for a suite": case("run --suite {tmp}/data.toml", "no suite file at"),
    "run: no text for a suite": case("run --suite {tmp}/x.toml", "lacks 'models'", x__toml=""),
    "run: a seed of a suite that no generator takes": case(RUN, "seeds", suite=f"seeds = [{2**63}]\n"),
    "run: words for a number of steps": case(
        RUN, "max_steps", "'many'", "whole number", suite=f'{VARIANT}synthesis = {{max_steps = "many"}}\n'
    ),
    "run: half a step": case(RUN, "max_steps", "2.5", suite=f"{VARIANT}synthesis = {{max_steps = 2.5}}\n"),
    "run: true for a number": case(RUN, "step_size", "True", suite=f"{VARIANT}synthesis = {{step_size = true}}\n"),
    "run: no number": case(RUN, "threshold", "nan", suite=f"{VARIANT}synthesis = {{threshold = nan}}\n"),
    "run: no end of steps": case(RUN, "step_size", "inf", suite=f"{VARIANT}synthesis = {{step_size = inf}}\n"),
    "run: words for whether": case(RUN, "own_pixels", "'no'", suite=f'{VARIANT}synthesis = {{own_pixels = "no"}}\n'),
    "run: words of one class": case(
        RUN, "max_steps", suite=f'{VARIANT}by_class = {{red = {{max_steps = "many"}}}}\n'
    ),
    "run: descriptions that are deep": case(
        f"{RUN} --methods v",
        "descriptions",
        "too deeply",
        suite=f'{VARIANT}descriptions = {{"folder:warm" = "{{tmp}}/x.json"}}\n',
        x__json=DEEP_JSON,
    ),
    # run: presets
    "run: binary presets": case(f"{RUN} --presets {{tmp}}/x.toml", "x.toml' is not TOML", x__toml=BINARY),
    "run: presets that are deep": case(f"{RUN} --presets {{tmp}}/x.toml", "too deeply", x__toml=DEEP_TOML),
    "run: presets of 5,000 digits": case(
        f"{RUN} --presets {{tmp}}/x.toml", "digits", x__toml=f"[mine]\nx = {LONG}\n"
    ),
    "run: no presets": case(f"{RUN} --presets {{tmp}}/none.toml", "no presets at"),
    "run: a device for presets": case(f"{RUN} --presets /dev/null", "no presets at"),
    "run: presets without tables": case(f"{RUN} --presets {{tmp}}/x.toml", "must hold a table", x__toml="mine = 3\n"),
    "run: words for a preset's steps": case(
        f"{RUN} --presets {{tmp}}/x.toml", "max_steps", "'many'", x__toml='[synthesis]\nmax_steps = "many"\n'
    ),
    "run: a preset that shares a list": case(
        f"{RUN} --presets {{tmp}}/x.toml", "shares", x__toml="[mine]\nsame_as = [1]\n"
    ),
    "run: a preset from nowhere": case(
        f"{RUN} --presets {{tmp}}/x.toml", "preset source", x__toml="[mine]\nsource = [1]\n"
    ),
    "run: a number for hyperparameters": case(
        f"{RUN} --presets {{tmp}}/x.toml",
        "hyperparameters of 'mine'",
        x__toml='[mine]\nsource = "given"\nhyperparameters = 3\n',
    ),
    "run: a number for a front": case(
        f"{RUN} --curve --presets {{tmp}}/x.toml", "front of 'mine'", x__toml='[mine]\nsource = "given"\nfront = 3\n'
    ),
    "run: a front of nothing": case(
        f"{RUN} --curve --presets {{tmp}}/x.toml",
        "front of 'mine'",
        x__toml='[mine]\nsource = "given"\nfront = [{a = 1}]\n',
    ),
    "run: words about presets": case(
        f"{RUN} --presets {{tmp}}/x.toml", "must hold a table", x__toml='about = "me"\n'
    ),
    # run: models, methods, data
    "run: a folder for a method": case(f"{RUN} --methods {{tmp}}/folder.py:Mine", "no plug-in file at"),
    "run: a binary method": case(f"{RUN} --methods {{tmp}}/x.py:Mine", "does not import", x__py=BINARY),
    "run: a method that is deep": case(
        f"{RUN} --methods {{tmp}}/x.py:Mine", "does not import", x__py="x = " + "(" * 5000 + ")" * 5000
    ),
    "run: a method that ends the process": case(
        f"{RUN} --methods {{tmp}}/x.py:Mine", "does not import", x__py="import sys\nsys.exit(0)\n"
    ),
    "run: a method that is a number": case(f"{RUN} --methods {{tmp}}/x.py:Mine", "x.py:Mine", x__py="Mine = 3\n"),
    "run: captions that are deep": case(f"{RUN} --data captions:{{tmp}}/x.json", "x.json", x__json=DEEP_JSON),
    "run: binary captions": case(f"{RUN} --data captions:{{tmp}}/x.tsv", "x.tsv", x__tsv=BINARY),
    "run: no such folder of images": case(f"{RUN} --data folder:{{tmp}}/none", "none"),
    "run: a device for images": case(f"{RUN} --data folder:/dev/null", "/dev/null"),
    "run: a number of metrics": case(f"{RUN} --metrics 3", "unknown metric '3'"),
    "run: a precision of somebody": case(f"{RUN} --precision fp7", "unknown precision 'fp7'"),
    "run: a device to write into": case(
        "run --suite {suite} --methods {method} --jobs 1 --device cpu --out /dev/null", "output folder '/dev/null'"
    ),
    # the other commands
    "prepare: a suite that is deep": case("prepare --suite {tmp}/x.toml", "is not TOML", x__toml=DEEP_TOML),
    "prepare: an unknown model": case("prepare --model RN5 --dry-run", "unknown model 'RN5'"),
    "list: what is not listed": case("list everything", "unknown"),
    "leaderboard: nothing there": case("leaderboard {tmp}/none", "no records at"),
    "leaderboard: a device": case("leaderboard /dev/null", "holds no records"),
    "leaderboard: an empty CSV": case("leaderboard {tmp}/x.csv", "no table of records", x__csv=""),
    "leaderboard: a binary CSV": case("leaderboard {tmp}/x.csv", "can't be read", x__csv=BINARY),
    "leaderboard: NUL in a CSV": case("leaderboard {tmp}/x.csv", "x.csv", x__csv="a,b\0\n1,2\n"),
    "leaderboard: a CSV of other columns": case("leaderboard {tmp}/x.csv", "no column format", x__csv="a,b\n1,2\n"),
    "leaderboard: a folder to write into": case("leaderboard {run} --out {tmp}", "is a folder; name a file in it"),
    "leaderboard: no folder to write into": case("leaderboard {run} --out {tmp}/no/x.md", "no folder"),
    "leaderboard: a folder for records": case("leaderboard {run} --records {tmp}", "is a folder; name a file in it"),
    "leaderboard: a format of somebody": case("leaderboard {run} --format doc", "unknown format 'doc'"),
    "leaderboard: a baseline of somebody": case("leaderboard {run} --baseline me", "unknown baseline 'me'"),
    "leaderboard: a class of nobody": case("leaderboard {run} --classes a/b/c+d", "unknown forget set"),
    "drop: nothing said": case("drop {run}", "nothing says which records are to go"),
    "drop: nothing there": case("drop {tmp}/none --status failed", "no records at"),
    "drop: a device": case("drop /dev/null --status failed", "/dev/null"),
    "drop: a CSV": case("drop {csv} --status failed", "is a file, not a run's folder"),
    "drop: a seed of 5,000 digits": case(f"drop {{run}} --seeds {LONG}", "unknown seed"),
    "check: words for a tolerance": case("check {run} --against {csv} --tolerance others=many", "takes a number"),
    "check: no number for a tolerance": case("check {run} --against {csv} --tolerance others=nan", "0 or more"),
    "check: a tolerance of somebody": case("check {run} --against {csv} --tolerance mine=1", "unknown tolerance"),
    "check: a tolerance without a name": case("check {run} --against {csv} --tolerance 3", "name=value"),
    "check: a folder of nothing": case("check {run} --against {tmp}/data", "no run's folder"),
    "check: numbers that can't be": case(
        "check {run} --against {csv}", "is 57.0 after forgetting, over 1", records__csv="edited: 0.1 -> 57"
    ),
    "compare: nothing there": case("compare {tmp}/none", "no records at"),
    "compare: a suite for records": case("compare {suite}", "holds no records"),
    "check-model: an unknown model": case("check-model RN5", "unknown model 'RN5'"),
    "check-model: a device without memory": case("check-model {model} --device meta", "device 'meta' can't be used"),
    **{
        f"check-model: {name} in a model's folder": Case(
            command="check-model local-dir:{tmp}/m",
            says=("is not a configuration of open_clip", part),
            files={"m/open_clip_config.json": f'{{"model_cfg": {{}}, "preprocess_cfg": {said}}}'},
        )
        for name, said, part in (
            (
                "unknown interpolation",
                '{"interpolation": "quadratic"}',
                "interpolation is 'quadratic'; known: bicubic",
            ),
            ("a list for interpolation", '{"interpolation": ["bicubic"]}', "interpolation is ['bicubic']"),
            ("unknown resizing", '{"resize_mode": "longest"}', "resize_mode is 'longest'"),
            ("a huge mean", '{"mean": [%s, 0, 0]}' % ("9" * 400), "expected three numbers"),
            ("words for a mean", '{"mean": "abc"}', "mean is ['a', 'b', 'c']; expected three numbers"),
            ("no deviation", '{"std": [0, 1, 1]}', "std is [0, 1, 1]"),
            ("a deep configuration", DEEP_JSON, "too deeply"),
            ("a number of 5,000 digits", LONG, "thousands of digits"),
        )
    },
    "check-model: no folder": case("check-model local-dir:{tmp}/none", "none"),
    "tune: a device without memory": case(f"{TUNE} --device meta", "device 'meta' can't be used"),
    "tune: binary presets": case(f"{TUNE} --presets {{tmp}}/x.toml", "is not TOML", x__toml=BINARY),
    "tune: binary settings to go on from": case(f"{TUNE} --out {{tmp}}/x.toml", "is not TOML", x__toml=BINARY),
    "tune: words about settings": case(f"{TUNE} --out {{tmp}}/x.toml", "must hold a table", x__toml="about = 3\n"),
    "tune: a file in place of a folder": case(
        f"{TUNE} --out {{suite}}/x.toml",
        "preset folder",
        "can't be written",
        suite='[tuning]\n"folder:warm" = ["green", "blue"]\n"folder:cold" = ["yellow", "cyan"]\n'
        '[classes]\n"folder:warm" = ["red"]\n"folder:cold" = ["magenta"]\n',
    ),
    "tune: settings of a folder's name": case(f"{TUNE} --presets {{tmp}}/data.toml", "data.toml"),
    "tune: a class of nobody": case(f"{TUNE} --classes rde", "unknown class 'rde'"),
    "tune: no trials": case(f"{TUNE} --trials 0", "trials"),
    "tune: 5,000 digits of trials": case(f"{TUNE} --trials {LONG}", "trials"),
    "tune: nothing to tune": case(f"{TUNE} --methods {{method}}", "nothing to tune in"),
    "forget: a seed of 5,000 digits": case(f"{FORGET} --out {{tmp}}/new --seed {LONG}", "seed"),
    "forget: a seed that no generator takes": case(f"{FORGET} --out {{tmp}}/new --seed {2**63}", "seed"),
    "forget: a device without memory": case(
        f"{FORGET} --out {{tmp}}/new --device meta", "device 'meta' can't be used"
    ),
    "forget: a file to write into": case(f"{FORGET} --out {{suite}}", "is no empty folder"),
    "forget: a folder that is in use": case(f"{FORGET} --out {{tmp}}", "is no empty folder"),
    "forget: a device to write into": case(f"{FORGET} --out /dev/null", "is no empty folder"),
    "forget: weights of nowhere": case(f"{FORGET} --out {{tmp}}/new --from {{tmp}}/none.safetensors", "none"),
    "forget: binary weights": case(
        f"{FORGET} --out {{tmp}}/new --from {{tmp}}/x.safetensors", "x", x__safetensors=BINARY
    ),
    "forget: a class of nobody": case(f"{FORGET} --out {{tmp}}/new --classes rde", "unknown class 'rde'"),
    "forget: nothing": case(f"{FORGET} --out {{tmp}}/new".replace("red", ","), "class"),
    "forget: a template": case(f"{FORGET} --out {{tmp}}/new --template {{}}{{x}}", "template"),
}


def prepared(tmp_path: Path, of: Case) -> dict[str, str]:
    """What the words in braces stand for: a suite, a model, a method, a run's folder and its CSV, all sound."""
    suite, method = write_suite(tmp_path), write_method(tmp_path, "return clip")
    records = examples.sweep()
    for record in records:
        write_record(tmp_path / "run", record)
    write_csv(tmp_path / "records.csv", records)
    for name in ("folder.py", "data.toml"):
        (tmp_path / name).mkdir()
    for name, content in of.files.items():
        path = suite if name == "suite" else tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content.startswith("edited: "):
            old, new = content.removeprefix("edited: ").split(" -> ")
            path.write_text(path.read_text().replace(f",{old},", f",{new},"))
        else:
            path.write_text((path.read_text() if name == "suite" else "") + content.replace("{tmp}", str(tmp_path)))
    model = f"{tmp_path / 'colours_model.py'}:build"
    places = {"suite": suite, "method": method, "model": model, "tmp": tmp_path, "run": tmp_path / "run"}
    return {name: str(place) for name, place in places.items()} | {"csv": str(tmp_path / "records.csv")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_exit_code_2(name: str, call: Call, tmp_path: Path) -> None:
    of = CASES[name]
    words = of.command.split()
    for word, place in prepared(tmp_path, of).items():
        words = [item.replace(f"{{{word}}}", place) for item in words]
    said = call(*words)
    if "Usage: " in said.err:  # what typer finds out by itself, it says below how the command is used
        assert said.code == 2
        assert all(part in said.err for part in of.says)
        return
    is_one_error(said, *of.says)
    assert len(said.err) < 1500
