"""Ctrl-C and SIGTERM, asked about between steps, so that training can put its state away first."""

import signal
import threading
import time
from types import FrameType
from typing import Any

CAUGHT = (signal.SIGINT, signal.SIGTERM)
ECHO_SECONDS = 3.0


class StopRequest:
    """Inside `with`, remembers that a signal came instead of being torn away by it.

    A second Ctrl-C, some seconds later, does tear; at once it is the launcher's echo of the first.
    """

    came = False

    def __enter__(self) -> "StopRequest":
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.came and number == signal.SIGINT and now - self._at > ECHO_SECONDS:
            raise KeyboardInterrupt
        if not self.came:
            self.came, self._at = True, now
