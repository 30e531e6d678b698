"""A connection that breaks while a result is fetched: a moment that no test with real processes meets each time."""

from collections import deque
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.benchmarks.support import no_warning

pytest.importorskip("distributed", reason="Dask is not installed: the extra `dask`")

from distributed import Client, Future
from distributed.comm.core import CommClosedError

from unlearn_bench.benchmarks.engines.flight import Errand, Flight, Hand
from unlearn_bench.errors import InputError

ADDRESS = "tcp://127.0.0.1:1"


class Breaking:
    """A future of a task that is over, whose result breaks the connection so many times."""

    key, status = "task", "finished"

    def __init__(self, times: int) -> None:
        self.times, self.heard = times, 0

    def result(self, timeout: float) -> int:
        assert timeout > 0
        if self.times:
            self.times -= 1
            raise CommClosedError("Connection reset by peer")
        return 7

    def add_done_callback(self, tell: Callable[["Breaking"], None]) -> None:
        self.heard += 1
        tell(self)


class Gone:
    """A client that does not know yet that its scheduler is gone, and hears it when it asks."""

    status = "running"

    def nthreads(self, callback_timeout: float) -> dict[str, int]:
        raise CommClosedError(f"in <TCP (closed)>, waited {callback_timeout}")


def flight(client: object, future: Breaking) -> Flight:
    hand = Hand(address=ADDRESS, future=cast("Future[Any]", future), errand=Errand(item=1), fit=True)
    return Flight(
        client=cast("Client", client),
        scheduler="tcp://scheduler",
        run=lambda item: item,
        question="",
        waiting=deque(),
        most=0,
        wait_s=1.0,
        warn=no_warning,
        hands={ADDRESS: hand},
    )


def test_a_result_that_could_not_be_fetched_is_asked_for_again() -> None:
    future = Breaking(times=2)
    found = flight(Gone(), future)
    assert list(found._hear("task")) == []
    assert list(found._hear(found.ended.get(timeout=1))) == []
    assert list(found._hear(found.ended.get(timeout=1))) == [7]
    assert future.heard == 2
    assert found.hands[ADDRESS].errand is None


def test_a_scheduler_that_died_meanwhile_is_one_line() -> None:
    found = flight(Gone(), Breaking(times=99))
    found.ended.put("task")
    with pytest.raises(
        InputError, match="the scheduler tcp://scheduler does not answer any more; finished cells are"
    ):
        list(found.results())
    assert list(found._hear("task")) == [], "and it is no error of a file"
