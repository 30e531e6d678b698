"""From what the user asked for to an engine on a Dask cluster: finding its scheduler and looking at its workers."""

import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client, LocalCluster
from distributed.versions import VersionMismatchWarning

from unlearn_bench.benchmarks.engines.cluster import Cluster
from unlearn_bench.benchmarks.engines.engine import Asked, Machine
from unlearn_bench.benchmarks.engines.flight import addresses, asking, misfit, no_workers
from unlearn_bench.benchmarks.engines.workers import Expected, Found, Raised, Unfit, expecting, in_short, question
from unlearn_bench.benchmarks.referee.conditions import Conditions, choose_device, conditions_for, current_commit
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError

_ANSWERS_WITHIN_S = 10.0
_CLOSES_WITHIN_S = 10.0
_POLL_S = 0.2
_SILENT = logging.CRITICAL + 1

_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Run by workers of our own: a Ctrl-C in the terminal is for this process, which then ends them."""

_LOOKED_AT_WITHIN_S = 90.0
"""So long, or as long as for workers, is waited for them to say what they are; who is busy is asked again later."""


@contextmanager
def cluster(asked: Asked, *, folder: Path | None, warn: Callable[[str], None]) -> Iterator[Cluster]:
    """An engine on the workers of the scheduler that was asked for, or of one of its own on this machine.

    Args:
        folder: of the records, which all workers must see; None where nothing is going to be written.

    Raises:
        InputError: the scheduler doesn't answer, has no workers for too long, or has some that don't fit.
    """
    with ExitStack() as stack:
        stack.enter_context(_silenced())
        client, name = stack.enter_context(_own(asked) if asked.scheduler is None else _reached(asked.scheduler))
        _wait_for_workers(client, name, asked.wait_s)
        with expecting(folder) as expected:
            found = _looked_at(client, name, expected, within_s=max(_LOOKED_AT_WITHIN_S, asked.wait_s))
        conditions, device_name = _conditions(asked, found)
        yield Cluster(
            client=client,
            scheduler=name,
            conditions=conditions,
            planning_device=_planning_device(asked),
            device_name=device_name,
            machines=_machines(found),
            most=asked.jobs,
            wait_s=asked.wait_s,
            warn=warn,
        )


def address_of(scheduler: str) -> str:
    """The address in `--scheduler`: itself, or what the scheduler wrote into the file of that name.

    Raises:
        InputError: there is no such file, or no address in it.
    """
    if "://" in scheduler:
        return scheduler
    path = Path(scheduler)
    hint = "give tcp://host:port, or the file that `dask scheduler --scheduler-file` wrote"
    try:
        found = parse_json(path.read_text(encoding="utf-8"))["address"]
    except OSError as error:
        raise InputError(f"no scheduler file can be read at {scheduler!r} ({error.strerror}); {hint}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{scheduler!r} is no scheduler file, there is no address in it; {hint}") from error
    return str(found)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Dask's own log off the screen: what matters of it is said in one line, by whoever meets it."""
    names = [name for name in ("distributed", *logging.root.manager.loggerDict) if name.startswith("distributed")]
    before = {name: logging.getLogger(name).level for name in names}  # Dask sets that of some parts by themselves
    for name in names:
        logging.getLogger(name).setLevel(_SILENT)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _reached(scheduler: str) -> Iterator[tuple[Client, str]]:
    """A client of a running scheduler, and its address."""
    address = address_of(scheduler)
    try:
        with warnings.catch_warnings(action="ignore", category=VersionMismatchWarning):  # `look` says what matters
            client = Client(address, timeout=_ANSWERS_WITHIN_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"no scheduler answers at {address} within {_ANSWERS_WITHIN_S:.0f} s ({in_short(error)}); see that it "
            "runs and can be reached from here, or give another --scheduler"
        ) from error
    try:
        yield client, address
    finally:
        client.close(timeout=_CLOSES_WITHIN_S)


