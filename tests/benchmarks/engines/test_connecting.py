"""From what was asked for to an engine: what is wrong is said in one line, and what workers say decides."""

import json
import logging
import sys
from pathlib import Path

import pytest

from tests.benchmarks.engines.clusters import machines
from tests.benchmarks.support import Call, is_one_error, no_warning
from unlearn_bench.benchmarks.engines.engine import Asked
from unlearn_bench.benchmarks.engines.local import Local
from unlearn_bench.benchmarks.engines.opening import open_engine
from unlearn_bench.benchmarks.engines.workers import Found
from unlearn_bench.errors import InputError

connecting = pytest.importorskip(
    "unlearn_bench.benchmarks.engines.connecting", reason="Dask is not installed: the extra `dask`"
)


def found(machine: str = "node1", *, cores: tuple[int, ...] = (0, 1, 2, 3), gpus: int = 0, free: int = 8) -> Found:
    return Found(
        machine=machine,
        cores=cores,
        cpus=len(cores),
        gpus=gpus,
        gpu="NVIDIA H100" if gpus else "",
        cpu="cpu x86_64",
        free_bytes=free,
    )


def asked(**more: object) -> Asked:
    return Asked(backend="dask", scheduler="tcp://host:1", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backend", "dusk"], ["unknown backend 'dusk'; known: dask, loky; did you mean 'dask'?"]),
        (["--scheduler", "tcp://host:1"], ["--scheduler is for --backend dask", "'loky'; give both"]),
        (
            ["--backend", "dask", "--scheduler", "nowhere.json"],
            ["no scheduler file can be read at 'nowhere.json' (No such file", "give tcp://host:port, or the file"],
        ),
        (["--backend", "dask", "--scheduler", "broken.json"], ["'broken.json' is no scheduler file", "give tcp://"]),
        (["--backend", "dask", "--scheduler", "empty.json"], ["'empty.json' is no scheduler file", "give tcp://"]),
        (
            ["--backend", "dask", "--scheduler", "smoke://host:1"],
            ["no scheduler answers at smoke://host:1", "ValueError"],
        ),
        (
            ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:9"],
            ["no scheduler answers at tcp://127.0.0.1:9 within 1 s"],
        ),
        (
            ["--backend", "dask", "--scheduler", "stale.json"],
            ["no scheduler answers at tcp://127.0.0.1:9 within 1 s"],
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    sweep: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: list[str]
) -> None:
    monkeypatch.setattr(connecting, "_ANSWERS_WITHIN_S", 1.0)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "stale.json").write_text(json.dumps({"address": "tcp://127.0.0.1:9"}))
    is_one_error(sweep(*options), *said)
    assert not list((tmp_path / "out").iterdir())


def test_without_the_extra_it_says_what_to_install(sweep: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    is_one_error(sweep("--backend", "dask"), "--backend dask needs Dask", "pip install 'unlearn-bench[dask]'")
    is_one_error(sweep("--backend", "dask", "--dry-run"), "pip install 'unlearn-bench[dask]'")
    assert sweep("--limit", 1).code == 0  # nobody else needs it


def test_a_scheduler_without_workers_is_waited_for_so_long(sweep: Call, tmp_path: Path) -> None:
    with machines(tmp_path / "cluster", workers=0) as cluster:
        said = sweep("--backend", "dask", "--scheduler", cluster.file, "--wait", 0.5)
        is_one_error(said, "has had no workers for 0 s; start some with `dask worker tcp://", "a longer --wait")


def test_an_address_is_itself_or_in_a_file(tmp_path: Path) -> None:
    assert connecting.address_of("tls://host:8786") == "tls://host:8786"
    (tmp_path / "scheduler.json").write_text(json.dumps({"address": "tcp://10.0.0.1:8786", "id": "x"}))
    assert connecting.address_of(str(tmp_path / "scheduler.json")) == "tcp://10.0.0.1:8786"


def test_this_machine_needs_no_cluster_for_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in ("loky", "dask"):
        given = Asked(backend=backend, jobs=3, threads=2, device="cpu")
        with open_engine(given, folder=None, warn=no_warning) as engine:
            assert isinstance(engine, Local)
            assert (engine.conditions.jobs, engine.conditions.threads) == (3, 2)


@pytest.mark.parametrize(
    ("workers", "threads"),
    [
        ([found()], 4),
        ([found(), found()], 2),  # of one machine, with the same cores
        ([found(), found(cores=(4, 5, 6, 7))], 4),  # of one machine, each with its own
        ([found(), found("node2")], 4),
        ([found(), found("node2", cores=(0, 1))], 2),  # the same for all, so that numbers compare
        ([found(cores=(0,))] * 3, 1),
    ],
)
def test_threads_are_the_cores_that_a_worker_has_for_itself(workers: list[Found], threads: int) -> None:
    conditions, device = connecting._conditions(asked(), workers)
    assert (conditions.threads, conditions.device, device) == (threads, "cpu", "cpu x86_64")
    assert connecting._conditions(asked(threads=7), workers)[0].threads == 7


def test_more_workers_may_come_so_that_no_cell_is_sure_to_be_alone() -> None:
    assert connecting._conditions(asked(), [found()])[0].jobs == 2
    assert connecting._conditions(asked(), [found()] * 5)[0].jobs == 5
    assert connecting._conditions(asked(jobs=3), [found()] * 5)[0].jobs == 3


@pytest.mark.parametrize(
    ("wish", "gpus", "device"),
    [("auto", (0, 0), "cpu"), ("auto", (1, 4), "cuda"), ("cpu", (1, 0), "cpu"), ("cuda", (1, 1), "cuda")],
)
def test_the_device_is_the_workers(wish: str, gpus: tuple[int, ...], device: str) -> None:
    workers = [found(f"node{count}", gpus=count) for count in gpus]
    conditions, name = connecting._conditions(asked(device=wish), workers)
    assert (conditions.device, name) == (device, "NVIDIA H100" if device == "cuda" else "cpu x86_64")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("auto", r"some workers have a GPU and some have none \(node2\); stop one kind, or give --device cpu"),
        ("cuda", r"device 'cuda' is not on node2; give --device cpu or auto"),
    ],
)
def test_workers_with_and_without_a_gpu_are_not_mixed(wish: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        connecting._conditions(asked(device=wish), [found(gpus=1), found("node2")])


def test_machines_are_counted() -> None:
    told = connecting._machines([found("b", free=5), found("a", free=7), found("b", free=5)])
    assert [(item.name, item.workers, item.free_bytes) for item in told] == [("a", 1, 7), ("b", 2, 5)]


def test_dask_s_log_is_silent_and_then_as_it_was() -> None:
    part = logging.getLogger("distributed.client")
    before = part.level
    with connecting._silenced():
        assert not part.isEnabledFor(logging.CRITICAL)
    assert part.level == before
