"""Pseudo-perplexity and related figures from the log-likelihoods of masked tokens (pseudo_likelihood.py makes these).

Pseudo-perplexity: Salazar et al. 2020, "Masked Language Model Scoring" (arXiv 1910.14659), equation 3. Left to right
within words: Kauf and Ivanova 2023, "A Better Way to Do Masked Language Model Scoring" (arXiv 2305.10588).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .metrics import RESAMPLES, Metric, SumMetric, percentile_interval

MAX_EXPONENT = 700  # exp(710) is beyond what a float can hold


@dataclass(frozen=True)
class SentenceScore:
    """One sentence: the sum of -ln p of its tokens, each predicted with only that token masked."""

    nll: float
    """In nats."""
    tokens: int
    """Number of tokens that were predicted, without special tokens."""
    unknown: int
    """How many of these are [UNK]."""
    characters: int
    """Characters of the text that the tokens cover (fewer than in the sentence if it was truncated)."""
    bytes: int
    """Bytes of the same text in UTF-8."""
    special_nll: float
    """In nats, of the special tokens around the sentence, masked too. Used only for the paper's variant."""
    special: int
    """Number of special tokens."""
    nll_l2r: float | None = None
    """As `nll`, with the later tokens of the same word masked, too; None if not measured."""


def from_row(row: dict[str, Any]) -> SentenceScore:
    """A sentence's score from its row in `predictions.jsonl`."""
    row = {"nll_l2r": None} | row  # which earlier versions did not measure
    return SentenceScore(**{field.name: row[field.name] for field in fields(SentenceScore)})


def count_truncated(scores: Sequence[SentenceScore], sentences: Sequence[str]) -> int:
    """How many sentences were truncated because they are longer than `max_length`."""
    return sum(score.characters < len(text) for score, text in zip(scores, sentences, strict=True))


def perplexity_metrics(scores: Sequence[SentenceScore]) -> list[Metric]:
    """The metrics that are ratios of sums over sentences, in the order in which they are reported.

    `pseudo_perplexity`: corpus level, exp of the mean -ln p per token. `pseudo_perplexity_l2r`: the same from
    `SentenceScore.nll_l2r`, if all scores have it. `pseudo_perplexity_paper`: special tokens are masked and counted
    too, and exp of the mean -ln p is averaged over sentences (arXiv 2502.10140), so a few bad sentences can dominate
    it. `bits_per_character` (and `_l2r`), `bits_per_byte`: the same likelihood in units that do not depend on the
    tokenizer. `unknown_share`: share of [UNK] among the tokens; above a few percent the other figures mean little.
    Sentences without tokens count in none of them.
    """
    scores = [score for score in scores if score.tokens] or scores
    nll = _column(score.nll for score in scores)
    tokens = _column(score.tokens for score in scores)
    characters = _column(score.characters for score in scores)
    bytes_ = _column(score.bytes for score in scores)
    unknown = _column(score.unknown for score in scores)
    paper_perplexities = _column(sentence_perplexity(score, special_tokens=True) for score in scores)
    bits = nll / math.log(2)
    metrics = [
        _ratio("pseudo_perplexity", nll, tokens, _exp),
        _ratio("pseudo_perplexity_paper", paper_perplexities, np.ones(len(scores))),
        _ratio("bits_per_character", bits, characters),
        _ratio("bits_per_byte", bits, bytes_),
        _ratio("unknown_share", unknown, tokens),
    ]
    if all(score.nll_l2r is not None for score in scores):
        nll_l2r = _column(score.nll_l2r for score in scores)
        metrics.insert(1, _ratio("pseudo_perplexity_l2r", nll_l2r, tokens, _exp))
        metrics.insert(4, _ratio("bits_per_character_l2r", nll_l2r / math.log(2), characters))
    return metrics


def median_perplexity(scores: Sequence[SentenceScore], seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Median over sentences of their pseudo-perplexity (no special tokens), and its 95% bootstrap interval.

    A median is no function of sums, so the sentences' values are resampled instead of their statistics.
    """
    values = _column([sentence_perplexity(score) for score in scores if score.tokens] or [1.0])
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return float(np.median(values)), percentile_interval(np.median(values[drawn], axis=1))


def sentence_perplexity(score: SentenceScore, *, special_tokens: bool = False) -> float:
    """exp of the mean -ln p per token of one sentence."""
    nll, tokens = score.nll, score.tokens
    if special_tokens:
        nll, tokens = nll + score.special_nll, tokens + score.special
    return float(_exp(nll / max(1, tokens)))


def _ratio(
    name: str,
    numerators: np.ndarray,
    denominators: np.ndarray,
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Metric:
    """`transform` of the ratio of two sums, from one numerator and one denominator per sentence, each (sentences,)."""
    return SumMetric(
        name,
        np.stack([numerators, denominators], 1),
        lambda sums: transform(sums[..., 0] / np.maximum(1, sums[..., 1])),
    )


def _column(values: Any) -> np.ndarray:
    return np.array(list(values), dtype=float)


def _exp(nats: Any) -> Any:
    return np.exp(np.minimum(nats, MAX_EXPONENT))
