"""A `Progress` that keeps what is said."""

from collections.abc import Callable

from lrl_adapt.workspace.progress import Quiet


class Said(Quiet):
    """Keeps the lines, and calls `act` with each."""

    def __init__(self, act: Callable[[str], None] = lambda _: None) -> None:
        self.lines: list[str] = []
        self._act = act

    def say(self, text: str) -> None:
        self.lines.append(text)
        self._act(text)
