"""Cleaning batches in several processes."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any

from ..recipes.languages import Language
from ..recipes.schema import Corpus
from ..workspace.errors import UserError
from ..workspace.processes import end_with_parent
from .clean import Cleaned, clean
from .other_languages import Identifier
from .readers import Document

FIRST_BATCHES = 4  # cleaned before processes are started, which takes as long as cleaning one


def clean_all(
    batches: Iterable[list[Document]],
    corpus: Corpus,
    language: Language,
    workers: int = 1,
    identifier: Identifier | None = None,
) -> Iterator[Cleaned]:
    """Clean batches and yield them in their order; after the first few in `workers` processes, if more than one.

    `identifier`, if given, checks the language of lines, and may limit the number of processes.

    The processes import the main script anew (spawn), so a script that asks for them needs
    `if __name__ == "__main__":`. Raises UserError if one of them is killed.
    """
    batches = iter(batches)
    if identifier is not None and identifier.most_processes is not None:
        workers = min(workers, identifier.most_processes)
    yield from (
        clean(batch, corpus, language, identifier) for batch in islice(batches, FIRST_BATCHES if workers > 1 else None)
    )
    if (first := next(batches, None)) is None:
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks that nobody releases
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    waiting: deque[Future[Cleaned]] = deque()
    try:
        for batch in chain([first], batches):
            # as columns: to pickle a named tuple takes as long as to read it
            waiting.append(pool.submit(_clean_columns, [*zip(*batch, strict=True)], corpus, language, identifier))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError("a process that cleans text was killed; it may have run out of memory") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _clean_columns(
    columns: list[tuple[Any, ...]], corpus: Corpus, language: Language, identifier: Identifier | None
) -> Cleaned:
    documents = [*map(Document, *columns)]
    return clean(documents, corpus, language, identifier)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is gone, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    end_with_parent(parent.pid)
