"""Which lines of a batch are in other languages, how many there are of each, and examples."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy

from .code_points import Array
from .ngrams import words_of

MIN_LETTERS = 12  # of words that do not begin with a capital; shorter lines are not judged
EXAMPLES = 5  # of each language


class Identifier(Protocol):
    """A model that tells a language from others; it goes to the processes that clean text, so it must be picklable."""

    @property
    def name(self) -> str:
        """What it is, for the card of a corpus."""
        ...

    @property
    def most_processes(self) -> int | None:
        """In how many processes it may be used at once; None: in any number."""
        ...

    def other_languages(self, lines: Sequence[str]) -> list[str | None]:
        """For each line the code of the language that it is in; None if that is the language itself or uncertain."""
        ...


@dataclass
class LanguageCounts:
    """What the check found in the lines that all other filters kept, before duplicates were dropped."""

    checked: int = 0
    too_short: int = 0
    """Lines that were not judged."""
    lines: Counter[str] = field(default_factory=Counter)
    """Lines in other languages, by code."""
    examples: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Up to EXAMPLES of these by language, with their keys, by which they are chosen: an arbitrary but fixed order."""

    def add(self, other: "LanguageCounts") -> None:
        """Add the counts and examples of another batch."""
        self.checked += other.checked
        self.too_short += other.too_short
        self.lines.update(other.lines)
        for language, examples in other.examples.items():
            self._add_examples(language, examples)

    def _add_examples(self, language: str, examples: Sequence[tuple[int, str]]) -> None:
        known = self.examples.get(language, [])
        self.examples[language] = heapq.nsmallest(EXAMPLES, {*known, *examples})

    def facts(self) -> dict[str, Any]:
        """The counts and examples for a manifest, the most frequent languages first."""
        return {
            "checked": self.checked,
            "too_short": self.too_short,
            "lines": dict(sorted(self.lines.items(), key=lambda entry: (-entry[1], entry[0]))),
            "examples": {language: [line for _, line in self.examples[language]] for language in sorted(self.examples)},
        }


def find_other_languages(lines: Sequence[str], keys: Array, identifier: Identifier, counts: LanguageCounts) -> Array:
    """Whether each line is in another language, bool (lines,); adds to `counts`.

    `keys` are those of `line_features`. Lines with too few letters outside names say too little and are left alone.
    """
    judged = [index for index, line in enumerate(lines) if sum(map(len, words_of(line))) >= MIN_LETTERS]
    codes = identifier.other_languages([lines[index] for index in judged])
    counts.checked += len(lines)
    counts.too_short += len(lines) - len(judged)
    examples_by_code: dict[str, list[tuple[int, str]]] = {}
    foreign = numpy.zeros(len(lines), dtype=bool)
    for index, code in zip(judged, codes, strict=True):
        if code is not None:
            foreign[index] = True
            examples_by_code.setdefault(code, []).append((int(keys[index]), lines[index]))
    for code, examples in examples_by_code.items():
        counts.lines[code] += len(examples)
        counts._add_examples(code, examples)
    return foreign


def describe_languages(facts: Mapping[str, Any]) -> str:
    """What the check found, from the facts of a manifest, in one line."""
    by_language = ", ".join(f"{language} {count:,}" for language, count in facts["lines"].items())
    return (
        f"lines that look like another language: {sum(facts['lines'].values()):,} of {facts['checked']:,}"
        f"{f' ({by_language})' if by_language else ''}; {facts['too_short']:,} are too short to tell"
    )
