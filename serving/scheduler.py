"""The queue in front of the models: one thread computes, and texts with the same question share a batch."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .model_pool import Question

BATCH_TEXTS = 32
BATCH_CHARACTERS = 16_384  # a long job is computed in parts of about this size, and others run between them


class BusyError(Exception):
    """The queue is full."""


@dataclass(eq=False)
class _Job:
    """One question about some texts."""

    question: Question
    texts: Sequence[str]
    answers: asyncio.Future[list[Any]]
    so_far: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """The texts of a job that a batch has room for."""

    job: _Job
    texts: Sequence[str]


class Scheduler:
    """Answers questions about texts in batches, first come, first served; long jobs give way to others between batches.

    `answer` is called in a thread of its own with a question and texts, and returns an answer for each text. All
    methods are called on one event loop.
    """

    def __init__(
        self, answer: Callable[[Question, Sequence[str]], list[Any]], *, max_waiting: int, timeout: float
    ) -> None:
        self._answer = answer
        self._max_waiting = max_waiting
        self._timeout = timeout
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")
        self._has_jobs = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Number of jobs in the queue."""
        return sum(not job.answers.done() for job in self._jobs)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer jobs while this is open; afterwards waits for the batch that is being computed."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._thread.shutdown(wait=True, cancel_futures=True)

    async def submit(self, questions: Sequence[Question], texts: Sequence[str]) -> list[list[Any]]:
        """The answers to each question, for each text.

        Raises BusyError if the queue is full, TimeoutError if the answers take too long, and what
        `answer` raises.
        """
        if self.waiting >= self._max_waiting:
            raise BusyError
        loop = asyncio.get_running_loop()
        jobs = [_Job(question, texts, loop.create_future()) for question in questions]
        self._jobs.extend(jobs)
        self._has_jobs.set()
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.gather(*(job.answers for job in jobs))
        finally:
            for job in jobs:  # after a time-out, or where one question failed, the rest is not computed
                job.answers.cancel()

    async def _run(self) -> None:
        while True:
            await self._has_jobs.wait()
            if parts := self._next_batch():
                await self._compute(parts)
                self._jobs.extend(part.job for part in parts if not part.job.answers.done())
            else:
                self._has_jobs.clear()

    def _next_batch(self) -> list[_Part]:
        """The next texts of the first job and of others with its question; takes these jobs from the queue."""
        parts: list[_Part] = []
        others: deque[_Job] = deque()
        texts_left, characters_left = BATCH_TEXTS, BATCH_CHARACTERS
        for job in self._jobs:
            if job.answers.done():
                continue
            if texts_left <= 0 or characters_left <= 0 or (parts and job.question != parts[0].job.question):
                others.append(job)
                continue
            texts = []
            for text in job.texts[len(job.so_far) :]:
                if texts_left <= 0 or characters_left <= 0:
                    break
                texts.append(text)
                texts_left -= 1
                characters_left -= len(text)
            parts.append(_Part(job, texts))
        self._jobs = others
        return parts

    async def _compute(self, parts: Sequence[_Part]) -> None:
        """Answer the parts, which have one question, and finish the jobs that are complete."""
        texts = [text for part in parts for text in part.texts]
        loop = asyncio.get_running_loop()
        try:
            answers = iter(await loop.run_in_executor(self._thread, self._answer, parts[0].job.question, texts))
        except Exception as error:  # the client gets it; the server goes on
            if len(parts) == 1:
                _finish(parts[0].job, error)
                return
            for part in parts:  # one client's text must not fail the others
                await self._compute([part])
            return
        for part in parts:
            part.job.so_far.extend(next(answers) for _ in part.texts)
            if len(part.job.so_far) == len(part.job.texts):
                _finish(part.job, None)


def _finish(job: _Job, error: Exception | None) -> None:
    if job.answers.done():  # its client has gone
        return
    if error is not None:
        job.answers.set_exception(error)
    else:
        job.answers.set_result(job.so_far)
