"""The log-likelihood of each token of a sentence with only that token masked (Salazar et al. 2020, arXiv 1910.14659).

A sentence of n tokens takes n copies, each with another token masked. Copies of all sentences share batches, sorted by
length so that there is little padding. Each copy needs one prediction, so the model's last block (after its attention)
and its LM head run only at the masked position: see `training.mlm.MaskedLM.logits`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..training.batches import collate
from ..training.fast.fused_cross_entropy import LOGITS_BYTES
from ..training.mlm import MaskedLM
from ..workspace.progress import QUIET, Progress
from .perplexity import SentenceScore

MaskedCopy = tuple[int, int]  # index of the sentence, position of the masked token in it


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
    """Score sentences, in their order; `batch_tokens` is the number of tokens (with padding) in one forward pass.

    Runs in the model's own precision. Pass it in fp32: bf16 changes pseudo-perplexity by up to 2 %.
    """
    encoded = tokenizer(
        list(sentences),
        truncation=True,
        max_length=max_length,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    ids, is_special = encoded["input_ids"], encoded["special_tokens_mask"]
    nll, special_nll = [0.0] * len(sentences), [0.0] * len(sentences)
    max_copies = max(1, LOGITS_BYTES // (4 * len(tokenizer)))  # each copy has one row of fp32 logits
    total = sum(map(len, ids))
    bar = iter(progress.track(range(total), label, total))  # counts masked copies, of which a batch holds many
    model.eval()
    for copies in _batches(ids, batch_tokens, max_copies):
        for (sentence, position), loss in zip(copies, _losses(model, tokenizer, ids, copies), strict=True):
            sums = special_nll if is_special[sentence][position] else nll
            sums[sentence] += loss
            next(bar, None)
    next(bar, None)  # lets the bar see its end
    return [
        _sentence_score(text, encoded, index, tokenizer.unk_token_id, nll[index], special_nll[index])
        for index, text in enumerate(sentences)
    ]


def _sentence_score(
    text: str, encoded: Any, index: int, unknown_id: int | None, nll: float, special_nll: float
) -> SentenceScore:
    """The score of the sentence `text`, which is `encoded` at `index`."""
    ids, is_special = encoded["input_ids"][index], encoded["special_tokens_mask"][index]
    positions = [position for position, special in enumerate(is_special) if not special]
    covered = text
    if encoded.encodings[index].overflowing:  # truncated: only what was scored counts for bits per character
        offsets = encoded["offset_mapping"][index]
        covered = text[: max((offsets[position][1] for position in positions), default=0)]
    return SentenceScore(
        nll=nll,
        tokens=len(positions),
        unknown=sum(ids[position] == unknown_id for position in positions),
        characters=len(covered),
        bytes=len(covered.encode()),
        special_nll=special_nll,
        special=len(ids) - len(positions),
    )


def _batches(ids: Sequence[Sequence[int]], batch_tokens: int, max_copies: int) -> Iterator[list[MaskedCopy]]:
    """Masked copies of all sentences, in batches of at most `max_copies` and of `batch_tokens` tokens with padding."""
    batch: list[MaskedCopy] = []
    # From short to long: the copy that is added is the longest of its batch, whose length all are padded to.
    for sentence in sorted(range(len(ids)), key=lambda index: len(ids[index])):
        length = len(ids[sentence])
        for position in range(length):
            if batch and (len(batch) == max_copies or (len(batch) + 1) * length > batch_tokens):
                yield batch
                batch = []
            batch.append((sentence, position))
    if batch:
        yield batch


@torch.no_grad()
def _losses(model: MaskedLM, tokenizer: Any, ids: Sequence[Sequence[int]], copies: Sequence[MaskedCopy]) -> list[float]:
    """-ln p of the true token at the masked position of each copy."""
    batch = collate([ids[sentence] for sentence, _ in copies], tokenizer.pad_token_id)
    rows, columns = torch.arange(len(copies)), torch.tensor([position for _, position in copies])
    targets = batch["input_ids"][rows, columns].clone()
    batch["input_ids"][rows, columns] = tokenizer.mask_token_id
    masked = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
    masked[rows, columns] = True
    device = next(model.parameters()).device
    logits: Tensor = model.logits(batch["input_ids"].to(device), batch["attention_mask"].to(device), masked.to(device))
    losses = torch.nn.functional.cross_entropy(logits.float(), targets.to(device), reduction="none")
    return losses.tolist()
