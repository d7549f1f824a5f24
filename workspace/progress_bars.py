"""Progress as people see it: bars in a terminal and in a notebook with ipywidgets, a line now and then elsewhere.

Texts and paths are the user's: rich must not read markup ([b], [/]) or emoji codes (:cat:) in them.
"""

import importlib.util
import os
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeVar

from rich.console import Console, Group, RenderableType
from rich.table import Table

from .formatting import format_duration

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 15.0  # of a plain log
LITERAL: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}


class ProgressBars:
    """The `Progress` of the command line and the default one of the Python API. Everything goes to stderr.

    Args:
        quiet: Show nothing; for all but one of several processes.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._err = _Log(stderr=True, soft_wrap=not sys.stderr.isatty(), quiet=quiet, **LITERAL)
        self._status: dict[str, str] = {}
        self._live: Any = None

    def say(self, text: str) -> None:
        """Print one line about the work."""
        self._err.print(text, style="dim" if self._err.is_terminal else None)

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through, with a bar where one can be drawn; elsewhere, and within another bar, with lines."""
        self._status = {}
        has_bar = self._live is None and _draws_bars(self._err)
        return self._bar(items, label, total) if has_bar else self._lines(items, label, total)

    def status(self, facts: Mapping[str, str]) -> None:
        """Show a table above the bar; elsewhere the facts are part of the next line."""
        self._status = dict(facts)
        if self._live is not None:
            self._live.update(self._view())

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
        table = Table(title_justify="left")
        for name in self._status:
            table.add_column(name, no_wrap=True)
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
                facts = "".join(f", {name} {value}" for name, value in self._status.items()).replace("\n", "; ")
                if total and "remaining" not in self._status:
                    facts += f", remaining {format_duration((last - started) / count * (total - count))}"
                self.say(f"{label}: {count:,}" + (f" of {total:,}" if total else "") + facts)
        self.say(f"{label}: {count:,} in {time.monotonic() - started:.1f} s")


def _draws_bars(console: Console) -> bool:
    """Whether bars can be redrawn in place: rich does that in a notebook only through ipywidgets."""
    return console.is_terminal or (console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None)


class _Log(Console):
    """stderr, which may be closed before the work is done: in `2>&1 | tee log`, Ctrl-C ends `tee` first."""

    def on_broken_pipe(self) -> None:
        """Print nothing more; rich would end the program, before training has saved its checkpoint."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
