"""What happens on Ctrl-C and SIGTERM: the current step is finished, so that a checkpoint can be written first."""

import signal
import threading
import time
from types import FrameType
from typing import Any

HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# torchrun passes Ctrl-C on to processes that the terminal has interrupted already; the copy arrives at once.
DUPLICATE_SECONDS = 3.0


class StopRequest:
    """Inside `with`, SIGINT and SIGTERM set `received` instead of ending the process.

    A second Ctrl-C after more than DUPLICATE_SECONDS raises KeyboardInterrupt at once. Outside the main thread, where
    Python allows no signal handlers, nothing is changed. Several runs may share one, each with its own `with`.
    """

    received = False
    _users = 0

    def __enter__(self) -> "StopRequest":
        self._users += 1
        if self._users > 1:
            return self
        self._previous_handlers: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._previous_handlers = {number: signal.signal(number, self._handle) for number in HANDLED_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        for number, handler in self._previous_handlers.items() if not self._users else ():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.received:
            self.received, self._received_at = True, now
        elif number == signal.SIGINT and now - self._received_at > DUPLICATE_SECONDS:
            raise KeyboardInterrupt
