"""The referee never trusts the player: what a method may see, what it may change, and how its failures are told."""

import json
from pathlib import Path

import pytest
import torch

from tests.benchmarks.support import COLD, CONDITIONS, NOISE, WARM, bench_of, plan, write_method, write_suite
from unlearn_bench.benchmarks.referee.referee import Outcome, run_cell
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import Suite, load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.synthesis.settings import UNTUNED

BAD = {
    "raises": ("raise ValueError('no such layer')", "ValueError: no such layer (method_bad.py:"),
    "raises-nothing-said": ("raise KeyError", "KeyError: no message (method_bad.py:"),
    "assertion": ("assert False, 'two\\nlines'", "AssertionError: two (method_bad.py:"),
    "no-memory": ("raise MemoryError", "out of memory: MemoryError"),
    "allocates-too-much": ("torch.empty(2**60)", "RuntimeError: [enforce fail"),
    "exits": ("sys.exit(3)", "SystemExit: 3 (method_bad.py:"),
    "not-finite": (
        "clip.module.text[2].weight.data[0, 0] = float('nan'); return clip",
        "'text.2.weight' came back with values that are not finite",
    ),
    "infinite": (
        "clip.module.text[2].weight.data.fill_(float('inf')); return clip",
        "'text.2.weight' came back with values that are not finite",
    ),
    "other-shape": (
        "clip.module.text[2] = torch.nn.Linear(3, 4, bias=False); return clip",
        "'text.2.weight' came back as (4, 3), not (3, 3)",
    ),
    "adapter": (
        "clip.module.text.add_module('adapter', torch.nn.Linear(3, 3)); return clip",
        "adds ['text.adapter.bias', 'text.adapter.weight']; merge adapters first",
    ),
    "returns-nothing": ("pass", "unlearn returned a NoneType; it must return the clip"),
    "returns-a-module": ("return clip.module", "unlearn returned a ModuleDict"),
    "assigns-to-request": ("request.forget = ()", "FrozenInstanceError"),
    "reports-a-tensor": ("request.report(1, loss=torch.ones(2)); return clip", "report was given more than numbers"),
}


def outcome_of(suite_file: Path, tmp_path: Path, body: str, *, access: str = "not-ZS", name: str = "bad") -> Outcome:
    (cell,) = plan(suite_file, [write_method(tmp_path, body, name=name, access=access)], classes=["red"])
    return run_cell(cell, open_workbench(cell.setting), CONDITIONS)


@pytest.mark.parametrize("case", BAD)
def test_bad_method_fails_its_cell_with_a_reason(case: str, suite_file: Path, suite: Suite, tmp_path: Path) -> None:
    body, reason = BAD[case]
    stream = torch.random.get_rng_state()
    outcome = outcome_of(suite_file, tmp_path, body)
    assert outcome.record.status == "failed"
    assert reason in outcome.record.reason
    assert "\n" not in outcome.record.reason
    assert outcome.record.measurements == ()
    bench = bench_of(suite)
    assert bench.is_untouched()
    assert bench.fingerprint == bench.clip.fingerprint()
    assert torch.equal(stream, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "edit",
    [
        "request.forget_examples.pixels.zero_()",
        "request.retain_examples.labels.add_(1)",
        "object.__setattr__(request, 'forget', ())",
    ],
)
def test_what_a_method_edits_is_its_own(edit: str, suite_file: Path, tmp_path: Path) -> None:
    honest = outcome_of(suite_file, tmp_path, "return clip", name="honest").record.measurements
    edited = outcome_of(suite_file, tmp_path, f"{edit}; return clip")
    assert edited.record.status == "ok"
    again = outcome_of(suite_file, tmp_path, "return clip", name="honest").record.measurements
    accuracies = [[item.after for item in found if item.metric == "accuracy"] for found in (honest, again)]
    assert accuracies[0] == accuracies[1] == [1.0, 1.0, 1.0]


REACH = """
import gc
from unlearn_bench.clip import Clip
with torch.no_grad():
    [p.add_(1) for c in gc.get_objects() if isinstance(c, Clip) for p in c.module.parameters()]
"""