@contextmanager
def _own(asked: Asked) -> Iterator[tuple[Client, str]]:
    """A scheduler in this process, and worker processes beside it; one that dies is replaced."""
    jobs = conditions_for(choose_device(asked.device), asked.jobs, asked.threads).jobs
    with (
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            memory_limit=None,  # a process that grows is not ended: that is torch's allocator
            dashboard_address=":0",
            silence_logs=_SILENT,
            preload=_DEAF,
        ) as own,
        Client(own, set_as_default=False) as client,
    ):
        yield client, str(own.scheduler_address)


def _wait_for_workers(client: Client, name: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not addresses(client, name):
        if time.monotonic() > end:
            raise InputError(no_workers(name, seconds))
        time.sleep(_POLL_S)


def _looked_at(client: Client, name: str, expected: Expected, *, within_s: float) -> list[Found]:
    """What each worker is.

    Raises:
        InputError: one doesn't fit, or none says anything.
    """
    with asking(name):
        asked = {
            address: client.submit(eval, question(expected), workers=[address], pure=False)
            for address in addresses(client, name)
        }
    end = time.monotonic() + within_s
    while time.monotonic() < end and any(
        not asked[address].done() for address in addresses(client, name) & asked.keys()
    ):
        time.sleep(_POLL_S)
    found = []
    for address, future in sorted(asked.items()):
        if future.status == "error":
            said = Raised(said=in_short(future.exception() or Exception()), by_task=False)
            raise InputError(f"worker {address}: {misfit(said)}")
        with asking(name):
            answer = future.result(timeout=_ANSWERS_WITHIN_S) if future.status == "finished" else None
        if isinstance(answer, Unfit):
            raise InputError(f"worker {address}: {misfit(answer)}")
        if answer is not None:
            found.append(answer)
    if not found:
        raise InputError(
            f"none of the {len(asked)} workers of {name} said anything within {within_s:.0f} s: they are busy with "
            "other work, or gone; try again later, or give a longer --wait"
        )
    return found


def _conditions(asked: Asked, found: Sequence[Found]) -> tuple[Conditions, str]:
    """Under what cells run on these workers, and the name of their device.

    Raises:
        InputError: they differ in whether they have a GPU, or lack the one that is asked for.
    """
    if asked.scheduler is None:
        conditions = conditions_for(choose_device(asked.device), asked.jobs, asked.threads)
        device = conditions.device
    else:
        device = _device(asked.device, found)
        share = Counter((item.machine, item.cores) for item in found)
        threads = min(item.cpus // share[item.machine, item.cores] for item in found)
        conditions = Conditions(
            device=device,
            jobs=max(2, asked.jobs or len(found)),  # more may come, so that no cell is sure to be alone
            threads=asked.threads or max(1, threads),
            commit=current_commit(),
        )
    return conditions, found[0].gpu if device.startswith("cuda") else found[0].cpu


def _device(wish: str, found: Sequence[Found]) -> str:
    without = [item.machine for item in found if not item.gpus]
    if wish == "auto" and without and len(without) < len(found):
        raise InputError(
            f"some workers have a GPU and some have none ({', '.join(sorted(set(without)))}); stop one kind, or give "
            "--device cpu"
        )
    if wish.startswith("cuda") and without:
        raise InputError(f"device {wish!r} is not on {', '.join(sorted(set(without)))}; give --device cpu or auto")
    if wish == "auto":
        return "cpu" if without else "cuda"
    return wish


def _planning_device(asked: Asked) -> str:
    """Where this process opens models: it may lack the GPUs that workers have."""
    if asked.scheduler is None or asked.device == "cpu":
        return choose_device(asked.device)
    return choose_device("auto")


def _machines(found: Sequence[Found]) -> tuple[Machine, ...]:
    free = {item.machine: item.free_bytes for item in found}
    counts = Counter(item.machine for item in found)
    return tuple(Machine(name=name, workers=counts[name], free_bytes=free[name]) for name in sorted(counts))
