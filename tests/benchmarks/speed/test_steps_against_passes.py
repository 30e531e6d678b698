"""A method's passes through the towers are noted where it plays, and timed alone on the same shapes."""

import math

import torch

from tests.core import tiny
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.speed.steps_against_passes import Pass, Passes, Share, measure, table
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.models.open_clip_model import OpenClip


def test_passes_are_noted_by_shape_stages_and_what_they_train() -> None:
    clip, passes = tiny.resnet(), Passes()
    run, encode = OpenClip.run_image_stages, OpenClip.encode_texts
    size = clip.image_size
    with passes.noted():
        with torch.no_grad():
            inner = clip.run_image_stages(torch.rand(2, 3, size, size), stop=1)
            clip.run_image_stages(inner, start=1)
        name = next(w.name for w in clip.weights() if w.place.stage == clip.image_stages[-1])
        clip.train_only([name])
        clip.encode_images(torch.rand(3, 3, size, size)).sum().backward()  # type: ignore[no-untyped-call]
        clip.embed_texts(["a", "b"])
    assert (OpenClip.run_image_stages, OpenClip.encode_texts) == (run, encode)
    shapes = [(kind.stages, kind.shape[0], kind.moving, count) for kind, count in passes.counts.items()]
    assert shapes == [((0, 1), 2, (), 1), ((1, None), 2, (), 1), ((0, None), 3, (name,), 1), (None, 2, (), 1)]
    assert passes.seconds(clip) > 0


def test_a_method_of_the_suite_is_watched_where_it_plays() -> None:
    suite = load_suite("mini")
    choice = Choice(methods=["gradient-ascent"], models=["mini-rn"])
    (setting,) = settings_for(suite, choice, device="cpu", skip_bad=False)
    bench = open_workbench(setting)
    found = measure(cells_for(suite, choice, bench)[0], bench)
    assert found.method == "gradient-ascent"
    assert 0.2 < found.share < 1.3, "its passes are most of what it does"


def test_the_least_share_comes_first() -> None:
    rows = table(
        [Share(method="a", seconds=2.0, passes=1.8), Share(method="b", seconds=2.0, passes=1.0)]
    ).splitlines()
    assert [line.split() for line in rows[-2:]] == [["b", "2.00", "1.00", "0.50"], ["a", "2.00", "1.80", "0.90"]]
    assert math.isnan(Share(method="none", seconds=0.0, passes=0.0).share)


def test_a_pass_without_a_graph_trains_nothing() -> None:
    clip, passes = tiny.transformer(), Passes()
    clip.train_only([w.name for w in clip.weights()])
    with passes.noted(), torch.no_grad():
        clip.embed_texts(["a"])
    (kind,) = passes.counts
    assert isinstance(kind, Pass)
    assert kind.moving == ()
    assert not kind.inward
