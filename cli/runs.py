"""The runs of one command, of a grid or of several languages: one that fails does not stop the others."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .console import Terminal
from .guard import OURS, USER, RunsFailedError, exit_code_of, summary_of


class Failures:
    """What the runs of one command raised. A single run raises at once, as if it were not in a grid."""

    def __init__(self, total: int, terminal: Terminal, *, debug: bool) -> None:
        self._total = total
        self._terminal = terminal
        self._debug = debug
        self._reasons: dict[str, str] = {}
        self._exit_codes: set[int] = set()

    @contextmanager
    def collect(self, run: str) -> Iterator[None]:
        """Around the work for one run: report and remember its error, so that the next run starts.

        KeyboardInterrupt goes through and stops all runs; so does a closed stdout.
        """
        try:
            yield
        except BrokenPipeError:
            raise
        except (Exception, SystemExit) as error:
            if self._total == 1:
                raise
            if self._debug:
                self._terminal.say("".join(traceback.format_exception(error)).rstrip())
            self._reasons[run] = summary_of(error)
            self._exit_codes.add(exit_code_of(error))
            self._terminal.say(f"failed, {run}: {self._reasons[run]}")

    def has(self, run: str) -> bool:
        """Whether a run has failed already."""
        return run in self._reasons

    @property
    def as_json(self) -> dict[str, Any]:
        """The failed runs as an entry of a command's --json object; empty if there are none."""
        failed = [{"run": run, "error": reason} for run, reason in self._reasons.items()]
        return {"failed": failed} if failed else {}

    def raise_if_any(self) -> None:
        """At the end of the command: raise RunsFailedError that names every failed run and says why it failed."""
        if not self._reasons:
            return
        lines = [f"{len(self._reasons)} of {self._total} runs failed:"]
        lines += [f"  {run}: {reason}" for run, reason in self._reasons.items()]
        exit_code = USER if self._exit_codes == {USER} else OURS
        raise RunsFailedError("\n".join(lines), exit_code)


def run_label(overrides: Sequence[str]) -> str:
    """What chooses a run of a grid, in words."""
    return " ".join(word for word in overrides if word != "grid=null")
