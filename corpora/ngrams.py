"""A model of character n-grams that tells a language from its neighbours, trained on a few hundred lines of each.

Multinomial naive Bayes on the n-grams of words (Cavnar and Trenkle 1994, McCallum and Nigam 1998), with three changes
that keep it from accusing lines of the language itself (measured by benchmarks/identify.py):

- Neighbouring n-grams are far from independent, so plain naive Bayes is nearly always certain. Its scores are divided
  by a temperature (Guo et al. 2017), chosen on lines that the model was not trained on.
- Words that begin with a capital do not count: names say little of the language of a sentence.
- A line is another language's only if both of its halves look like it, which spares lines that mix languages.

The n-grams of a whole batch are counted with numpy: scikit-learn's `HashingVectorizer` takes five times as long. Its
logistic regression (SGD) finds about as many lines, but accuses up to ten times as many where there is little text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
import regex
from scipy.sparse import csr_matrix

from .code_points import Array, code_points, mix_bits, multiplier

LENGTHS = (1, 2, 3, 4)  # of the n-grams
HASH_BITS = 18
BUCKETS = 1 << HASH_BITS
SMOOTHING = 0.1  # occurrences that each n-gram is given in each language
TEMPERATURES = [2 ** (step / 2) for step in range(13)]  # 1 to 64
MISLABELLED = 0.05  # share of training lines in another language than their file says; see `_loss` and below
WORD = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}\p{Cf}'’ʼʻ‘`-]*")


@dataclass(frozen=True)
class NgramModel:
    """What `train_ngrams` has learned."""

    languages: tuple[str, ...]
    """Codes; the first is the language itself."""
    weights: Array
    """Log-probability of each n-gram in each language, float32 (BUCKETS, languages)."""
    temperature: float
    """By which the summed weights of a line are divided."""

    def probabilities(self, lines: Sequence[str]) -> tuple[Array, Array]:
        """How probable each language is, float64 (lines, languages); and whether no half favours the first, (lines,).

        Before any evidence, the language is as probable as all others together.
        """
        halves = [half for line in lines for half in split_in_two(" ".join(words_of(line)))]
        scores = count_ngrams(halves) @ self.weights
        first, second = scores[0::2], scores[1::2]
        no_half = (first[:, 0] <= first[:, 1:].max(axis=1)) & (second[:, 0] <= second[:, 1:].max(axis=1))
        return _softmax((first + second) / self.temperature + _log_prior(len(self.languages))), no_half


def train_ngrams(texts: Mapping[str, Sequence[str]]) -> NgramModel:
    """Learn from lines of at least two languages, by code, of which the first is to be told from the others.

    Lines that look like another language's when the model has not seen them are left out: trusted text may hold some
    of a neighbour's, and a neighbour's some of the language.
    """
    lines = [" ".join(words_of(line)) for language in texts.values() for line in language]
    labels = numpy.repeat(numpy.arange(len(texts)), [len(language) for language in texts.values()])
    counts = count_ngrams(lines)
    folds = numpy.arange(len(lines)) % 2
    scores = numpy.zeros((len(lines), len(texts)), dtype=numpy.float32)
    for fold in (0, 1):
        held_out = folds == fold
        scores[held_out] = counts[held_out] @ _log_probabilities(counts[~held_out], labels[~held_out], len(texts))
    temperature = min(TEMPERATURES, key=lambda value: _loss(scores / value, labels))
    probabilities = _softmax(scores / temperature)[numpy.arange(len(labels)), labels]  # of the labels
    clean = probabilities >= MISLABELLED
    return NgramModel(tuple(texts), _log_probabilities(counts[clean], labels[clean], len(texts)), temperature)


def words_of(line: str) -> list[str]:
    """The words of a line that say something of its language: those that do not begin with a capital."""
    return [word for word in WORD.findall(line) if not word[0].isupper()]


def split_in_two(text: str) -> tuple[str, str]:
    """A text cut at the first space after its middle, or in the middle where it has no spaces."""
    middle = text.find(" ", len(text) // 2)
    if middle < 0:
        middle = len(text) // 2
    return text[:middle], text[middle:].lstrip()


def count_ngrams(texts: Sequence[str]) -> csr_matrix:
    """The n-grams of each text by their hash, float32 (texts, BUCKETS); an entry for each, equal ones not yet added up.

    As in scikit-learn's `char_wb`, a word is preceded and followed by a space, and no n-gram reaches beyond it.
    """
    _, codes, starts, ends = code_points([f" {text} " for text in texts])
    rows = numpy.repeat(numpy.arange(len(texts)), ends - starts + 1)  # + 1 for the line break
    is_break = codes == ord("\n")
    is_space = codes == ord(" ")
    # How many spaces and line breaks come before each position, to see whether there is one between two positions.
    stops = numpy.concatenate(([0], numpy.cumsum(is_space | is_break)))
    hashes = numpy.zeros(len(codes), dtype=numpy.uint64)
    columns, row_parts = [], []
    for length in range(1, max(LENGTHS) + 1):
        positions = max(len(codes) - length + 1, 0)
        last = slice(length - 1, length - 1 + positions)
        hashes = hashes[:positions] + codes[last].astype(numpy.uint64) * multiplier(length)
        whole = ~is_break[:positions] & ~is_break[last]
        if length > 2:
            whole &= stops[last] == stops[1 : positions + 1]
        else:
            whole &= ~(is_space[:positions] & is_space[last])
        columns.append((mix_bits(hashes[whole]) >> numpy.uint64(64 - HASH_BITS)).astype(numpy.int32))
        row_parts.append(rows[:positions][whole])
    row = numpy.concatenate(row_parts)
    order = numpy.argsort(row, kind="stable")
    pointers = numpy.concatenate(([0], numpy.cumsum(numpy.bincount(row, minlength=len(texts)))))
    ones = numpy.ones(len(row), dtype=numpy.float32)
    return csr_matrix((ones, numpy.concatenate(columns)[order], pointers), shape=(len(texts), BUCKETS))


def _log_probabilities(counts: csr_matrix, labels: Array, languages: int) -> Array:
    """Smoothed log-probabilities of the n-grams in each language, float32 (BUCKETS, languages)."""
    totals = numpy.empty((BUCKETS, languages))
    for language in range(languages):
        totals[:, language] = numpy.bincount(counts[labels == language].indices, minlength=BUCKETS)
    totals += SMOOTHING
    return numpy.log(totals / totals.sum(axis=0)).astype(numpy.float32)


def _log_prior(languages: int) -> Array:
    """1/2 for the first language, and the rest shared out between the others."""
    return numpy.log(numpy.array([0.5] + [0.5 / (languages - 1)] * (languages - 1)))


def _loss(scores: Array, labels: Array) -> float:
    """Cross-entropy, in which every language weighs the same and a share of the labels is taken to be random.

    Without that share, a few lines in the wrong file would make the model unsure of everything.
    """
    probabilities = _softmax(scores)[numpy.arange(len(labels)), labels]  # of the labels
    weights = 1 / numpy.bincount(labels)[labels]
    return float(-(weights * numpy.log((1 - MISLABELLED) * probabilities + MISLABELLED / scores.shape[1])).sum())


def _softmax(scores: Array) -> Array:
    powers = numpy.exp(scores - scores.max(axis=1, keepdims=True), dtype=numpy.float64)
    return powers / powers.sum(axis=1, keepdims=True)
