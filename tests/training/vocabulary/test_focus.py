"""FOCUS: new rows as sparse means of rows of the base's pieces."""

import random
from pathlib import Path

import pyarrow
import pyarrow.ipc
import pytest
import torch
from lrl_adapt.training.tokens import Sequences
from lrl_adapt.training.vocabulary import focus
from lrl_adapt.training.vocabulary.extend import vocabulary_size
from lrl_adapt.training.vocabulary.focus import focus_rows, mix_rows, sparsemax
from lrl_adapt.training.vocabulary.rows import initial_rows
from lrl_adapt.workspace.errors import UserError

from ...bases import TEXTS
from ...tiny_tokenizers import wordpiece
from .test_new_pieces import TIBETAN, learn

SCHEMA = pyarrow.schema({"input_ids": pyarrow.list_(pyarrow.int32())})


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    scores = torch.tensor([[1.0, 0.5, -1.0], [0.2, 0.2, 0.2], [3.0, 1.0, 1.9]])
    want = torch.tensor([[0.75, 0.25, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(sparsemax(scores), want)
    many = torch.randn(50, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = sparsemax(many)
    torch.testing.assert_close(weights.sum(1), torch.ones(50, dtype=torch.float64))
    # the conditions of the projection: scores - weights is the same where a weight is above 0, and no larger elsewhere
    rest = many - weights
    threshold = torch.where(weights > 0, rest, -torch.inf).amax(1, keepdim=True)
    assert (torch.where(weights > 0, rest - threshold, 0).abs() < 1e-9).all()
    assert (many[weights == 0] <= threshold.expand_as(many)[weights == 0] + 1e-9).all()


def test_a_row_is_the_mean_of_similar_ones() -> None:
    shared = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    rows = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [9.0, 9.0, 9.0]])
    new = torch.tensor([[5.0, 0.0], [2.0, 2.0]])
    # cosines (1, 0, -1) and (0.71, 0.71, -0.71): weights (1, 0, 0) and (0.5, 0.5, 0)
    torch.testing.assert_close(mix_rows(new, shared, rows), torch.tensor([[1.0, 1.0, 1.0], [1.5, 1.5, 1.5]]))


def test_new_pieces_start_from_those_that_the_text_shares(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    tokenizer = wordpiece(TEXTS)
    words = [*TEXTS[0].split(), *TIBETAN[0].split("་")]
    texts = [" ".join(random.Random(number).choices(words, k=12)) for number in range(300)]
    extended, pieces = learn(tokenizer, texts)
    size = vocabulary_size(tokenizer)
    batch = pyarrow.record_batch({"input_ids": extended(texts)["input_ids"]}, schema=SCHEMA)
    with pyarrow.ipc.new_stream(tmp_path / "train.arrow", SCHEMA) as writer:
        writer.write_batch(batch)
    data = [Sequences(tmp_path / "train.arrow")]
    embeddings = torch.randn(size, 8, generator=torch.Generator().manual_seed(0))
    first, second = (focus_rows(embeddings, data, extended, size, 7) for _ in range(2))
    assert len(first) > 5
    assert first.keys() <= set(range(size, size + len(pieces)))
    assert all(torch.equal(first[number], second[number]) for number in first)
    low, high = embeddings.min(0).values, embeddings.max(0).values
    assert all((row >= low - 1e-6).all() and (row <= high + 1e-6).all() for row in first.values())
    names = extended.convert_ids_to_tokens(list(first))
    known = dict(zip(names, first.values(), strict=True))
    rows = initial_rows(embeddings, tokenizer, list(pieces), "focus", 5, known)
    assert torch.equal(rows[list(pieces).index(names[0])], first[next(iter(first))])


def test_gensim_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focus, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"focus needs gensim: pip install 'lrl-adapt\[focus\]'"):
        focus.require_gensim()
