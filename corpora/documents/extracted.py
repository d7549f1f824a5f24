"""What the readers of documents return: paragraphs, and counts of what was removed or mended."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ...workspace.errors import UserError

SPACES = re.compile(r"[^\S\n]+")


@dataclass
class Extracted:
    """The text of one document."""

    paragraphs: list[str] = field(default_factory=list)
    """Without line breaks; none is empty."""
    changes: Counter[str] = field(default_factory=Counter)
    """What was removed or mended, in words that its number follows: "page numbers removed"."""
    notes: list[str] = field(default_factory=list)
    """How the file was read, where its name does not show it: encodings."""

    def add(self, text: str) -> None:
        """Add a block of text: each line that is not empty is a paragraph; white space in it is collapsed."""
        for line in text.split("\n"):
            if paragraph := SPACES.sub(" ", line).strip():
                self.paragraphs.append(paragraph)


@contextmanager
def documents_extra(path: Path) -> Iterator[None]:
    """Around the import of a library of the extra `documents`: raises UserError, naming `path`, if it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path}: reading this format needs {error.name}: pip install 'lrl-adapt[documents]'"
        ) from error


def describe_extraction(changes: Mapping[str, int]) -> str:
    """The counts in one line, in order: "page numbers removed: 12, words joined at line ends: 3"."""
    return ", ".join(f"{change}: {count:,}" for change, count in changes.items() if count)
