"""Plain text by paragraphs or as whole documents; lines that are wrapped at a width are joined."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from .paragraphs import WordParts, is_wrapped, join_lines, split_at_blank_lines

SAMPLE = 20_000  # paragraphs by which a file is judged, so that files of any size can be read


def read_paragraphs(
    lines: Iterable[str], changes: Counter[str], known_words: Callable[[], WordParts] = WordParts
) -> Iterator[str]:
    """The paragraphs between blank lines.

    Their lines stay lines unless they look wrapped (`is_wrapped`): then they are joined, and counted in `changes`;
    broken words are mended by `known_words` and those of the text.
    """
    paragraphs = split_at_blank_lines(lines)
    sample = list(islice(paragraphs, SAMPLE))
    words = known_words() if is_wrapped(sample) else None
    if words is not None:
        words.add(line for paragraph in sample for line in paragraph)
    for paragraph in chain(sample, paragraphs):
        yield join_lines(paragraph, words, changes) if words is not None else "\n".join(paragraph)
