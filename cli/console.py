"""What a command shows: bars on a terminal, plain lines elsewhere, a table at the end, or one JSON object."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 15.0  # of a plain log


class Terminal:
    """The `Progress` of the command line. Bars and lines go to stderr, results to stdout."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._out = Console(soft_wrap=not sys.stdout.isatty())
        self._err = Console(stderr=True, soft_wrap=not sys.stderr.isatty())

    def say(self, text: str) -> None:
        """Print one line about the work."""
        self._err.print(text, style="dim" if self._err.is_terminal else None, markup=False, highlight=False)

    def heading(self, text: str) -> None:
        """Announce a step."""
        self._err.print(text, style="bold", markup=False, highlight=False)

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """A bar on a terminal; elsewhere a line now and then."""
        return self._bar(items, label, total) if self._err.is_terminal else self._lines(items, label, total)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A summary table on stdout; nothing under --json."""
        if self._as_json:
            return
        table = Table(title=title, title_justify="left")
        for name in columns:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*map(escape, row))  # [b] in a path is no markup
        self._out.print(table)

    def result(self, value: dict[str, Any], path: Path | None = None) -> None:
        """End a command: its result as JSON, or the path of what it made as the last line."""
        if self._as_json:
            print(json.dumps(value, ensure_ascii=False, default=str))
        elif path is not None:
            print(path)

    def _bar(self, items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._err, transient=True) as bar:
            yield from bar.track(items, total=total, description=label)

    def _lines(self, items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
        started = last = time.monotonic()
        count = 0
        for item in items:
            yield item
            count += 1
            if time.monotonic() - last > SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.say(f"{label}: {count}" + (f" of {total}" if total else ""))
        self.say(f"{label}: {count} in {time.monotonic() - started:.1f} s")


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