def test_the_original_is_out_of_a_method_s_reach(suite_file: Path, suite: Suite, tmp_path: Path) -> None:
    reaching = outcome_of(suite_file, tmp_path, f"{REACH}raise ValueError('later')")
    assert (reaching.record.status, reaching.record.reason[:17]) == ("failed", "ValueError: later")
    assert bench_of(suite).is_untouched()
    honest = outcome_of(suite_file, tmp_path, "return clip", name="honest")
    assert [item.after for item in honest.record.measurements if item.metric == "accuracy"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("'needs a projection'", "skipped", "needs a projection"),
        ("None", "ok", ""),
        ("''", "failed", "skip returned ''; give None or a reason"),
        ("True", "failed", "skip returned True; give None or a reason"),
    ],
)
def test_skip(answer: str, status: str, reason: str, suite_file: Path, tmp_path: Path) -> None:
    path = Path(write_method(tmp_path, "return clip", name="bad").rpartition(":")[0])
    path.write_text(path.read_text() + f"\n    def skip(self, clip, request):\n        return {answer}\n")
    (cell,) = plan(suite_file, [f"{path}:Mine"], classes=["red"])
    record = run_cell(cell, open_workbench(cell.setting), CONDITIONS).record
    assert (record.status, record.reason) == (status, reason)
    assert bool(record.measurements) == (status == "ok")


def test_doing_nothing_changes_no_number(suite_file: Path, tmp_path: Path) -> None:
    outcome = outcome_of(suite_file, tmp_path, "return clip", name="nothing")
    found = {(m.dataset, m.group): m for m in outcome.record.measurements if m.metric == "accuracy"}
    assert set(found) == {("folder:warm", "target"), ("folder:warm", "other"), ("folder:cold", "all")}
    for item in found.values():
        assert item.before == item.after == 1.0
    assert [found[key].n for key in sorted(found)] == [12, 8, 4]  # 4 test images a class


def test_forgetting_is_measured_and_the_original_kept(suite_file: Path, suite: Suite, tmp_path: Path) -> None:
    body = "clip.module.text[0].weight.data[clip.tokenize([c.text for c in request.forget])] *= -1; return clip"
    outcome = outcome_of(suite_file, tmp_path, body, name="turns")
    target = outcome.record.find("accuracy", group="target")
    others = outcome.record.find("accuracy", dataset="folder:cold", group="all")
    assert target is not None
    assert others is not None
    assert (target.before, target.after) == (1.0, 0.0)
    assert (others.before, others.after) == (1.0, 1.0)
    assert bench_of(suite).is_untouched()


def test_only_tensors_count(suite_file: Path, tmp_path: Path) -> None:
    """A hook that filters prompts forgets nothing that the referee sees."""
    body = "clip.module.text.register_forward_hook(lambda m, i, out: -out); clip.name = 'won'; return clip"
    record = outcome_of(suite_file, tmp_path, body, name="hook").record
    target = record.find("accuracy", group="target")
    assert target is not None
    assert target.after == 1.0


LOOK = """
import json
def told(examples):
    if examples is None:
        return None
    mean = examples.pixels.float().mean((1, 2)) / 255
    return {"n": len(examples), "labels": examples.labels.tolist(), "texts": sorted(set(examples.texts)),
            "mean": mean.tolist(), "shape": list(examples.pixels.shape)}
request.report(0, seen=json.dumps({
    "forget": [c.name for c in request.forget], "retain": [c.text for c in request.retain],
    "forget_examples": told(request.forget_examples), "retain_examples": told(request.retain_examples)}))
return clip
"""


def seen_by(suite_file: Path, tmp_path: Path, access: str) -> dict[str, object]:
    outcome = outcome_of(suite_file, tmp_path, LOOK, access=access, name=f"look-{access.lower()}")
    assert outcome.record.status == "ok", outcome.record.reason
    found: dict[str, object] = json.loads(str(outcome.history[0]["seen"]))
    return found


def test_zero_shot_sees_names_only(suite_file: Path, tmp_path: Path) -> None:
    seen = seen_by(suite_file, tmp_path, "ZS")
    assert seen["forget"] == ["red"]
    assert seen["retain"] == ["a photo of a blue.", "a photo of a green."]
    assert seen["forget_examples"] is None
    assert seen["retain_examples"] is None


