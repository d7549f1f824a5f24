import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.training.artifacts import tokens_artifact
from lrl_adapt.training.base import tokenizer_hash
from lrl_adapt.training.batches import (
    Layout,
    MaskedSteps,
    Sampler,
    collate,
    plan_batches,
    prefetch,
    split_between_processes,
)
from lrl_adapt.training.fast.packing import GROUP_PADDING, Packing
from lrl_adapt.training.masking import IGNORE_INDEX, Masking
from lrl_adapt.training.tokens import Sequences, line_break, tokenise
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.artifacts import Artifact

from ..tiny_tokenizers import FAMILIES

TEXTS = ["Paka wanalala.", "Mbwa anabweka usiku kucha karibu na nyumba yetu.", "Ndege huruka."] * 20
DOCUMENTS = [f"page {number // 4}" for number in range(len(TEXTS))]


def prepared(folder: Path, texts: list[str]) -> Artifact:
    def make(draft) -> None:
        for split in ("train", "validation", "test"):
            table = pyarrow.table({"document": DOCUMENTS, "text": texts})
            pyarrow.parquet.write_table(table, draft.folder / f"{split}.parquet")

    artifact = Artifact(folder, "corpus", "corpus", {"texts": texts})
    artifact.build(make)
    return artifact


def tokens_of(folder: Path, tokenizer, length: int = 8, *, line_by_line: bool = False) -> Artifact:
    source = prepared(folder, TEXTS)
    artifact = tokens_artifact(source, tokenizer_hash(tokenizer), length, folder, line_by_line=line_by_line)
    tokenise(artifact, tokenizer)
    return artifact


def rows_of(artifact: Artifact) -> list[list[int]]:
    data = Sequences(artifact.folder / "train.arrow")
    return [row.tolist() for row in data.rows(np.arange(len(data)))]


@pytest.mark.parametrize("family", FAMILIES)
def test_joined_lines_have_the_pieces_of_one_text(family: str, tmp_path: Path) -> None:
    tokenizer = FAMILIES[family](TEXTS)
    separator = tokenizer.decode(line_break(tokenizer))
    marks_words = family in ("WordPiece", "Unigram", "byte-level BPE with a prefix space")
    assert separator == ("" if marks_words else "\n")
    pages = itertools.groupby(zip(DOCUMENTS, TEXTS, strict=True), lambda line: line[0])
    documents = [(separator or " ").join(text for _, text in lines) for _, lines in pages]
    rows = rows_of(tokens_of(tmp_path, tokenizer, 10_000))
    assert rows == [tokenizer(document)["input_ids"] for document in documents]
    assert [tokenizer.decode(row, skip_special_tokens=True).split() for row in rows] == [
        text.split() for text in documents
    ]


