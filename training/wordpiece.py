"""Training a WordPiece tokenizer, with the same vocabulary every time for the same text.

The merges are those of byte-pair encoding (Sennrich et al. 2016, https://aclanthology.org/P16-1162) with ties broken by
spelling; the trainer of the tokenizers library breaks them at random, so its vocabularies differ from run to run.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from ..workspace import text

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"  # before a piece that continues a word
# What is dropped from all text (`workspace.text`), the other control characters that BERT drops, and the tags of flags.
# Other format characters belong to letters: signs of the Qur'an (U+06DD), of Syriac, Kaithi and Mongolian.
DROPPED = f"[{text.DROPPED}\x1c-\x1f\ufffd\U000e0020-\U000e007f]"

Pair = tuple[str, str]


def train_tokenizer(texts: Iterable[str], size: int, alphabet: str = "") -> Any:
    """A cased WordPiece tokenizer with at most `size` pieces.

    They include the five special tokens, every character of the texts, and the characters of `alphabet`, at the start
    of a word and inside it; only these characters may make it larger than `size`. It splits text as BERT's tokenizer
    does, with three differences: text is normalised to NFC, the joiners ZWJ and ZWNJ stay (Sinhala, Persian and others
    are spelled with them), and a zero-width space separates words.
    """
    from tokenizers import pre_tokenizers

    normalizer, pre_tokenizer = _normalizer(), pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for line in texts:
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(line)))
    letters = dict.fromkeys(normalizer.normalize_str(alphabet).replace(" ", ""))
    alphabet_pieces = [piece for letter in letters for piece in (letter, CONTINUATION + letter)]
    pieces = [*SPECIAL_TOKENS, *learn_pieces(words, size - len(SPECIAL_TOKENS), alphabet_pieces)]
    return _tokenizer({piece: number for number, piece in enumerate(pieces)})


def _normalizer() -> Any:
    from tokenizers import Regex, normalizers

    return normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace("\u200b", " "),
            normalizers.Replace(Regex(DROPPED), ""),
            normalizers.BertNormalizer(clean_text=False, lowercase=False, strip_accents=False),
        ]
    )


def _tokenizer(vocab: dict[str, int]) -> Any:
    """Not transformers' BertTokenizer: that one sets BERT's own normalizer again whenever it is loaded."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pad, unknown, start, end, mask = SPECIAL_TOKENS
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=unknown))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start}:0 $A:0 {end}:0",
        pair=f"{start}:0 $A:0 {end}:0 $B:1 {end}:1",
        special_tokens=[(start, vocab[start]), (end, vocab[end])],
    )
    names = {"pad_token": pad, "unk_token": unknown, "cls_token": start, "sep_token": end, "mask_token": mask}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, model_input_names=inputs, **names)


def learn_pieces(words: Counter[str], size: int, known: Iterable[str] = ()) -> list[str]:
    """Pieces for counted words: all characters, then merges of the most frequent neighbours, up to `size`.

    `known` pieces are in the vocabulary from the start.
    """
    spelling = {word: [word[0], *(CONTINUATION + letter for letter in word[1:])] for word in sorted(words)}
    pieces = dict.fromkeys(sorted({*known, *(piece for letters in spelling.values() for piece in letters)}))
    for pair in merge_most_frequent(spelling, words, _merged):
        if len(pieces) >= size:
            break
        pieces[_merged(pair)] = None
    return list(pieces)


def merge_most_frequent(
    spelling: dict[str, list[str]],
    words: Counter[str],
    join: Callable[[Pair], str],
    is_forbidden: Callable[[Pair], bool] = lambda _: False,
) -> Iterator[Pair]:
    """The most frequent pair of neighbours in counted words, which is then merged, until no pair is left.

    `spelling`, in which they are merged, holds the pieces of each word; `join` gives the piece that a pair becomes.
    Pairs for which `is_forbidden` is true are never merged.
    """
    pairs = _PairCounts()
    for word, letters in spelling.items():
        pairs.add(word, letters, words[word])
    queue = [(-count, pair) for pair, count in pairs.counts.items()]
    heapq.heapify(queue)
    while queue:
        negative_count, pair = heapq.heappop(queue)
        # Counts change with every merge. The queue keeps the old entries, and a changed pair is pushed again.
        if pairs.counts[pair] != -negative_count or is_forbidden(pair):
            continue
        yield pair
        changed: dict[Pair, None] = {}  # a set in the order of insertion, so that the result does not depend on hashes
        for word in sorted(pairs.words[pair]):
            changed.update(dict.fromkeys(pairs.remove(word, spelling[word], words[word])))
            spelling[word] = _merge(spelling[word], pair, join(pair))
            changed.update(dict.fromkeys(pairs.add(word, spelling[word], words[word])))
        for neighbours in changed:
            if pairs.counts[neighbours] > 0:
                heapq.heappush(queue, (-pairs.counts[neighbours], neighbours))


class _PairCounts:
    """How often neighbouring pieces occur in the text, and in which words."""

    def __init__(self) -> None:
        self.counts: Counter[Pair] = Counter()
        self.words: defaultdict[Pair, set[str]] = defaultdict(set)

    def add(self, word: str, pieces: list[str], times: int) -> list[Pair]:
        """Count the pairs in a word that occurs `times` times; gives the pairs."""
        neighbours = list(pairwise(pieces))
        for pair in neighbours:
            self.counts[pair] += times
            self.words[pair].add(word)
        return neighbours

    def remove(self, word: str, pieces: list[str], times: int) -> list[Pair]:
        """Undo `add`; gives the pairs."""
        neighbours = list(pairwise(pieces))
        for pair in neighbours:
            self.counts[pair] -= times
            self.words[pair].discard(word)
        return neighbours


def _merge(pieces: list[str], pair: Pair, merged_pair: str) -> list[str]:
    """The pieces of a word with each occurrence of the pair merged, from left to right."""
    merged: list[str] = []
    for piece in pieces:
        if merged and (merged[-1], piece) == pair:
            merged[-1] = merged_pair
        else:
            merged.append(piece)
    return merged


def _merged(pair: Pair) -> str:
    return pair[0] + pair[1].removeprefix(CONTINUATION)
