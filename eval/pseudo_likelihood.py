"""The log-likelihood of each token of a sentence that is masked, in two variants.

- Only that token is masked (Salazar et al. 2020, arXiv 1910.14659).
- The later tokens of its word are masked, too, so that they cannot give it away (PLL-word-l2r of Kauf and Ivanova 2023,
  "A Better Way to Do Masked Language Model Scoring", arXiv 2305.10588).

Each variant takes a masked copy of the sentence for each token. The last token of a word, and so every word of one
token, has the same copy in both, which is scored once. Copies of all sentences share batches, sorted by length so that
there is little padding. Each copy needs one prediction, so the model's last block (after its attention) and its LM head
run only at that position: see `training.mlm.MaskedLM.logits`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..training.batches import collate
from ..training.fast.fused_cross_entropy import LOGITS_BYTES
from ..training.mlm import MaskedLM
from ..workspace.progress import QUIET, Progress
from .perplexity import SentenceScore
from .segmentation import word_ends


class MaskedCopy(NamedTuple):
    """A sentence whose tokens from `position` up to `end` are masked; the one at `position` is predicted."""

    sentence: int
    position: int
    end: int


def score_sentences(
    model: MaskedLM,
    tokenizer: Any,
    sentences: Sequence[str],
    *,
    max_length: int,
    batch_tokens: int,
    within_word_l2r: bool = True,
    progress: Progress = QUIET,
    label: str = "pseudo-perplexity",
) -> list[SentenceScore]:
    """Score sentences, in their order; `batch_tokens` is the number of tokens (with padding) in one forward pass.

    Without `within_word_l2r` only the first variant is computed. Runs in the model's own precision. Pass it in fp32:
    bf16 changes pseudo-perplexity by up to 2%.
    """
    encoded = tokenizer(
        list(sentences),
        truncation=True,
        max_length=max_length,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    ids, is_special = encoded["input_ids"], encoded["special_tokens_mask"]
    ends: list[list[int]] = [
        word_ends(text, offsets, special) if within_word_l2r else list(range(1, len(offsets) + 1))
        for text, offsets, special in zip(sentences, encoded["offset_mapping"], is_special, strict=True)
    ]
    nll, nll_l2r, special_nll = ([0.0] * len(sentences) for _ in range(3))
    max_copies = max(1, LOGITS_BYTES // (4 * len(tokenizer)))  # each copy has one row of fp32 logits
    total = sum(1 for _ in _batches(ends, batch_tokens, max_copies))
    model.eval()
    # batches take equally long, so that the remaining time is right
    for copies in progress.track(_batches(ends, batch_tokens, max_copies), f"{label}, batches", total):
        for copy, loss in zip(copies, _losses(model, tokenizer, ids, copies), strict=True):
            sentence, position, end = copy
            if is_special[sentence][position]:
                special_nll[sentence] += loss
            else:
                nll[sentence] += loss if end == position + 1 else 0.0
                nll_l2r[sentence] += loss if end == ends[sentence][position] else 0.0
    return [
        _sentence_score(
            text,
            encoded,
            index,
            tokenizer.unk_token_id,
            nll=nll[index],
            nll_l2r=nll_l2r[index] if within_word_l2r else None,
            special_nll=special_nll[index],
        )
        for index, text in enumerate(sentences)
    ]


def _sentence_score(text: str, encoded: Any, index: int, unknown_id: int | None, **nats: Any) -> SentenceScore:
    """The score of the sentence `text`, which is `encoded` at `index`, from its sums of -ln p."""
    ids, is_special = encoded["input_ids"][index], encoded["special_tokens_mask"][index]
    positions = [position for position, special in enumerate(is_special) if not special]
    covered = text
    if encoded.encodings[index].overflowing:  # truncated: only what was scored counts for bits per character
        offsets = encoded["offset_mapping"][index]
        covered = text[: max((offsets[position][1] for position in positions), default=0)]
    return SentenceScore(
        tokens=len(positions),
        unknown=sum(ids[position] == unknown_id for position in positions),
        characters=len(covered),
        bytes=len(covered.encode()),
        special=len(ids) - len(positions),
        **nats,
    )


def _masked_copies(ends: Sequence[Sequence[int]]) -> Iterator[MaskedCopy]:
    """Each distinct masked copy of all sentences, from short ones to long; `ends` are their words' (`word_ends`)."""
    for sentence in sorted(range(len(ends)), key=lambda index: len(ends[index])):
        for position, word_end in enumerate(ends[sentence]):
            yield MaskedCopy(sentence, position, position + 1)
            if word_end > position + 1:
                yield MaskedCopy(sentence, position, word_end)


def _batches(ends: Sequence[Sequence[int]], batch_tokens: int, max_copies: int) -> Iterator[list[MaskedCopy]]:
    """The masked copies in batches of at most `max_copies` and of `batch_tokens` tokens with padding."""
    batch: list[MaskedCopy] = []
    for copy in _masked_copies(ends):
        # From short to long: the copy that is added is the longest of its batch, whose length all are padded to.
        length = len(ends[copy.sentence])
        if batch and (len(batch) == max_copies or (len(batch) + 1) * length > batch_tokens):
            yield batch
            batch = []
        batch.append(copy)
    if batch:
        yield batch


@torch.no_grad()
def _losses(model: MaskedLM, tokenizer: Any, ids: Sequence[Sequence[int]], copies: Sequence[MaskedCopy]) -> list[float]:
    """-ln p of the true token at the predicted position of each copy."""
    batch = collate([ids[copy.sentence] for copy in copies], tokenizer.pad_token_id)
    input_ids = batch["input_ids"]
    starts, ends = (torch.tensor(column)[:, None] for column in list(zip(*copies, strict=True))[1:])
    columns = torch.arange(input_ids.shape[1])
    predicted = columns == starts  # (copies, longest), once in each row
    targets = input_ids[predicted]
    input_ids[(columns >= starts) & (columns < ends)] = tokenizer.mask_token_id
    device = next(model.parameters()).device
    logits: Tensor = model.logits(input_ids.to(device), batch["attention_mask"].to(device), predicted.to(device))
    losses = torch.nn.functional.cross_entropy(logits.float(), targets.to(device), reduction="none")
    return losses.tolist()
