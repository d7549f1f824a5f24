"""From a document to clean lines, with a count for every line that is dropped."""

import hashlib
from collections import Counter
from collections.abc import Iterator

from .readers import Document

KEPT, SHORT, REPEATED = "kept", "too short", "repeated"


class Cleaner:
    """Cuts documents into lines; drops short ones and any line seen before, in whatever document.

    Repeats are dropped over the whole corpus, so no line of test stands in train. `counts` tells lines by outcome.
    """

    def __init__(self, min_characters: int) -> None:
        self._min_characters = min_characters
        self._seen: set[bytes] = set()
        self.counts: Counter[str] = Counter({KEPT: 0, SHORT: 0, REPEATED: 0})

    def lines(self, document: Document) -> Iterator[str]:
        """The lines of a document worth keeping, white space folded."""
        for raw in document.text.splitlines():
            line = " ".join(raw.split())
            if not line:
                continue
            outcome = self._judge(line)
            self.counts[outcome] += 1
            if outcome == KEPT:
                yield line

    def _judge(self, line: str) -> str:
        if len(line) < self._min_characters:
            return SHORT
        mark = hashlib.blake2b(line.encode(), digest_size=8).digest()  # 8 bytes a line, not the line
        if mark in self._seen:
            return REPEATED
        self._seen.add(mark)
        return KEPT
