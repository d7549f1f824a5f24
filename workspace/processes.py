"""Processes that end with the one that started them."""

import os
import threading
import time

POLL_SECONDS = 0.5


def end_with_parent(parent: int) -> None:
    """End this process at once when `parent`, the id of the process that started it, is gone, even if it was killed.

    The caller passes the id since the parent may be gone before this process can ask for it.
    """
    threading.Thread(target=_wait_and_exit, args=[parent], daemon=True).start()


def _wait_and_exit(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)
