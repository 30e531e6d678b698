"""Tasks on their way through a cluster: which worker has which, what came back, and what has to be done again.

Each worker is first asked what it is, and then gets one task at a time, by its address. So it is known what was in
the hands of a worker that died; no task waits behind one that kills its worker; and no worker gets a task that it
can't read, which would end it.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.comm.core import CommClosedError

from unlearn_bench.benchmarks.engines.engine import Lost
from unlearn_bench.benchmarks.engines.workers import Raised, Unfit, in_short
from unlearn_bench.errors import InputError

_RETRIES = 2
"""So often is a task that raised handed in again: a network folder may fail for a moment."""

_MOST_DEATHS = 3
"""So many workers may die with a task in their hands; a machine may also be taken away for reasons of its own."""

_HEARD_WITHIN_S = 60.0
"""So long may a scheduler take to say who its workers are."""

_POLL_S = 1.0


@dataclass(kw_only=True)
class Errand:
    """An item's way: how often it raised, and on which machines its workers died."""

    item: Any
    raised: int = 0
    deaths: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Hand:
    """A worker, as one sweep knows it.

    Attributes:
        future: of what it was asked last, while there is no answer. errand: what it carries, if that was a task.
        fit: whether it can run the tasks; None before it said so. reason: why not.
    """

    address: str
    future: "Future[Any] | None" = None
    errand: Errand | None = None
    fit: bool | None = None
    reason: str = ""


@dataclass(kw_only=True)
class Flight:
    """One call of an engine's `each` on a cluster.

    Attributes:
        scheduler: as messages name it. run: what is done with an item, on a worker. question: what workers are asked.
        waiting: what is in nobody's hands. most: so many tasks at a time; 0: no limit.
        wait_s: so long may there be no worker. warn: told of workers that are left out.
        hands: by address. ended: keys of futures that came to their end.
    """

    client: Client
    scheduler: str
    run: Callable[[Any], Any]
    question: str
    waiting: deque[Errand]
    most: int
    wait_s: float
    warn: Callable[[str], None]
    hands: dict[str, Hand] = field(default_factory=dict)
    ended: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    last_seen: float = field(default_factory=time.monotonic)

    def results(self) -> Iterator[Any]:
        """What came of each item, as it ends.

        Raises:
            InputError: the scheduler is gone, there are no workers that fit, or a task raises again and again.
        """
        try:
            while self.waiting or self._carried():
                yield from self._meet()
                self._hand_in()
                with suppress(queue.Empty):
                    yield from self._hear(self.ended.get(timeout=_POLL_S))
        finally:
            asked = [hand.future for hand in self.hands.values() if hand.future is not None]
            if asked and self.client.status == "running":
                with suppress(Exception):  # there is nobody left who could do something about it
                    self.client.cancel(asked)

    def _carried(self) -> int:
        return sum(hand.errand is not None for hand in self.hands.values())

    def _meet(self) -> Iterator[Lost[Any]]:
        """Take note of workers that came and of those that are gone; what was lost with one of the latter."""
        there = addresses(self.client, self.scheduler)
        for address in there - self.hands.keys():
            self.hands[address] = Hand(address=address)
            self._ask(self.hands[address], eval, self.question)
        for address in self.hands.keys() - there:
            hand = self.hands.pop(address)
            if hand.future is not None:
                with asking(self.scheduler):
                    self.client.cancel([hand.future])
            if hand.errand is not None:
                yield from self._died(hand.errand, address)
        reasons = [self.hands[address].reason for address in there if self.hands[address].fit is False]
        if there and len(reasons) == len(there):
            raise InputError(f"no worker of {self.scheduler} can run cells: {reasons[0]}")
        if there:
            self.last_seen = time.monotonic()
        elif time.monotonic() - self.last_seen > self.wait_s:
            raise InputError(no_workers(self.scheduler, self.wait_s))

    def _hand_in(self) -> None:
        idle = [hand for hand in self.hands.values() if hand.fit and hand.errand is None]
        room = self.most - self._carried() if self.most else len(idle)
        for hand in idle[:room]:
            if self.waiting:
                hand.errand = self.waiting.popleft()
                self._ask(hand, self.run, hand.errand.item)

    def _ask(self, hand: Hand, function: Callable[..., Any], argument: Any) -> None:  # noqa: ANN401
        with asking(self.scheduler):
            hand.future = self.client.submit(function, argument, workers=[hand.address], pure=False)
        self._listen(hand.future)

    def _listen(self, future: "Future[Any]") -> None:
        future.add_done_callback(lambda done: self.ended.put(str(done.key)))

    def _hear(self, key: str) -> Iterator[Any]:
        """What came of a task; nothing where a worker said what it is, or where it has to be done again."""
        hand = next((one for one in self.hands.values() if one.future is not None and one.future.key == key), None)
        if hand is None or hand.future is None:
            return
        try:
            answer = self._answer(hand.future)
        except TimeoutError:  # the worker died with the result in its hands; `_meet` will miss it
            self._listen(hand.future)
            return
        errand, hand.future, hand.errand = hand.errand, None, None
        if errand is None:
            self._know(hand, answer)
        elif isinstance(answer, KilledWorker):
            yield from self._died(errand, hand.address)
        elif isinstance(answer, Raised):
            self._try_again(errand, answer)
        else:
            yield answer

    def _answer(self, future: "Future[Any]") -> Any:  # noqa: ANN401  (of any kind of task)
        """The result, or what stands for an error.

        Raises:
            InputError: the scheduler is gone.
            TimeoutError: the result is not there any more, or the connection broke while it was fetched.
        """
        try:
            return future.result(timeout=_POLL_S)
        except KilledWorker as error:
            return error
        except CommClosedError as error:  # of a task's own there is none: `carry` brings home what a task raises
            raise TimeoutError from error  # `_meet` will see whether the scheduler is gone
        except (Exception, CancelledError) as error:
            if isinstance(error, CancelledError) or self.client.status != "running":
                raise InputError(gone(self.scheduler)) from error
            if future.status != "error":
                raise
            return Raised(said=in_short(error), by_task=False)

    def _know(self, hand: Hand, answer: Any) -> None:  # noqa: ANN401  (an answer to the question, or an error)
        hand.fit = not isinstance(answer, Unfit | Raised | KilledWorker)
        if not hand.fit:
            hand.reason = f"{hand.address}: {misfit(answer)}"
            self.warn(f"worker {hand.address} is left out: {misfit(answer)}")

    def _died(self, errand: Errand, address: str) -> Iterator[Lost[Any]]:
        errand.deaths.append(address)
        if len(errand.deaths) < _MOST_DEATHS:
            self.waiting.append(errand)  # at the end: what else there is shall not wait for it
            return
        said = f"its worker died {len(errand.deaths)} times ({', '.join(errand.deaths)})"
        yield Lost(item=errand.item, reason=f"{said}; most often that means out of memory")

    def _try_again(self, errand: Errand, raised: Raised) -> None:
        errand.raised += 1
        if errand.raised <= _RETRIES:
            self.waiting.appendleft(errand)
        elif raised.by_task:
            raise InputError(raised.said)
        else:
            raise InputError(
                f"a worker of {self.scheduler} can't run a cell ({raised.said}); see that all machines have the same "
                "packages and folders; finished cells are kept"
            )