def test_the_lines_of_a_document_are_joined_and_cut_so_that_all_text_is_used(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    artifact = tokens_of(tmp_path, tokenizer)
    rows = rows_of(artifact)
    assert all(row[0] == tokenizer.cls_token_id and row[-1] == tokenizer.sep_token_id for row in rows)
    bare = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    assert [id_ for row in rows for id_ in row[1:-1]] == [id_ for ids in bare for id_ in ids]
    page = sum(map(len, bare[:4]))
    assert [len(row) for row in rows[: -(-page // 6)]] == [*[8] * (page // 6), *([page % 6 + 2] if page % 6 else [])]
    assert artifact.manifest()["facts"]["train"] == {
        "sequences": len(rows),
        "tokens": sum(map(len, rows)),
        "words": sum(len(text.split()) for text in TEXTS),
        "pieces": sum(map(len, bare)),
        "unknown_pieces": 0,
    }


def test_line_by_line_each_line_is_cut_off(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 200)
    rows = rows_of(tokens_of(tmp_path, tokenizer, line_by_line=True))
    assert rows == [tokenizer(text, truncation=True, max_length=8)["input_ids"] for text in TEXTS]


def test_tokens_are_another_artifact_for_another_tokenizer_length_or_way(tmp_path: Path) -> None:
    source = prepared(tmp_path, TEXTS)
    hashes = [tokenizer_hash(train_tokenizer(TEXTS, size)) for size in (60, 120)]
    keys = {
        tokens_artifact(source, key, length, tmp_path, line_by_line=by_line).key
        for key in hashes
        for length in (8, 16)
        for by_line in (True, False)
    }
    assert len(keys) == 8


def test_a_text_that_the_tokenizer_cannot_read_is_counted(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["kitu kingine"], 60)
    facts = tokens_of(tmp_path, tokenizer).manifest()["facts"]["train"]
    assert facts["unknown_pieces"] > facts["pieces"] / 2


class Counting:
    """Sequences of ascending ids, the first of which is the sequence's number plus 100."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = np.array(lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        return [np.arange(self.lengths[n]) + n + 100 for n in numbers]


def steps_of(processes: int = 1, process: int = 0, device_tokens: int = 10_000, sets: int = 1) -> MaskedSteps:
    data = [Counting(np.random.default_rng(which).integers(3, 40, 60).tolist()) for which in range(sets)]
    samplers = [Sampler(part, 200, None, seed=5) for part in data]
    masking = Masking(4, np.arange(5), 97, 0.3)
    return MaskedSteps(samplers, masking, Layout(0, True), device_tokens, processes, process)


def test_a_step_is_the_same_whatever_the_processes_and_however_it_is_cut() -> None:
    def content(steps) -> list:
        result = []
        for batch in (batch for step in steps for batch in step.batches):
            pairs = zip(batch["position_ids"][0].tolist(), batch["input_ids"][0], batch["labels"][0], strict=True)
            result += [(place, int(id_), int(label)) for place, id_, label in pairs]
        return sorted(result)

    for number in range(3):
        whole = list(itertools.islice(steps_of().steps(), 3))[number]
        parts = [list(itertools.islice(steps_of(3, process, 60).steps(), 3))[number] for process in range(3)]
        assert content([whole]) == content(parts)
        assert len(whole.batches) == 1
        assert all(batch["input_ids"].numel() <= 60 for part in parts for batch in part.batches)
        assert {(part.labelled_tokens, part.tokens) for part in parts} == {(whole.labelled_tokens, whole.tokens)}
        assert whole.labelled_tokens == sum(int((batch["labels"] != IGNORE_INDEX).sum()) for batch in whole.batches)


def test_steps_go_on_where_they_were_left() -> None:
    def ids(steps, count) -> list:
        return [step.batches[0]["input_ids"].tolist() for step in itertools.islice(steps, count)]

    whole = list(itertools.islice(steps_of(sets=2).steps(), 25))  # over several epochs
    after = json.loads(json.dumps(whole[14].position))
    assert ids(steps_of(sets=2).steps(after), 10) == [step.batches[0]["input_ids"].tolist() for step in whole[15:]]


def test_steps_made_ahead_are_the_same_steps() -> None:
    plain, early = steps_of().steps(), prefetch(steps_of().steps())
    for one, other in itertools.islice(zip(plain, early, strict=False), 5):
        assert one.position == other.position
        assert one.batches[0]["input_ids"].equal(other.batches[0]["input_ids"])


def test_shares_hold_every_sequence_once_and_about_the_same_work() -> None:
    lengths = np.random.default_rng(0).integers(3, 120, 200)
    shares = split_between_processes(lengths, 4, 500)
    assert sorted(np.concatenate([rows for part in shares for rows in part]).tolist()) == list(range(200))
    work = [sum(int(lengths[rows].sum()) for rows in part) for part in shares]
    assert max(work) < 1.1 * min(work)
    assert split_between_processes(np.array([7]), 3, 500)[1:] == [[], []]


def test_attention_groups_hold_little_padding() -> None:
    lengths = np.sort(np.random.default_rng(0).integers(3, 200, 60))
    groups = Packing.from_lengths(lengths.tolist()).groups
    assert sum(group.tokens for group in groups) == lengths.sum()
    assert all(group.tokens >= (1 - GROUP_PADDING) * group.sequences * group.longest for group in groups)
    assert len(groups) < 20
    assert [(group.sequences, group.mask) for group in Packing.from_lengths([9] * 5).groups] == [(5, None)]


def test_batches_by_count_hold_so_many_sequences() -> None:
    batches = plan_batches(np.random.default_rng(0).integers(3, 50, 100), 1, np.random.default_rng(0), 16)
    assert sorted(map(len, batches)) == [4, *[16] * 6]


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


def test_characters_of_languages_to_come_are_known() -> None:
    tokenizer = train_tokenizer(TEXTS, 300, "ሀለ \u0127")
    assert tokenizer.tokenize("ሀለ \u0127ሀ") == ["ሀ", "##ለ", "\u0127", "##ሀ"]
    assert "[UNK]" in train_tokenizer(TEXTS, 300).tokenize("ሀለ")
