"""Learning new pieces from the words that a tokenizer splits badly or cannot read."""

import math
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, KeysView, Mapping
from typing import Any

from ..wordpiece import CONTINUATION, learn_pieces
from .byte_level import BpeSplitter, learn_merged_pieces
from .splitter import Splitter, bare

# Share of the characters of badly read words that new pieces cover, as SentencePiece's character_coverage: the rest are
# rare signs, which are better left [UNK] than given a row that is hardly ever trained.
COVERAGE = 0.9995
SHORTEST_BAD_WORD = 3  # characters; a shorter word is no evidence of bad splitting
# Rounds of counting pieces in the best splits under the scores so far; the scores hardly change after that.
SCORE_ROUNDS = 3
# With pieces: auto. Two hundred characters are about a hundred tokens, so a new row has a hundred examples on average.
CHARACTERS_PER_PIECE = 200
MOST_PIECES = 8000
LEAST_BAD_SHARE = 0.01  # of the characters; less is foreign words and typing errors


def splitter_of(state: Mapping[str, Any], words: Iterable[str]) -> Splitter:
    """The model in `state`, a tokenizer.json's content, for words of the same characters as these."""
    model = state["model"]
    return BpeSplitter(model, {}) if model["type"] == "BPE" else Splitter.of_tokenizer(state, words)


def learn_new_pieces(splitter: Splitter, known: Collection[str], words: Counter[str], most: int) -> dict[str, Any]:
    """At most `most` pieces that are not in `known`, with their log-probabilities: characters, then the most frequent.

    For byte-level BPE, whose bytes are all known, they are merges, each with its two parts (`learn_merged_pieces`).

    Only words that `splitter` reads badly count (`reads_badly`). Pieces are characters, then merges of the most
    frequent neighbours (`learn_pieces`), without those that are then never used; a character stays. Unigram's
    scores are counted in the best split of every word, under scores that start from the order of the merges: hard
    expectation maximisation, in the place of the sums over all splits of Kudo 2018 (https://arxiv.org/abs/1804.10959).
    The trainer of the tokenizers library gives other scores in each run, and takes minutes where words are long.
    """
    bad = Counter({word: count for word, count in words.items() if reads_badly(splitter, word)})
    if isinstance(splitter, BpeSplitter):
        return learn_merged_pieces(splitter, known, bad, most)
    covered = _covered_characters(bad)
    bad = Counter({word: count for word, count in bad.items() if covered >= set(bare(word))})
    if not bad or not most:
        return {}
    is_wordpiece = splitter.kind == "WordPiece"
    marks = ("", CONTINUATION) if is_wordpiece else ("",)
    characters = [piece for letter in covered for mark in marks if (piece := mark + letter) not in known][:most]
    learnt = learn_pieces(bad if is_wordpiece else _units(bad), 2 * (most + len(covered)), characters)
    if not is_wordpiece:
        learnt = [piece.removeprefix(CONTINUATION) for piece in learnt]
    merges = [piece for piece in dict.fromkeys(learnt) if len(bare(piece)) > 1 and piece not in known]
    merges = merges[: most - len(characters)]
    scores = {piece: -math.log(10 + rank) for rank, piece in enumerate([*merges, *characters])}
    for _ in range(SCORE_ROUNDS if not is_wordpiece else 1):
        scores = _rescored(splitter, scores, words, characters)
    return {piece: scores[piece] for piece in (*characters, *merges) if piece in scores}


def number_of_pieces(splitter: Splitter, words: Counter[str]) -> int:
    """How many pieces to learn on counted words with `pieces: auto`: 0 if the base reads them well."""
    all_characters = sum(splitter.length(word) * count for word, count in words.items())
    badly_read = sum(splitter.length(word) * count for word, count in words.items() if reads_badly(splitter, word))
    if badly_read < LEAST_BAD_SHARE * all_characters:
        return 0
    return min(MOST_PIECES, badly_read // CHARACTERS_PER_PIECE)


def reads_badly(splitter: Splitter, word: str) -> bool:
    """Whether a word has unknown pieces, or at least half of its characters are pieces of their own.

    In byte-level BPE no piece is unknown, but a character may be more than one piece: such a word is read badly, too.
    """
    alone = 0
    for piece in splitter.split(word):
        if piece is None or splitter.is_partial(piece):
            return True
        alone += splitter.length(piece) == 1
    length = splitter.length(word)
    return length >= SHORTEST_BAD_WORD and 2 * alone >= length


def _covered_characters(words: Counter[str]) -> KeysView[str]:
    """The most frequent characters of counted words, first the most frequent: `COVERAGE` of the text."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in bare(word):
            counts[character] += count
    remaining = COVERAGE * counts.total()
    covered: dict[str, None] = {}
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if remaining <= 0:
            break
        covered[character] = None
        remaining -= count
    return covered.keys()


def _units(words: Counter[str]) -> Counter[str]:
    """What lies between punctuation, with the sign that ends it: syllables of Tibetan, words elsewhere.

    SentencePiece's words end at white space only, and where none is written they are whole clauses.
    """
    units: Counter[str] = Counter()
    for word, count in words.items():
        start = 0
        for end, character in enumerate(word, 1):
            if end == len(word) or unicodedata.category(character).startswith("P"):
                units[word[start:end]] += count
                start = end
    return units


def _rescored(
    splitter: Splitter, scores: dict[str, float], words: Counter[str], always: Collection[str]
) -> dict[str, float]:
    """Log-probabilities by how often each piece is used in the splits of `words`; unused ones only if in `always`."""
    used: Counter[Any] = splitter.with_pieces(scores).count_pieces(words)
    total, always = used.total(), set(always)
    return {piece: math.log(max(used[piece], 0.5) / total) for piece in scores if used[piece] or piece in always}
