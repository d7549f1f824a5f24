"""Pseudo-perplexity (Salazar et al. 2020, "Masked Language Model Scoring", equation 3)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..training.batches import collate
from ..training.fast.fused_cross_entropy import LOGITS_BYTES
from ..training.mlm import MaskedLM
from ..workspace.progress import QUIET, Progress
from .metrics import RESAMPLES, Measure, percentiles

_NUMBERS = ("nll", "tokens", "unknown", "characters", "bytes")


@dataclass(frozen=True)
class SentenceScore:
    """One sentence: the sum of -ln p of its tokens, each guessed with that token alone masked."""

    nll: float
    """In nats."""
    tokens: int
    """Tokens guessed; special tokens are not."""
    unknown: int
    """Of these, [UNK]."""
    characters: int
    """Characters of the text that the tokens cover (less than the sentence where it was cut)."""
    bytes: int
    """The same text's bytes in UTF-8."""
    special_nll: float
    """In nats, of the special tokens around the sentence, masked too; for the paper's figure alone."""
    special: int
    """Special tokens."""


def score_sentences(
    model: MaskedLM,
    tokenizer: Any,
    sentences: Sequence[str],
    *,
    max_length: int,
    batch_tokens: int,
    progress: Progress = QUIET,
    label: str = "pseudo-perplexity",
) -> list[SentenceScore]:
    """Score sentences in order; many masked copies go into one forward, logits are built at the masked place alone.

    In the model's own precision; give it in fp32: bf16 moves pseudo-perplexity by up to 2 %.
    """
    encoded = tokenizer(
        list(sentences),
        truncation=True,
        max_length=max_length,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    nll = [[0.0, 0.0] for _ in sentences]
    model.eval()
    total = sum(map(len, ids))
    ticks = iter(progress.track(range(total), label, total))
    most = max(1, LOGITS_BYTES // (4 * len(tokenizer)))
    for some in _copies(ids, batch_tokens, most):
        for (row, place), loss in zip(some, _losses(model, tokenizer, ids, some), strict=True):
            nll[row][special[row][place]] += loss
            next(ticks, None)
    next(ticks, None)
    scores = []
    for row, text in enumerate(sentences):
        places = [place for place, of_model in enumerate(special[row]) if not of_model]
        end = max((encoded["offset_mapping"][row][place][1] for place in places), default=0)
        covered = text[:end] if encoded.encodings[row].overflowing else text
        scores.append(
            SentenceScore(
                nll[row][0],
                len(places),
                sum(ids[row][place] == tokenizer.unk_token_id for place in places),
                len(covered),
                len(covered.encode()),
                nll[row][1],
                len(ids[row]) - len(places),
            )
        )
    return scores


def count_cut(scores: Sequence[SentenceScore], sentences: Sequence[str]) -> int:
    """Sentences of which the end was left out because they are longer than `max_length`."""
    return sum(score.characters < len(text) for score, text in zip(scores, sentences, strict=True))


def from_row(row: dict[str, Any]) -> SentenceScore:
    """A sentence's score from its row in `predictions.jsonl`."""
    return SentenceScore(**{field.name: row[field.name] for field in fields(SentenceScore)})


def measures(scores: Sequence[SentenceScore]) -> list[Measure]:
    """The figures that are ratios of sums, in the order they are told.

    `pseudo_perplexity`: corpus level, exp of the mean -ln p per token. `pseudo_perplexity_paper`: special tokens masked
    and counted too, mean over sentences of exp of the mean -ln p (arXiv 2502.10140), which a few bad sentences decide.
    `bits_per_character`, `bits_per_byte`: the same likelihood in units that do not depend on the tokenizer.
    `unknown_share`: share of [UNK] among the tokens; above a few percent the other figures mean little.
    Sentences without tokens count in none of them.
    """
    scores = [score for score in scores if score.tokens] or scores
    table = {name: np.array([getattr(score, name) for score in scores], dtype=float) for name in _NUMBERS}
    bits, each = table["nll"] / math.log(2), np.ones(len(scores))
    papers = np.array([_of_sentence(score, special=True) for score in scores])

    def ratio(metric: str, above: np.ndarray, below: np.ndarray, change: Any = np.asarray) -> Measure:
        return Measure(
            metric, np.stack([above, below], 1), lambda sums: change(sums[..., 0] / np.maximum(1, sums[..., 1]))
        )

    return [
        ratio("pseudo_perplexity", table["nll"], table["tokens"], _exp),
        ratio("pseudo_perplexity_paper", papers, each),
        ratio("bits_per_character", bits, table["characters"]),
        ratio("bits_per_byte", bits, table["bytes"]),
        ratio("unknown_share", table["unknown"], table["tokens"]),
    ]


def median(scores: Sequence[SentenceScore], seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Median over sentences of their pseudo-perplexity (no special tokens), and its 95 % bootstrap interval."""
    each = np.array([_of_sentence(score) for score in scores if score.tokens] or [1.0])
    drawn = np.random.default_rng(seed).integers(len(each), size=(RESAMPLES, len(each)))
    return float(np.median(each)), percentiles(np.median(each[drawn], axis=1))


def _of_sentence(score: SentenceScore, *, special: bool = False) -> float:
    nll = score.nll + (score.special_nll if special else 0)
    return float(_exp(nll / max(1, score.tokens + (score.special if special else 0))))


def _exp(nats: Any) -> Any:
    return np.exp(np.minimum(nats, 700))  # beyond, a float ends


def _copies(ids: Sequence[Sequence[int]], batch_tokens: int, most: int) -> Iterator[list[tuple[int, int]]]:
    """(sentence, place) pairs, at most `most` a group, padded within `batch_tokens`; like lengths together."""
    some: list[tuple[int, int]] = []
    for row in sorted(range(len(ids)), key=lambda row: len(ids[row])):
        for place in range(len(ids[row])):
            if some and (len(some) == most or (len(some) + 1) * len(ids[row]) > batch_tokens):
                yield some
                some = []
            some.append((row, place))
    if some:
        yield some


@torch.no_grad()
def _losses(
    model: MaskedLM, tokenizer: Any, ids: Sequence[Sequence[int]], some: Sequence[tuple[int, int]]
) -> list[float]:
    """-ln p of the true token for each (sentence, place)."""
    batch = collate([ids[row] for row, _ in some], tokenizer.pad_token_id)
    rows, columns = torch.arange(len(some)), torch.tensor([place for _, place in some])
    true = batch["input_ids"][rows, columns].clone()
    batch["input_ids"][rows, columns] = tokenizer.mask_token_id
    asked = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
    asked[rows, columns] = True
    device = next(model.parameters()).device
    logits: Tensor = model.logits(batch["input_ids"].to(device), batch["attention_mask"].to(device), asked.to(device))
    return torch.nn.functional.cross_entropy(logits.float(), true.to(device), reduction="none").tolist()
