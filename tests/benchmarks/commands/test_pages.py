"""Pages from the command line: after a sweep, on their own, as a site; and what stands beside the records on them."""

import io
import json
import os
import time
import webbrowser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageStat

from tests.benchmarks.support import NOISE, Call, write_method, write_suite
from tests.leaderboards.examples import record, run
from unlearn_bench.benchmarks.commands import beside
from unlearn_bench.benchmarks.commands.beside import extras_of
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.presets.preset import merged
from unlearn_bench.leaderboards.brief.terminal import summary
from unlearn_bench.leaderboards.page.extras import place_of
from unlearn_bench.leaderboards.records.record import EvaluationSet, Record
from unlearn_bench.leaderboards.records.storage import read_folder


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it was asked to show."""
    note, program = tmp_path / "shown", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" >> "{note}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # it looks at the variable once in a process
    return note


def addresses(note: Path) -> list[str]:
    """What the browser was asked for: it is started in a process of its own."""
    end = time.monotonic() + 30
    while not note.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return note.read_text().split()


@pytest.mark.skipif(os.name == "nt", reason="the browser of this test is a shell script")
def test_a_sweep_leaves_a_page_and_opens_it_if_asked(sweep: Call, tmp_path: Path, shown: Path) -> None:
    said = sweep("--classes", "red")
    page = tmp_path / "out" / "leaderboard.html"
    text = page.read_text(encoding="utf-8")
    assert f"all of it to look at in {page}, all tables in " in said.out
    assert "colours, suite colours" in text
    assert 'id="method-mine"' in text
    assert said.out.startswith(f"{summary(read_folder(tmp_path / 'out').records)}\n\n")
    assert not shown.exists()
    assert sweep("--classes", "red", "--open").code == 0
    assert addresses(shown) == [page.resolve().as_uri()]


@pytest.mark.skipif(os.name == "nt", reason="the browser of this test is a shell script")
def test_a_page_and_a_site_of_a_run(sweep: Call, call: Call, tmp_path: Path, shown: Path) -> None:
    sweep("--classes", "red,green")
    out, page = tmp_path / "out", tmp_path / "board.html"
    assert call("leaderboard", out, "--format", "html", "--out", page, "--open").code == 0
    assert "<!doctype html>" in page.read_text(encoding="utf-8")
    assert call("leaderboard", out, "--format", "html", "--classes", "red").out.count("<h1><bdi>green") == 0
    said = call("site", out, "--out", tmp_path / "site")
    assert said.code == 0
    names = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.*")}
    assert {"index.html", "methods/mine.html", "assets/page.js"} < names
    assert f"wrote {len(names)} files; the first is {tmp_path / 'site' / 'index.html'}" in said.err
    assert sum(name.startswith("classes/") for name in names) == 2
    assert addresses(shown) == [page.resolve().as_uri()]


def test_what_can_t_be_opened_is_said_before_anything_is_written(sweep: Call, call: Call, tmp_path: Path) -> None:
    sweep("--classes", "red")
    said = call("leaderboard", tmp_path / "out", "--open")
    assert (said.code, said.out) == (2, "")
    assert "--open shows a page that was written to a file; give both --format html and --out FILE" in said.err
    assert call("site", tmp_path / "out", "--classes", "nobody", "--out", tmp_path / "site").code == 2
    assert not (tmp_path / "site").exists()


def digits(**changes: object) -> Record:
    """A record about an embedded dataset."""
    tested = EvaluationSet(name="mini-digits", version="1", split="test", template="{}")
    of = run(dataset="mini-digits", forget=("digit two",), evaluation=(tested,), **changes)
    return record(of)


def test_test_images_are_those_of_the_forget_set() -> None:
    found = extras_of([], [digits(), digits(seed=1)])
    (examples,) = found.examples.values()
    assert len(examples) == 6
    assert {example.of for example in examples} == {examples[0].of}
    places = [example.place for example in examples]
    assert places == sorted(set(places))
    assert places[-1] < examples[0].of
    assert len({example.image for example in examples}) == 6
    assert all(example.image.startswith(b"\x89PNG") for example in examples)


def test_test_images_come_from_the_cache_where_it_has_them(tmp_path: Path) -> None:
    of = digits()
    plain = extras_of([], [of]).examples[of.run.dataset, of.run.forget]
    folder, count = tmp_path / "cache" / "images", len(open_dataset("mini-digits").index("test"))
    folder.mkdir(parents=True)
    pixels = np.random.RandomState(0).randint(0, 256, (count + 3, 8, 8, 3)).astype(np.uint8)
    np.save(folder / "a.npy", pixels)
    (folder / "a.json").write_text(json.dumps({"content": "abc", "labels": [0] * count}))
    cached = replace(of, provenance={"content": {"mini-digits": "abc"}})
    found = extras_of([], [cached]).examples[of.run.dataset, of.run.forget]
    assert [example.place for example in found] == [example.place for example in plain]
    for example in found:
        with Image.open(io.BytesIO(example.image)) as picture:
            assert (pixels == np.asarray(picture)).all(axis=(1, 2, 3)).any()
    (folder / "a.json").write_text(json.dumps({"content": "abc", "labels": [0] * (count - 1)}))
    assert extras_of([], [cached]).examples == {(of.run.dataset, of.run.forget): plain}, "some were left out there"


def test_no_images_of_another_version_and_of_what_is_not_here() -> None:
    old = digits()
    (tested,) = old.run.evaluation
    other = replace(old, run=replace(old.run, evaluation=(replace(tested, version="0"),)))
    assert extras_of([], [other]).examples == {("mini-digits", ("digit two",)): ()}
    gone = record(run(dataset="folder:gone", evaluation=(replace(tested, name="folder:gone"),)))
    assert extras_of([], [gone]).examples == {("folder:gone", ("red cube",)): ()}


def test_histories_of_a_run_stand_beside_it(sweep: Call, tmp_path: Path) -> None:
    sweep("--classes", "red,green")
    records = read_folder(tmp_path / "out").records
    first = min(records, key=lambda item: (item.run.dataset, item.run.forget))
    path = tmp_path / "out" / "cells" / f"{first.run.key}.history.jsonl"
    path.write_text('{"step": 0, "loss": 2.0}\n{"step": 1, "loss": 1.0}\n')
    assert list(extras_of([tmp_path / "out"], records).histories) == [first.run.key]
    assert extras_of([tmp_path / "out.csv"], records).histories == {}


def test_what_retrieval_found_is_kept_beside_records_and_shown(call: Call, tmp_path: Path) -> None:
    suite, out = write_suite(tmp_path, metrics=("accuracy", "retrieval", "seconds")), tmp_path / "out"
    mine = write_method(tmp_path, NOISE)
    said = call("run", "--suite", suite, "--methods", mine, "--classes", "red", "--jobs", 1, "--out", out)
    assert said.code == 0, said
    (record,) = read_folder(out).records
    found = extras_of([out], [record])
    ((ranking,),) = found.rankings.values()
    assert (ranking.query, len(ranking.before), len(ranking.after)) == ("red", 5, 5)
    content = record.provenance["content"]
    images = (*ranking.before, *ranking.after)
    assert found.pictures.keys() == {(content[image.dataset], image.row) for image in images}
    text = (out / "leaderboard.html").read_text(encoding="utf-8")
    assert "test images that the words for <bdi>red</bdi> find first" in text
    assert text.count('class="pic"') == 10
    measured = record.find("retrieval", group="ift@5/target")
    assert measured is not None
    assert measured.before == sum(map(ranking.is_hit, ranking.before)) / 5 > 0
    (red,) = {picture for place, picture in found.pictures.items() if place == place_of(record, ranking.before[0])}
    with Image.open(io.BytesIO(red)) as picture:
        assert ImageStat.Stat(picture).mean[0] > 2 * ImageStat.Stat(picture).mean[1], "it is a picture of red"
    for path in (tmp_path / "cache" / "images").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:50])
    gone = extras_of([out], [record])
    assert (gone.pictures, gone.rankings) == ({}, found.rankings)
    assert extras_of([out], [replace(record, provenance={})]).pictures == {}
    assert measured.after == sum(map(ranking.is_hit, ranking.after)) / 5


def test_trials_are_those_of_the_settings_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets = tmp_path / "mini-rn.toml"
    presets.write_text(
        '[lip]\nsource = "tuned"\nscore = 0.1\nhyperparameters = { alpha = 2.0 }\n'
        "[[lip.front]]\nforgetting = 0.5\nretention = 0.9\nhyperparameters = { alpha = 1.0 }\n"
        "[[lip.front]]\nforgetting = 0.8\nretention = 0.7\nhyperparameters = { alpha = 2.0 }\n"
    )
    monkeypatch.setattr(beside, "presets_for", lambda model: merged(model, [presets]))
    tuned = replace(digits(), preset={"source": "tuned", "score": 0.1})
    (trials,) = extras_of([], [tuned]).trials.values()
    assert [(trial.forgetting, trial.retention, trial.chosen) for trial in trials] == [
        (0.5, 0.9, False),
        (0.8, 0.7, True),
    ]
    assert extras_of([], [replace(tuned, preset={"source": "tuned", "score": 0.2})]).trials == {}
    assert extras_of([], [replace(tuned, preset={"source": "default"})]).trials == {}
