"""Tokenizers with the sizes and special tokens of the table of facts, which know the made-up languages' words."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .facts import Facts
from .words import alphabet, sentences, vocabulary

LANGUAGES = ["mlt_Latn", "swh_Latn", "uig_Arab", "arb_Arab", "bre_Latn", "zho_Hans"]
SPACE = "▁"  # as SentencePiece writes it
TRAINED = 700  # pieces of what is trained here


def write_wordpiece(file: Path, about: Facts) -> int:
    """mBERT's kind. As all of these, it returns the number of pieces."""
    characters = alphabet(LANGUAGES)
    starts, ends = _halves()
    pieces = [*characters, *(f"##{one}" for one in characters), *starts, *(f"##{end}" for end in ends)]
    ids = _placed(about, pieces)
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token=about["unread"]["special"]["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    _save(tokenizer, file, about, ids, type_ids=True)
    _write_config(file.parent, {"do_lower_case": False, "model_max_length": about["positions"]})
    return len(ids)


def write_unigram(file: Path, about: Facts) -> int:
    """XLM-R's kind, as tokenizer.json."""
    starts, ends = _halves()
    pieces = [SPACE, *(SPACE + start for start in starts), *ends, *alphabet(LANGUAGES)]
    ids = _placed(about, pieces)
    known = set(pieces)
    scores = [(piece, -2.0 - len(known) / 1000 if piece in known else -100.0) for piece in ids]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=about["unread"]["places"]["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace()
    _save(tokenizer, file, about, ids)
    _write_config(file.parent, {"model_max_length": about["positions"] - 2})
    return len(ids)


def write_bpe(file: Path, about: Facts) -> int:
    """mmBERT's kind: pairs merged, bytes for what is in no piece, and no space put before a text."""
    tokenizer = Tokenizer(models.BPE(unk_token=about["unread"]["special"]["unk"], byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPACE), "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=TRAINED, initial_alphabet=[SPACE], show_progress=False)
    tokenizer.train_from_iterator(_text(), trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    ids = _placed(about, [*(f"<0x{byte:02X}>" for byte in range(256)), *trained["vocab"]])
    merges = [(first, second) for first, second in trained["merges"]]
    tokenizer.model = models.BPE(
        vocab=ids, merges=merges, unk_token=about["unread"]["special"]["unk"], byte_fallback=True, fuse_unk=True
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    _save(tokenizer, file, about, ids)
    named = {f"{name}_token": token for name, token in special_tokens(about).items()}
    _write_config(file.parent, {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192} | named)
    return len(ids)


def write_sentencepiece(file: Path, about: Facts) -> int:
    """A model of SentencePiece alone: what Glot500 and DeBERTa-v3 come with."""
    import sentencepiece

    special = special_tokens(about)
    own = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
    if about["family"] == "deberta-v2":  # its padding is a piece of SentencePiece's too
        own = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": special["pad"]}
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_text()),
        model_writer=trained,
        vocab_size=TRAINED,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        bos_piece=special["cls"],
        eos_piece=special["sep"],
        unk_piece=special["unk"],
        **own,
    )
    file.write_bytes(trained.getvalue())
    _write_config(file.parent, {"model_max_length": 512} | {f"{name}_token": token for name, token in special.items()})
    return TRAINED + (1 if "pad_id" in own else 2)  # the mask is none of SentencePiece's own


def special_tokens(about: Facts) -> dict[str, str]:
    """The tokens pad, unk, cls, sep and mask of a model."""
    return {**about["unread"]["special"], "mask": about["mask"]}


def _placed(about: Facts, pieces: Iterable[str]) -> dict[str, int]:
    """Ids for the special tokens, as the table has them, for `pieces` between these, and for unused pieces after."""
    result: list[str | None] = [None] * about["pieces"]
    special = special_tokens(about)
    for name, place in about["unread"]["places"].items():
        result[place] = special[name]
    rest = iter(dict.fromkeys(pieces))
    for place in range(len(result)):
        if result[place] is None:
            result[place] = next(rest, f"[unused{place}]")
    return {piece: place for place, piece in enumerate(result) if piece is not None}


def _save(tokenizer: Tokenizer, file: Path, about: Facts, ids: dict[str, int], *, type_ids: bool = False) -> None:
    """Write tokenizer.json, with the special tokens put around a text, and around each of two."""
    special = special_tokens(about)
    tokenizer.add_special_tokens([token for token in special.values() if token in ids])
    cls, sep = special["cls"], special["sep"]
    second = 1 if type_ids else 0
    pair = f"{cls} $A {sep} $B:{second} {sep}:{second}" if type_ids else f"{cls} $A {sep} {sep} $B {sep}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=pair, special_tokens=[(cls, ids[cls]), (sep, ids[sep])]
    )
    tokenizer.save(str(file), pretty=False)


def _write_config(folder: Path, config: dict[str, object]) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def _halves() -> tuple[list[str], list[str]]:
    """Beginnings and ends of the words."""
    words = [word for language in LANGUAGES for word in vocabulary(language).words]
    starts = [form for word in words for form in (word[:3], word[:3].capitalize())]
    return starts, [word[3:] for word in words if len(word) > 3]


def _text() -> list[str]:
    """Text to train a tokenizer on."""
    return [sentence for language in LANGUAGES for sentence in sentences(language, 200, "vocabulary")]