def addresses(client: Client, scheduler: str) -> set[str]:
    """Of the workers that are there.

    Raises:
        InputError: the scheduler is gone.
    """
    if client.status != "running":
        raise InputError(gone(scheduler))
    with asking(scheduler):
        return set(client.nthreads(callback_timeout=_HEARD_WITHIN_S))


@contextmanager
def asking(scheduler: str) -> Iterator[None]:
    """Whatever the client raises while it asks its scheduler: the scheduler is gone.

    Raises:
        InputError: in one line.
    """
    try:
        yield
    except Exception as error:
        raise InputError(gone(scheduler)) from error


def gone(scheduler: str) -> str:
    """What is said where the scheduler does not answer any more."""
    return (
        f"the scheduler {scheduler} does not answer any more; finished cells are kept: start it and its workers, "
        "then run the same command again"
    )


def no_workers(scheduler: str, seconds: float) -> str:
    """What is said where nobody works."""
    return (
        f"the scheduler {scheduler} has had no workers for {seconds:.0f} s; start some with `dask worker {scheduler} "
        "--nthreads 1 --memory-limit 0`, or give a longer --wait; finished cells are kept"
    )


def misfit(answer: Unfit | Raised | KilledWorker) -> str:
    """Why a worker can't run cells, as it said or as it shows."""
    if isinstance(answer, Unfit):
        return answer.reason
    said = answer.said if isinstance(answer, Raised) else "it died when it was asked"
    return f"it can't run this unlearn-bench ({said}); install the same on all machines and start the workers anew"
