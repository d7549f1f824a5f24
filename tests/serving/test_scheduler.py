"""The queue: what shares a batch, in which order, and what happens to one job when another fails."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest
from lrl_adapt.serving.model_pool import Labelling, MaskFilling, Question
from lrl_adapt.serving.scheduler import BATCH_CHARACTERS, BATCH_TEXTS, BusyError, Scheduler

TOPIC, NER = Labelling("topic"), Labelling("ner")


class Models:
    """Answers a text with itself in capitals, and remembers the batches. Waits for `go` before each.

    Of the questions those to fill masks with the same number of candidates go together.
    """

    def __init__(self) -> None:
        self.batches: list[list[tuple[Question, list[str]]]] = []
        self.go = threading.Semaphore(0)

    def answer(self, questions: Sequence[tuple[Question, Sequence[str]]]) -> list[list[str]]:
        self.go.acquire()
        self.batches.append([(question, list(texts)) for question, texts in questions])
        if any("bad" in texts for _, texts in questions):
            raise ValueError("bad text")
        return [[text.upper() for text in texts] for _, texts in questions]

    def batch_of(self, question: Question) -> Hashable:
        return question.top if isinstance(question, MaskFilling) else question


def run(work: Callable[[Scheduler, Models], Any], *, max_waiting: int = 10, timeout: float = 60) -> Models:
    models = Models()

    async def main() -> None:
        scheduler = Scheduler(models.answer, models.batch_of, max_waiting=max_waiting, timeout=timeout)
        async with scheduler.running():
            await work(scheduler, models)

    asyncio.run(main())
    return models


async def queued(scheduler: Scheduler, *jobs: Any) -> list[asyncio.Task]:
    """The jobs as tasks that wait in the queue, while another job is being computed."""
    plug = await started(scheduler.submit([Labelling("first")], ["plug"]))
    await asyncio.sleep(0.05)  # it leaves the queue
    return [*plug, *await started(*jobs)]


async def started(*jobs: Any) -> list[asyncio.Task]:
    """The jobs as tasks that have had the time to enter the queue, one after the other."""
    tasks = []
    for job in jobs:
        tasks.append(asyncio.create_task(job))
        await asyncio.sleep(0)
    return tasks


def test_questions_that_go_together_share_a_batch_and_the_others_keep_their_order() -> None:
    async def work(scheduler: Scheduler, models: Models) -> None:
        tasks = await queued(
            scheduler,
            scheduler.submit([TOPIC], ["a", "b"]),
            scheduler.submit([NER], ["c"]),
            scheduler.submit([TOPIC], ["d"]),
            scheduler.submit([MaskFilling("x", 1), MaskFilling("x", 2)], ["e"]),
            scheduler.submit([MaskFilling("y", 1)], ["f"]),
        )
        models.go.release(9)
        answers = [[["PLUG"]], [["A", "B"]], [["C"]], [["D"]], [["E"], ["E"]], [["F"]]]
        assert await asyncio.gather(*tasks) == answers

    assert run(work).batches[1:] == [
        [(TOPIC, ["a", "b"]), (TOPIC, ["d"])],
        [(NER, ["c"])],
        [(MaskFilling("x", 1), ["e"]), (MaskFilling("y", 1), ["f"])],
        [(MaskFilling("x", 2), ["e"])],
    ]


def test_a_long_job_is_computed_in_parts_and_others_run_in_between() -> None:
    texts = [str(number) for number in range(2 * BATCH_TEXTS + 1)]

    async def work(scheduler: Scheduler, models: Models) -> None:
        tasks = await started(scheduler.submit([TOPIC], texts), scheduler.submit([NER], ["x"]))
        models.go.release(9)
        assert await asyncio.gather(*tasks) == [[texts], [["X"]]]

    sizes = [(question, len(part)) for ((question, part),) in run(work).batches]
    assert sizes == [(TOPIC, BATCH_TEXTS), (NER, 1), (TOPIC, BATCH_TEXTS), (TOPIC, 1)]


def test_a_batch_is_limited_in_characters_but_a_text_always_fits() -> None:
    long = "x" * (2 * BATCH_CHARACTERS)

    async def work(scheduler: Scheduler, models: Models) -> None:
        models.go.release(9)
        assert await scheduler.submit([TOPIC], [long, "a", long]) == [[long.upper(), "A", long.upper()]]

    assert [len(part) for ((_, part),) in run(work).batches] == [1, 2]


def test_a_text_that_fails_does_not_fail_the_others_of_its_batch() -> None:
    async def work(scheduler: Scheduler, models: Models) -> None:
        jobs = (scheduler.submit([TOPIC], [text]) for text in ("bad", "good"))
        tasks = await queued(scheduler, *jobs)
        models.go.release(9)
        _, bad, good = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(bad, ValueError)
        assert good == [["GOOD"]]

    together, *alone = [[(TOPIC, ["bad"])], [(TOPIC, ["good"])]]
    assert run(work).batches[1:] == [[*together, *alone[0]], together, *alone]


def test_a_full_queue_takes_no_more_until_there_is_room() -> None:
    async def work(scheduler: Scheduler, models: Models) -> None:
        first = await started(scheduler.submit([TOPIC], ["computed"]))
        await asyncio.sleep(0.05)  # it leaves the queue
        waiting = await started(scheduler.submit([TOPIC], ["a"]), scheduler.submit([NER], ["b"]))
        assert scheduler.waiting == 2
        with pytest.raises(BusyError):
            await scheduler.submit([TOPIC], ["c"])
        models.go.release(9)
        await asyncio.gather(*first, *waiting)
        assert await scheduler.submit([TOPIC, NER, Labelling("pos")], ["d"]) == [["D"], ["D"], ["D"]]

    run(work, max_waiting=2)


def test_what_took_too_long_is_not_computed_and_frees_the_queue() -> None:
    async def work(scheduler: Scheduler, models: Models) -> None:
        tasks = await queued(scheduler, scheduler.submit([TOPIC], ["given up"]))
        assert all(isinstance(one, TimeoutError) for one in await asyncio.gather(*tasks, return_exceptions=True))
        assert scheduler.waiting == 0
        models.go.release(9)
        assert await scheduler.submit([NER], ["late"]) == [["LATE"]]

    assert [part for ((_, part),) in run(work, timeout=0.5).batches] == [["plug"], ["late"]]


def test_the_batch_that_is_computed_is_finished_when_the_server_stops() -> None:
    models = Models()

    async def main() -> None:
        scheduler = Scheduler(models.answer, models.batch_of, max_waiting=10, timeout=60)
        async with scheduler.running():
            task = asyncio.create_task(scheduler.submit([TOPIC], ["a"]))
            await asyncio.sleep(0.05)
            models.go.release(1)
        task.cancel()

    asyncio.run(main())
    assert models.batches == [[(TOPIC, ["a"])]]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("models")]
