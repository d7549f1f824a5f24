from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.recipes.artifacts import Artifact
from lrl_adapt.training.base import tokenizer_hash
from lrl_adapt.training.data import Sequences, collate, plan_batches, tokenise, tokens_artifact
from lrl_adapt.training.wordpiece import train_tokenizer

TEXTS = ["Paka wanalala.", "Mbwa anabweka usiku kucha karibu na nyumba yetu.", "Ndege huruka."] * 20


def prepared(folder: Path, texts: list[str]) -> Artifact:
    def make(draft) -> None:
        for split in ("train", "validation", "test"):
            table = pyarrow.table({"document": texts, "text": texts})
            pyarrow.parquet.write_table(table, draft.folder / f"{split}.parquet")

    artifact = Artifact(folder, "corpus", "corpus", {"texts": texts})
    artifact.build(make)
    return artifact


def test_all_text_is_tokenised_and_long_text_is_cut_into_pieces(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    artifact = tokens_artifact([prepared(tmp_path, TEXTS)], tokenizer_hash(tokenizer), 8, tmp_path)
    tokenise(artifact, tokenizer, 8)
    data = Sequences(artifact.folder / "train.arrow", tokenizer.pad_token_id)
    batch = data.batch(np.arange(len(data)))
    assert batch["input_ids"].shape[1] == 8
    inner = [id_ for row in batch["input_ids"].tolist() for id_ in row if id_ not in tokenizer.all_special_ids]
    assert inner == [id_ for text in TEXTS for id_ in tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert artifact.manifest()["facts"]["train"] == {"sequences": len(data), "tokens": int(data.lengths.sum())}


def test_tokens_are_another_artifact_for_another_tokenizer_or_length(tmp_path: Path) -> None:
    source = prepared(tmp_path, TEXTS)
    first, second = (tokenizer_hash(train_tokenizer(TEXTS, size)) for size in (60, 120))
    keys = {tokens_artifact([source], key, length, tmp_path).key for key in (first, second) for length in (8, 16)}
    assert len(keys) == 4


def test_batches_hold_every_sequence_once_within_the_budget_and_with_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(3, 120, 5000)
    batches = plan_batches(lengths, 2048, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(5000))
    padded = [len(rows) * lengths[rows].max() for rows in batches]
    assert max(padded) <= 2048
    assert sum(padded) < 1.03 * lengths.sum()


def test_batches_come_in_another_order_in_another_epoch() -> None:
    lengths = np.random.default_rng(0).integers(3, 50, 300)
    first, again, other = (plan_batches(lengths, 256, np.random.default_rng((1, epoch))) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in other]


def test_a_sequence_over_the_budget_is_a_batch_of_its_own() -> None:
    batches = plan_batches(np.array([5, 900, 5]), 100, np.random.default_rng(0))
    assert sorted(map(sorted, (rows.tolist() for rows in batches))) == [[0, 2], [1]]


def test_collate_pads_on_the_right() -> None:
    batch = collate([[1, 2, 3], [4]], 0)
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("size", [60, 120])
def test_wordpiece_keeps_its_size_and_covers_its_text(size: int) -> None:
    tokenizer = train_tokenizer(TEXTS, size)
    assert len(tokenizer) <= size
    assert tokenizer.unk_token_id not in [id_ for text in TEXTS for id_ in tokenizer(text)["input_ids"]]
    assert (
        tokenizer.decode(tokenizer("Paka huruka usiku.")["input_ids"], skip_special_tokens=True) == "Paka huruka usiku."
    )


def test_wordpiece_is_the_same_for_the_same_text_in_any_order() -> None:
    assert train_tokenizer(TEXTS, 120).get_vocab() == train_tokenizer(sorted(TEXTS), 120).get_vocab()


def test_wordpiece_merges_the_most_frequent_neighbours_first() -> None:
    from collections import Counter

    from lrl_adapt.training.wordpiece import learn_pieces

    # a ##b stands 7 times, ##b ##c 5, x ##y 4: the merge of a ##b leaves "ab ##c" 5 times
    pieces = learn_pieces(Counter({"abc": 5, "ab": 2, "xy": 4}), 8)
    assert pieces == ["##b", "##c", "##y", "a", "x", "ab", "abc", "xy"]
