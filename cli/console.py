"""What a command shows: its progress on stderr, and on stdout its result: tables, or one JSON object."""

import codecs
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from ..workspace.progress_bars import LITERAL, ProgressBars

WIDE = 120  # characters per line


class Terminal(ProgressBars):
    """Shows the progress and the result of a command.

    Of several processes, one shows `logs`, and one (the same, or the command that started them) shows `results`.
    """

    def __init__(self, *, as_json: bool = False, logs: bool = True, results: bool = True) -> None:
        super().__init__(quiet=not logs)
        self._as_json = as_json
        self._results = results
        self._out = Console(soft_wrap=not sys.stdout.isatty(), **LITERAL)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        legend: str = "",
        *,
        grouped: bool = False,
    ) -> None:
        """A summary table on stdout with a legend under it; nothing under --json.

        In a `grouped` table, a rule is drawn above each row whose first cell is not empty. On a narrow terminal, a last
        column "folder" is printed below the table, a folder on each line: they can be copied only if they are whole.
        """
        if self._as_json or not self._results:
            return
        folders: list[str] = []
        if columns[-1] == "folder" and self._out.width < WIDE:
            rows = list(rows)
            folders = [row[-1] for row in rows if row[-1]]
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        table = Table(title=title, title_justify="left")
        for name in columns:
            table.add_column(name, overflow="fold", no_wrap=name == "folder")
        for row in rows:
            if grouped and row[0]:
                table.add_section()
            table.add_row(*row)
        self._out.print(table)
        for folder in folders:
            self._out.print(folder, soft_wrap=True)
        if legend:
            self._out.print(legend, markup=False, highlight=False)

    def text(self, text: str) -> None:
        """Text on stdout as it is; nothing under --json."""
        if self._results and not self._as_json:
            print(text)

    def result(self, value: dict[str, Any], path: Path | str | None = None) -> None:
        """Print the result of a command: as JSON, or as the path or address of its output on the last line."""
        if not self._results:
            return
        if self._as_json:
            print(json_line(value, sys.stdout))
        elif path is not None:
            print(path)


def json_line(value: Any, file: TextIO) -> str:
    """`value` as JSON on one line; characters other than ASCII are escaped unless `file` is written in UTF-8."""
    return json.dumps(value, ensure_ascii=not _is_unicode(file), default=str)


def escape_unprintable() -> None:
    r"""Let the standard streams write \u1ecd for characters that their encoding lacks (Latin-1), instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_unicode(file: TextIO) -> bool:
    return codecs.lookup(file.encoding or "utf-8").name.startswith("utf")
