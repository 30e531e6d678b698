"""CLIP's RN50 and ViT-B/16 at their real size, with random weights: every method on one class and a few images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.benchmarks.support import HERE, no_warning, write_colours
from tests.methods.support import History, moved_names, request, seen_first, synthetic
from tests.methods.test_lip import Plain
from unlearn_bench.benchmarks.referee.workbench import Workbench, open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.runner import sweep
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.leaderboards.tables.render import render
from unlearn_bench.methods.lip import Lip
from unlearn_bench.methods.shared.selective import may_move
from unlearn_bench.models.sources import open_model
from unlearn_bench.registry import catalogue
from unlearn_bench.seeding import generator

pytestmark = [pytest.mark.slow, pytest.mark.large]

MODELS = ("RN50-quickgelu:random", "ViT-B-16-quickgelu:random")

# What makes each method cheap: one pass over a few images.
QUICK = {
    "amns": {"epochs": 1, "batch_size": 16},
    "amns-retain": {"epochs": 1, "batch_size": 16},
    "clip-erase": {"epochs": 1},
    "emb": {"perturbations": 1, "max_epochs": 2},
    "emmn": {"epochs": 1, "batch_size": 16, "maximise_steps": 1, "minimise_steps": 1, "images_per_class": 1},
    "finetune-retain": {"epochs": 1, "batch_size": 16},
    "graddiff": {"epochs": 1},
    "gradient-ascent": {"epochs": 1},
    "identity": {},
    "lip": {"perturbations": 1, "max_epochs": 2},
    "random-weights": {},
    "lip-real": {"perturbations": 1, "max_epochs": 2},
    "null-space": {},
    "random-labels": {"epochs": 1},
    "negmerge": {"epochs": 1, "copies": 2},
    "salun": {"epochs": 1},
    "slug": {"search_steps": 1, "search_images": 1},
    "ssd": {},
    "task-negation": {"epochs": 1},
    "text-null-space": {},
    "text-space-adaptation": {"steps": 20, "trials": 1},
    "ulip": {"perturbations": 1, "epochs": 1},
}


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)


AUDITED = ("identity", "lip")
"""Audits look at a model, whoever made it: one that did not change is enough, and one of which both towers did."""

AUDITS = ("linear-probe", "paraphrases", "quantisation")
UNAUDITED = ("accuracy", "average-score", "share-changed", "retrieval", "seconds")


@pytest.fixture(scope="module", params=MODELS)
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Record]]:
    """A sweep of every method over one class of a folder of three, three images a class; some with all audits."""
    folder = tmp_path_factory.mktemp("large")
    data = write_colours(folder / "data" / "colours", count=5)
    lines = [
        f"models = [{json.dumps(request.param)}]",
        f"datasets = [{json.dumps(f'folder:{data}')}]",
        f"methods = {json.dumps([f'quick-{name}' for name in QUICK])}",
    ]
    settings = {"images_per_class": 2, "max_steps": 5, "max_attempts": 2, "threshold": 0.0, "threshold_floor": 0.0}
    for name, values in QUICK.items():
        lines += [f"[variants.quick-{name}]", f"method = {json.dumps(name)}", f"hyperparameters = {toml(values)}"]
        lines += [f"synthesis = {toml(settings)}"]
    (folder / "large.toml").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UNLEARN_BENCH_CACHE", str(folder / "cache"))
        suite = load_suite(str(folder / "large.toml"))
        (setting,) = settings_for(suite, Choice(), device="cpu", skip_bad=False)
        open_workbench.cache_clear()
        bench = open_workbench(setting)
        seen = _what_it_sees_in_noise(bench)
        audited = [f"quick-{name}" for name in AUDITED]
        for methods, metrics in (
            ([f"quick-{name}" for name in QUICK if name not in AUDITED], UNAUDITED),
            (audited, ("all", *AUDITS)),
        ):
            choice = Choice(classes=[seen], methods=methods, metrics=metrics)
            sweep(cells_for(suite, choice, bench), folder / "out", HERE, listener=lambda _: None, warn=no_warning)
        assert bench.is_untouched()
        yield {record.run.method: record for record in read_folder(folder / "out").records}
        open_workbench.cache_clear()


def _what_it_sees_in_noise(bench: Workbench) -> str:
    """The class that random weights prefer: images of it are made in a step, of another one perhaps never."""
    (item,) = bench.evaluated.values()
    noise = torch.rand(1, 3, 224, 224, generator=generator("noise"))
    with torch.no_grad():
        logits = bench.clip.logits(
            bench.clip.encode_images(bench.clip.normalise(noise)), bench.clip.embed_texts(item.dataset.texts)
        )
    return item.dataset.class_names[int(logits.argmax())]


def test_every_method_is_tried() -> None:
    assert {*QUICK, "retrain"} == set(catalogue("methods"))  # nobody trains these from scratch here


def test_every_method_ends_well_and_is_measured(records: dict[str, Record]) -> None:
    assert {name: (record.status, record.reason) for name, record in records.items()} == dict.fromkeys(
        QUICK, ("ok", "")
    )
    for record in records.values():
        found = {item.group: item for item in record.measurements if item.metric == "accuracy"}
        assert set(found) == {"target", "other"}
        assert all(0 <= (item.after or 0.0) <= 1 for item in found.values())


def test_every_audit_says_something_at_this_size(records: dict[str, Record]) -> None:
    for name in QUICK:
        found = {item.metric for item in records[name].measurements}
        assert (set(AUDITS) <= found) == (name in AUDITED), sorted(found)


def test_what_moves(records: dict[str, Record]) -> None:
    """Shares of the parameters: nothing for the reference, a part for the selective methods, most for the others."""
    shares = {}
    for name, record in records.items():
        found = record.find("share-changed", group="all") or record.find("share-changed")
        assert found is not None
        shares[name] = found.after
    assert shares["identity"] == 0
    for name in ("amns", "amns-retain", "finetune-retain", "emmn"):
        assert shares[name] is not None
        assert (shares[name] or 0) > 0.5, name
    assert 0 < (shares["salun"] or 0) < (shares["amns-retain"] or 0)
    assert 0 < (shares["ulip"] or 0) < 0.9  # the image tower alone
    for name in ("null-space", "text-null-space", "text-space-adaptation"):
        assert 0 < (shares[name] or 0) < 0.05, name  # one projection


def test_the_leaderboard_can_be_made(records: dict[str, Record]) -> None:
    text = render(records.values(), fmt="md")
    assert all(f"quick-{name}" in text for name in QUICK)


def test_lip_on_resnet_50_is_the_plain_loop() -> None:
    """Losses, layers, taking back and stop against the algorithm written out; weights random, two images."""
    counts: dict[str, Any] = {"image_counts": (5, 7, 10), "text_counts": (5, 7, 12)}
    lip = Lip(perturbations=2, learning_rate=2e-3, max_epochs=3, sigmas=(0.1, 0.3, 0.5), **counts)
    ours, theirs = open_model(MODELS[0]), open_model(MODELS[0])
    weights = [item for item in ours.weights() if may_move(item.place)]
    image = [item.name for item in weights if item.place.tower == "image"]
    text = [item.name for item in weights if item.place.tower == "text"]
    assert (len(image), len(text)) == (8, 144)
    assert all(name.startswith("visual.attnpool.") for name in image)
    unit = torch.rand(2, 3, 224, 224, generator=generator("large"))
    names = seen_first(ours, unit, ["cat", "dog", "car"])
    history = History()
    before = {name: value.clone() for name, value in ours.state().items()}
    lip.unlearn(ours, request(names[:1], names[1:], made=synthetic(unit), history=history))
    plain = Plain(lip=lip, image=image, text=text, image_counts=[5, 7, 10], text_counts=list(counts["text_counts"]))
    plain.run(theirs, request(names[:1], names[1:], made=synthetic(unit)))
    assert history.column("loss") == pytest.approx(plain.losses, rel=1e-4)
    assert history.column("synthetic_accuracy") == pytest.approx(plain.accuracies)
    moved = moved_names(before, ours)
    assert moved == moved_names(before, theirs)
    assert moved <= set(image) | set(text)
    for name in moved:
        # Adam divides a tiny slope by itself, so rounding may show as a part of the learning rate.
        torch.testing.assert_close(ours.state()[name], theirs.state()[name], rtol=1e-3, atol=5e-4)


def test_pictures_of_any_size_are_prepared_at_the_models(tmp_path: Path) -> None:
    clip = open_model(MODELS[0])
    data = write_colours(tmp_path / "data")
    with Image.open(data / "red" / "000.png") as image:
        assert clip.prepare(image).shape == (224, 224, 3)
