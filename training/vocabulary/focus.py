"""FOCUS (Dobler and de Melo 2023, https://arxiv.org/abs/2305.14481): rows of new pieces from those of similar pieces.

Pieces of the language's text, as the longer vocabulary splits it, get auxiliary vectors by fastText. A new piece starts
as the mean of the base's rows of the pieces that the text shares with it, weighted by the sparsemax (Martins and
Astudillo 2016, https://arxiv.org/abs/1602.02068) of the cosines between its auxiliary vector and theirs.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...workspace.errors import UserError
from ..tokens import Sequences
from .extend import vocabulary_size

# The authors' settings of fastText (https://github.com/konstantinjdobler/focus, train_fasttext and FOCUS).
# Except for `bucket`, the vectors of parts of pieces: with gensim's 2,000,000 these take 800 MB in each process.
FASTTEXT: dict[str, Any] = {
    "vector_size": 100,
    "negative": 10,
    "epochs": 3,
    "min_count": 10,
    "sg": 0,
    "bucket": 200_000,
}
MOST_SEQUENCES = 50_000  # of the text that fastText is trained on; with more it takes long and learns little
SIMILARITIES_AT_ONCE = 256  # rows of new pieces, each with a similarity to all pieces of the base


def require_gensim() -> None:
    """Raise a UserError if gensim, whose fastText is used, is missing."""
    if find_spec("gensim") is None:
        raise UserError("vocabulary.initialisation: focus needs gensim: pip install 'lrl-adapt[focus]'")


def focus_rows(
    embeddings: Tensor, data: Sequence[Sequences], tokenizer: Any, size: int, seed: int
) -> dict[int, Tensor]:
    """By their ids, the rows (width,) of new pieces, those from `size` on, that are frequent enough in the text.

    `embeddings` are the base's, (vocabulary, width), and `tokenizer` the one with new pieces, which split the `data`.
    """
    vectors = auxiliary_vectors(data, tokenizer, seed)
    new = [number for number in vectors if number >= size]
    shared = [number for number in vectors if number < size]
    if not new or not shared:
        return {}
    rows = mix_rows(
        torch.stack([vectors[number] for number in new]),
        torch.stack([vectors[number] for number in shared]),
        embeddings.detach()[shared].float().cpu(),
    )
    return dict(zip(new, rows, strict=True))


def auxiliary_vectors(data: Sequence[Sequences], tokenizer: Any, seed: int) -> dict[int, Tensor]:
    """By the ids of pieces, without special tokens, vectors of fastText trained on tokenised text.

    One thread and a seed give the same vectors every time.
    """
    from gensim.models import FastText

    special = set(tokenizer.all_special_ids)
    names = tokenizer.convert_ids_to_tokens(list(range(vocabulary_size(tokenizer))))

    def sentences() -> Iterator[list[str]]:
        for tokens in data:
            step = -(-len(tokens) // MOST_SEQUENCES) or 1
            for start in range(0, len(tokens), step * 1000):
                for row in tokens.rows(np.arange(start, min(len(tokens), start + step * 1000), step)):
                    yield [names[number] for number in row if number not in special]

    texts = list(sentences())
    model = FastText(workers=1, seed=seed, **FASTTEXT)
    model.build_vocab(texts)
    if not model.wv.key_to_index:
        return {}
    model.train(texts, total_examples=len(texts), epochs=FASTTEXT["epochs"])
    ids = {name: number for number, name in enumerate(names)}
    return {ids[name]: torch.from_numpy(model.wv[name].copy()) for name in model.wv.key_to_index}


def mix_rows(new: Tensor, shared: Tensor, rows: Tensor) -> Tensor:
    """(new, auxiliary), (shared, auxiliary) and the rows of the shared pieces, (shared, width) -> (new, width)."""
    new, shared = (torch.nn.functional.normalize(vectors.float(), dim=-1) for vectors in (new, shared))
    return torch.cat([sparsemax(part @ shared.T) @ rows for part in new.split(SIMILARITIES_AT_ONCE)])


def sparsemax(scores: Tensor) -> Tensor:
    """The nearest point of the simplex, row by row: weights that sum to 1, most of them 0; (n, classes) -> the same.

    The weights are max(0, score - t). The k largest scores have one above 0, for the largest k with
    1 + k * (k-th score) > sum of the k largest, and t is (that sum - 1) / k (the paper's algorithm 1).
    """
    descending = scores.sort(-1, descending=True).values
    sums = descending.cumsum(-1)
    counts = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    support = (1 + counts * descending > sums).sum(-1, keepdim=True)
    threshold = (sums.gather(-1, support - 1) - 1) / support
    return (scores - threshold).clamp(min=0)
