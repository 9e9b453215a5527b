"""Places, lines and refusals of work: what comes in which order, never how long it takes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from api.admission import WORK, Admission, Capacity, TooBusy
from rag.errors import DependencyError, NotFound


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def admission_of(
    places: int | Callable[[], int], patience_s: float = 60, likely_s: float = 1, clock: Clock | None = None
) -> Admission:
    here = (lambda: places) if isinstance(places, int) else places
    return Admission(dict.fromkeys(WORK, Capacity(here, patience_s, likely_s)), clock or Clock())


@asynccontextmanager
async def held(admission: Admission) -> AsyncIterator[asyncio.Event]:
    """A place that is held until the event is set or the block is left."""
    release = asyncio.Event()
    task = asyncio.create_task(hold(admission, release))
    await turns()
    try:
        yield release
    finally:
        release.set()
        await asyncio.gather(task, return_exceptions=True)


async def hold(admission: Admission, release: asyncio.Event, began: list[str] | None = None, name: str = "") -> None:
    async with admission.place("answer"):
        if began is not None:
            began.append(name)
        await release.wait()


async def turns() -> None:
    """Let every task go on until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_work_waits_in_its_order_and_every_class_has_its_own_places() -> None:
    admission, began, release = admission_of(1), [], asyncio.Event()
    async with held(admission) as first:
        waiting = [asyncio.create_task(hold(admission, release, began, name)) for name in "abc"]
        await turns()
        load = admission.loads["answer"]
        assert (load.places, load.in_hand, load.waiting, load.admitted, load.refused) == (1, 1, 3, 1, 0)
        async with admission.place("search"):
            pass
        assert began == []
        first.set()
        await turns()
        assert began == ["a"]
        release.set()
        await asyncio.gather(*waiting)
    assert began == ["a", "b", "c"]
    assert admission.loads["answer"].in_hand == 0


async def test_what_would_come_too_late_is_refused_at_once_and_told_when_to_return() -> None:
    clock = Clock()
    admission = admission_of(2, patience_s=15, likely_s=10, clock=clock)
    async with held(admission), held(admission):
        clock.now_s = 4.0  # both end in 6 s; the first two in line begin then, the others 10 s later
        waiting = [asyncio.create_task(hold(admission, asyncio.Event())) for _ in range(2)]
        await turns()
        with pytest.raises(TooBusy, match=r"busy with questions: 2 in hand, 2 waiting\. Try again in 16 s") as refused:
            async with admission.place("answer"):
                raise AssertionError("it was admitted")
        assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (503, "busy", 16)
        with pytest.raises(TooBusy):
            admission.check("answer")
        assert admission.loads["answer"].refused == 2
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert admission.loads["answer"].waiting == 0
        admission.check("answer")


async def test_the_measured_time_decides_not_the_assumed_one() -> None:
    clock = Clock()
    admission = admission_of(1, patience_s=15, likely_s=1, clock=clock)
    for _ in range(30):
        async with admission.place("answer"):
            clock.now_s += 20
    async with held(admission):
        with pytest.raises(TooBusy) as refused:
            async with admission.place("answer"):
                pass
    assert refused.value.retry_after_s == 20
    for _ in range(30):  # what fails or is cancelled says nothing of how long such work takes
        with pytest.raises(ZeroDivisionError):
            async with admission.place("answer"):
                raise ZeroDivisionError
    async with held(admission):
        with pytest.raises(TooBusy, match="in 16 s"):  # the one held above took no time
            admission.check("answer")


async def test_the_line_is_bounded_however_fast_work_is() -> None:
    admission, release = admission_of(0, likely_s=0), asyncio.Event()
    waiting = [asyncio.create_task(hold(admission, release)) for _ in range(64)]
    await turns()
    with pytest.raises(TooBusy):
        async with admission.place("answer"):
            pass
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_wait_longer_than_expected_ends_with_a_refusal() -> None:
    admission = admission_of(1, patience_s=0.01, likely_s=0)
    async with held(admission):
        with pytest.raises(TooBusy):
            async with admission.place("answer"):
                raise AssertionError("it was admitted")
        assert admission.loads["answer"].waiting == 0
    async with admission.place("answer"):
        pass


async def test_one_who_leaves_the_line_or_its_place_lets_the_next_one_in() -> None:
    admission, began, release = admission_of(1), [], asyncio.Event()
    working = asyncio.create_task(hold(admission, release))
    await turns()
    leaving, staying = (asyncio.create_task(hold(admission, release, began, name)) for name in ("left", "stayed"))
    await turns()
    leaving.cancel()
    working.cancel()
    await asyncio.gather(leaving, working, return_exceptions=True)
    await turns()
    assert began == ["stayed"]
    release.set()
    await staying


