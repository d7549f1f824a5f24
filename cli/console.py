"""What a command shows: bars on a terminal, plain lines elsewhere, a table at the end, or one JSON object.

Texts and paths are the user's: rich must not read markup ([b], [/]) or emoji codes (:cat:) in them.
"""

import codecs
import io
import json
import os
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from rich.console import Console, Group, RenderableType
from rich.table import Table

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 15.0  # of a plain log
LITERAL: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}


class Terminal:
    """The `Progress` of the command line. Bars and lines go to stderr, results to stdout.

    Of several processes one shows `logs`, and one (the same, or the command that started them) shows `results`.
    """

    def __init__(self, *, as_json: bool = False, logs: bool = True, results: bool = True) -> None:
        self._as_json = as_json
        self._results = results
        self._out = Console(soft_wrap=not sys.stdout.isatty(), **LITERAL)
        self._err = _Log(stderr=True, soft_wrap=not sys.stderr.isatty(), quiet=not logs, **LITERAL)
        self._status: dict[str, str] = {}
        self._live: Any = None

    def say(self, text: str) -> None:
        """Print one line about the work."""
        self._err.print(text, style="dim" if self._err.is_terminal else None)

    def heading(self, text: str) -> None:
        """Announce a step."""
        self._err.print(text, style="bold")

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """A bar on a terminal; elsewhere a line now and then."""
        self._status = {}
        return self._bar(items, label, total) if self._err.is_terminal else self._lines(items, label, total)

    def status(self, facts: Mapping[str, str]) -> None:
        """A table above the bar; elsewhere part of the next line."""
        self._status = dict(facts)
        if self._live is not None:
            self._live.update(self._view())

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], legend: str = "") -> None:
        """A summary table on stdout with a legend under it; nothing under --json."""
        if self._as_json or not self._results:
            return
        table = Table(title=title, title_justify="left")
        for name in columns:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._out.print(table)
        if legend:
            self._out.print(legend, markup=False, highlight=False)

    def result(self, value: dict[str, Any], path: Path | None = None) -> None:
        """End a command: its result as JSON, or the path of what it made as the last line."""
        if not self._results:
            return
        if self._as_json:
            print(json_line(value, sys.stdout))
        elif path is not None:
            print(path)

    def _bar(self, items: Iterable[T], label: str, total: int | None) -> Generator[T]:
        from rich.live import Live
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._err)
        self._live = Live(self._view(), console=self._err, transient=True)
        try:
            with self._live:
                task = self._progress.add_task(label, total=total)
                for item in items:
                    yield item
                    self._progress.advance(task)
        finally:
            self._live = None

    def _view(self) -> RenderableType:
        """The bar, under a table of the facts if there are any."""
        if not self._status:
            return self._progress
        table = Table(*self._status, title_justify="left")
        table.add_row(*self._status.values())
        return Group(table, self._progress)

    def _lines(self, items: Iterable[T], label: str, total: int | None) -> Generator[T]:
        started = last = time.monotonic()
        count = 0
        for item in items:
            yield item
            count += 1
            if time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                facts = "".join(f", {name} {value}" for name, value in self._status.items())
                self.say(f"{label}: {count}" + (f" of {total}" if total else "") + facts)
        self.say(f"{label}: {count} in {time.monotonic() - started:.1f} s")


class _Log(Console):
    """stderr, whose reader may go before the work is done: Ctrl-C ends the `tee` of `2>&1 | tee log` first."""

    def on_broken_pipe(self) -> None:
        """Say no more; rich would end the program, before training has saved where it stands."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def json_line(value: Any, file: TextIO) -> str:
    """`value` as JSON on one line, as `file` can take it: all but ASCII escaped where it is not written in UTF-8."""
    return json.dumps(value, ensure_ascii=not _is_unicode(file), default=str)


def escape_unprintable() -> None:
    r"""Let the standard streams write \u1ecd for what their encoding lacks (a terminal in Latin-1), not raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_unicode(file: TextIO) -> bool:
    return codecs.lookup(file.encoding or "utf-8").name.startswith("utf")


def quiet_libraries() -> None:
    """Keep other libraries' bars and chatter off the terminal."""
    import warnings

    import datasets
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    datasets.disable_progress_bars()
    disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # PEFT asks, not we
    # of a workspace that was moved
    warnings.filterwarnings("ignore", message="The PEFT config's `base_model_name_or_path` was renamed")