def test_semi_zero_shot_sees_the_forget_images_only(suite_file: Path, tmp_path: Path) -> None:
    seen = seen_by(suite_file, tmp_path, "semi-ZS")
    given = seen["forget_examples"]
    assert isinstance(given, dict)
    assert given["n"] == 4
    assert given["labels"] == [0] * 4
    assert given["texts"] == ["a photo of a red."]
    assert given["shape"] == [4, 8, 8, 3]
    assert all(red > 0.7 and green < 0.3 for red, green, _ in given["mean"])
    assert seen["retain_examples"] is None


def test_examples_come_from_the_train_split_of_the_own_dataset(tmp_path: Path) -> None:
    """Test pictures are painted black: no method sees one, and nothing of the other dataset is handed out."""
    path = write_suite(tmp_path)
    suite = load_suite(str(path))
    warm = bench_of(suite).evaluated["folder:warm"].dataset
    for name in warm.index("test").names:
        picture = warm.picture("test", 0)
        picture.paste((0, 0, 0), (0, 0, *picture.size))
        picture.save(tmp_path / "data" / "warm" / name)
    open_workbench.cache_clear()
    seen = seen_by(path, tmp_path, "not-ZS")
    forget, retain = seen["forget_examples"], seen["retain_examples"]
    assert isinstance(forget, dict)
    assert isinstance(retain, dict)
    assert (forget["n"], retain["n"]) == (4, 8)
    assert sorted(retain["labels"]) == [1] * 4 + [2] * 4
    assert retain["texts"] == ["a photo of a blue.", "a photo of a green."]
    assert min(max(mean) for mean in forget["mean"] + retain["mean"]) > 0.7
    blue = [mean for mean, label in zip(retain["mean"], retain["labels"], strict=True) if label == 1]
    assert all(mean[2] > 0.7 for mean in blue)