async def test_a_turn_that_comes_as_its_client_leaves_is_the_next_ones() -> None:
    admission, began, release = admission_of(1), [], asyncio.Event()
    async with held(admission) as first:
        leaving, staying = (asyncio.create_task(hold(admission, release, began, name)) for name in ("left", "stayed"))
        await turns()
        first.set()
        await asyncio.sleep(0)  # the first has given its place away, and the other does not run yet
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await turns()
        assert began == ["stayed"]
        release.set()
        await staying
    assert admission.loads["answer"].in_hand == 0


async def test_places_that_become_more_or_fewer_are_followed() -> None:
    places = [1]
    admission, began, release = admission_of(lambda: places[0]), [], asyncio.Event()
    async with held(admission) as first:
        waiting = [asyncio.create_task(hold(admission, release, began, name)) for name in "ab"]
        await turns()
        places[0] = 2
        first.set()
        await turns()
        assert began == ["a", "b"]
        places[0] = 1
        release.set()
        await asyncio.gather(*waiting)
    async with held(admission):
        assert admission.loads["answer"].places == 1
        admission.check("answer")  # may wait
        assert admission.loads["answer"].in_hand == 1


async def test_what_cannot_be_stopped_keeps_its_place_until_it_ends() -> None:
    admission, go_on = admission_of(1), threading.Event()
    asking = asyncio.create_task(admission.finish("search", lambda: asyncio.to_thread(go_on.wait, 30)))
    await turns()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert admission.loads["search"].in_hand == 1
    go_on.set()
    await admission.settle()
    assert admission.loads["search"].in_hand == 0
    assert await admission.finish("search", lambda: asyncio.sleep(0, "found")) == "found"

    async def fail() -> None:
        raise TooBusy("x", 1)

    with pytest.raises(TooBusy):
        await admission.finish("search", fail)
    await turns()
    assert admission.loads["search"].in_hand == 0


@pytest.mark.parametrize("seed", range(20))
async def test_never_more_in_hand_than_places_and_nothing_is_lost(seed: int) -> None:
    chance, admission = random.Random(seed), admission_of(3, likely_s=0)
    most, done = 0, 0

    async def work(steps: int) -> None:
        nonlocal most, done
        async with admission.place("answer"):
            most = max(most, admission.loads["answer"].in_hand)
            for _ in range(steps):
                await asyncio.sleep(0)
            done += 1

    tasks = []
    for _ in range(60):
        tasks.append(asyncio.create_task(work(chance.randrange(6))))
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    load = admission.loads["answer"]
    assert (load.in_hand, load.waiting, most) == (0, 0, 3)
    assert done == sum(one is None for one in ended)
    assert done >= 30


async def test_a_burst_waits_and_after_a_refusal_few_do() -> None:
    """Five agents that search at once are served; a line that never ends would cost everyone in it the whole wait."""
    clock = Clock()
    limit = Capacity(lambda: 1, patience_s=2.0, likely_s=0.5, pressed_s=0.1)
    admission, release = Admission(dict.fromkeys(WORK, limit), clock), asyncio.Event()
    async with held(admission):
        burst = [asyncio.create_task(hold(admission, release)) for _ in range(4)]  # the last waits for 2 s
        await turns()
        assert admission.loads["answer"].waiting == 4
        with pytest.raises(TooBusy):
            admission.check("answer")
        for task in burst[1:]:
            task.cancel()
        await turns()
        assert admission.loads["answer"].waiting == 1
        with pytest.raises(TooBusy):  # its turn would come after 1 s, as that of one of the burst
            admission.check("answer")
        clock.now_s = 60.0
        admission.check("answer")
        burst[0].cancel()
        await turns()


async def test_each_end_of_work_is_told_with_its_outcome_and_its_seconds() -> None:
    clock = Clock()
    admission = admission_of(3, clock=clock)
    told: list[tuple[str, str, float]] = []
    admission.on_ended = lambda work, outcome, seconds: told.append((work, outcome, seconds))

    async def end_with(error: BaseException | None) -> None:
        async with admission.place("answer"):
            clock.now_s += 2
            if error is not None:
                raise error

    async def piece() -> None:
        raise ValueError("unexpected")

    for error in (None, NotFound("no such document"), DependencyError("no model"), asyncio.CancelledError()):
        with suppress(BaseException):
            await end_with(error)
    with suppress(ValueError):
        await admission.finish("search", piece)
    assert told == [
        ("answer", "done", 2),
        ("answer", "rejected", 2),
        ("answer", "failed", 2),
        ("answer", "left", 2),
        ("search", "failed", 0),
    ]
