"""Text that new pieces must not change, because the base reads it well."""

import gzip
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from .splitter import Splitter

ROUNDS = 20  # of leaving out pieces that change the reference text; each may bring up others


def reference_text(file: str | None) -> Iterable[str]:
    """The lines of a file of text, gzipped or not; without one, the English of Python's own documentation.

    Raises UserError if the file cannot be read as UTF-8.
    """
    if file is None:
        from pydoc_data.topics import topics  # a part of Python: 64,000 words

        return (" ".join(re.findall(r"[^\W\d_]+", topic)) for topic in topics.values())
    try:
        content = Path(file).read_bytes()
        return (gzip.decompress(content) if file.endswith(".gz") else content).decode("utf-8").splitlines()
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"vocabulary.reference: cannot read {file} as text ({error})") from error


def without_changes(splitter: Splitter, pieces: dict[str, Any], words: Counter[str]) -> dict[str, Any]:
    """The new pieces without those that `splitter` would then use in the words of the reference text."""
    for _ in range(ROUNDS):
        used = splitter.with_pieces(pieces).count_pieces(words).keys() & pieces.keys()
        if not used:
            break
        pieces = splitter.buildable({piece: score for piece, score in pieces.items() if piece not in used})
    return pieces


def changed_share(splitter: Splitter, pieces: dict[str, Any], words: Counter[str]) -> float:
    """The share of the words of the reference text that are split in another way with the new pieces."""
    extended = splitter.with_pieces(pieces)
    changed = sum(count for word, count in words.items() if extended.split(word) != splitter.split(word))
    return changed / max(1, words.total())