def test_domains_are_handed_out(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    for name in WARM:
        for domain in ("photo", "sketch"):
            target = tmp_path / "data" / "domains" / domain / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(tmp_path / "data" / "warm" / name)
    text = path.read_text().replace(f"{tmp_path}/data/warm", f"{tmp_path}/data/domains")
    path.write_text(text)
    body = "request.report(0, domains=','.join(request.forget_examples.domains)); return clip"
    outcome = outcome_of(path, tmp_path, body, name="domains")
    assert outcome.history == ({"step": 0, "domains": ",".join(["photo"] * 4 + ["sketch"] * 4)},)


def test_global_randomness_repeats_and_leaks_nothing(suite_file: Path, tmp_path: Path) -> None:
    body = """
    import random
    import numpy
    request.report(0, drawn=float(torch.rand(())), array=float(numpy.random.rand()), plain=random.random())
    torch.set_grad_enabled(False)
    return clip
    """
    torch.manual_seed(1)
    first = outcome_of(suite_file, tmp_path, body, name="draws")
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    assert torch.is_grad_enabled()
    torch.manual_seed(2)
    assert outcome_of(suite_file, tmp_path, body, name="draws").history == first.history


def test_generator_depends_on_seed_task_and_purpose_not_on_the_key(suite_file: Path, tmp_path: Path) -> None:
    body = """
    for purpose in ("a", "a", "b"):
        request.report(0, drawn=float(torch.rand((), generator=request.generator(purpose))))
    return clip
    """
    drawn = {}
    for name in ("one", "two"):
        spec = write_method(tmp_path, body, name=name)
        for cell in plan(suite_file, [spec], classes=["red", "blue"], seeds=[0, 1]):
            outcome = run_cell(cell, open_workbench(cell.setting), CONDITIONS)
            drawn[name, cell.run.forget, cell.run.seed] = [line["drawn"] for line in outcome.history]
    first, again, other = drawn["one", ("red",), 0]
    assert first == again != other
    assert all(drawn["two", forget, seed] == drawn["one", forget, seed] for _, forget, seed in drawn)
    assert len({values[0] for values in drawn.values()}) == 4


def test_failed_cells_keep_their_history(suite_file: Path, tmp_path: Path) -> None:
    outcome = outcome_of(suite_file, tmp_path, "request.report(1, loss=0.5); raise ValueError('late')")
    assert outcome.history == ({"step": 1, "loss": 0.5},)


def test_synthetic_images_are_copies_and_timed_apart(suite_file: Path, tmp_path: Path) -> None:
    body = (
        "made = request.synthesize(); made.unit.zero_(); request.report(0, top=float(made.unit.max())); return clip"
    )
    path = write_suite(tmp_path, metrics=("seconds", "verification-gap"))
    outcome = outcome_of(path, tmp_path, body, name="spoils")
    assert outcome.record.status == "ok", outcome.record.reason
    again = outcome_of(
        path, tmp_path, "request.report(0, top=float(request.synthesize().unit.max())); return clip", name="uses"
    )
    assert outcome.history[0]["top"] == 0.0
    assert again.history[0]["top"] == 1.0
    first, second = (
        [record.find("seconds", group=group) for group in ("synthesis", "method")]
        for record in (outcome.record, again.record)
    )
    assert first[0] is not None
    assert second[0] is not None
    assert second[0].after == pytest.approx(first[0].after)  # what making them took, whoever made them
    assert outcome.record.provenance["synthetic"]["images"] == UNTUNED.images_per_class
    assert 0.7 <= outcome.record.provenance["synthetic"]["mean_probability"] <= 1


def test_all_metrics_and_multi_class(tmp_path: Path) -> None:
    path = write_suite(tmp_path, metrics=("all",))
    (cell,) = plan(path, [write_method(tmp_path, NOISE, name="noise")], classes=["red+blue"])
    outcome = run_cell(cell, open_workbench(cell.setting), CONDITIONS)
    assert outcome.record.status == "ok", outcome.record.reason
    assert outcome.record.run.forget == ("red", "blue")
    assert {item.metric for item in outcome.record.measurements} >= {"accuracy", "average-score", "share-changed"}
    changed = outcome.record.find("share-changed")
    assert changed is not None
    assert changed.after is not None
    assert 0 < changed.after < 1
    assert outcome.history == ({"step": 1, "sigma": 0.5},)
    assert set(outcome.record.provenance["content"]) == {"folder:warm", "folder:cold"}
    assert 0 <= outcome.record.provenance["cpu_share"] < 1.5  # of one thread; the clock of CPU time has its ticks
    if "others_cpu_share" in outcome.record.provenance:
        assert 0 <= outcome.record.provenance["others_cpu_share"] <= 1
    assert set(COLD) == set(bench_of(load_suite(str(path))).evaluated["folder:cold"].dataset.class_names)


def test_half_precision_is_recorded_with_its_agreement(suite: Suite, tmp_path: Path) -> None:
    """Colours are far apart: eight bits of mantissa tell them apart too."""
    spec = write_method(tmp_path, NOISE)
    for precision, expected in (("bf16", {"folder:warm": 1.0, "folder:cold": 1.0}), (None, None)):
        choice = Choice(methods=[spec], classes=["red"], precision=precision)
        (setting,) = settings_for(suite, choice, device="cpu", skip_bad=False)
        bench = open_workbench(setting)
        (cell,) = cells_for(suite, choice, bench)
        record = run_cell(cell, bench, CONDITIONS).record
        assert record.status == "ok", record.reason
        assert record.provenance.get("agreement") == expected


def test_a_method_edited_after_the_plan_fails_its_cell(suite_file: Path, tmp_path: Path) -> None:
    """Its record would carry the hash of another file."""
    (cell,) = plan(suite_file, [write_method(tmp_path, "return clip")], classes=["red"])
    write_method(tmp_path, "return clip  # changed")
    record = run_cell(cell, open_workbench(cell.setting), CONDITIONS).record
    assert (record.status, record.measurements) == ("failed", ())
    assert "edited after the sweep was planned; run again" in record.reason


def test_gradients_are_on_for_methods(suite_file: Path, tmp_path: Path) -> None:
    with torch.no_grad():
        outcome = outcome_of(
            suite_file, tmp_path, "request.report(0, on=int(torch.is_grad_enabled())); return clip", name="grad"
        )
    assert outcome.history == ({"step": 0, "on": 1},)
