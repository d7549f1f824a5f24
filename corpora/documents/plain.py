"""Plain text by paragraphs or as whole documents; lines that are wrapped at a width are joined."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from .paragraphs import WordParts, is_wrapped, join_lines, split_at_blank_lines

SAMPLE = 20_000  # paragraphs by which a file is judged, so that files of any size can be read


def read_paragraphs(
    lines: Iterable[str], changes: Counter[str], find_words: Callable[[list[list[str]]], WordParts] = WordParts.of
) -> Iterator[str]:
    """The paragraphs between blank lines.

    Their lines stay lines unless they look wrapped (`is_wrapped`): then they are joined, and counted in `changes`.
    `find_words` is called with the first paragraphs and gives the words by which broken ones are mended.
    """
    paragraphs = split_at_blank_lines(lines)
    sample = list(islice(paragraphs, SAMPLE))
    words = find_words(sample) if is_wrapped(sample) else None
    for paragraph in chain(sample, paragraphs):
        yield join_lines(paragraph, words, changes) if words is not None else "\n".join(paragraph)
