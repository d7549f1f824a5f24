"""Text in Latin letters for a base that cannot read its script: uroman (Hermjakob et al. 2018) before the tokenizer.

All text reaches a model through a tokenizer, so that is where it is romanised: in training, evaluation and use. Words
stay words, and offsets refer to the original text: each piece has that of its word's last character. This is the cheap
baseline of TransMI (Liu et al. 2024, https://arxiv.org/abs/2405.09913), without its changes to the vocabulary.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..workspace.errors import UserError

TRANSLITERATION = "transliteration.json"
"""File beside an adapter that reads romanised text: with the language, whose rules are used."""
CACHED_WORDS = 2**20


def romanise(tokenizer: Any, language: str) -> Any:
    """A copy of a tokenizer that first writes text in Latin letters, by the rules for `language`, such as amh_Ethi.

    Raises UserError if uroman is not installed.
    """
    require_uroman("corpus.transliterate")
    if romanised_language(tokenizer) == language:
        return tokenizer
    from tokenizers import normalizers

    with _plain(tokenizer):  # a normalizer in Python cannot be copied
        romanised = deepcopy(tokenizer)
    backend = romanised.backend_tokenizer
    romanised.romanised_language, romanised.plain_normalizer = language, backend.normalizer
    romanizer = normalizers.Normalizer.custom(_Romanizer(language[:3]))
    backend.normalizer = normalizers.Sequence([romanizer, *([backend.normalizer] if backend.normalizer else [])])
    return romanised


def require_uroman(what: str) -> None:
    """Raise a UserError that says what needs uroman, unless it is installed."""
    if find_spec("uroman") is None:
        raise UserError(f"{what} needs uroman: pip install 'lrl-adapt[transliterate]'")


def romanised_language(tokenizer: Any) -> str | None:
    """The language whose text a tokenizer romanises; None for one that reads text as it is."""
    return getattr(tokenizer, "romanised_language", None)


def romanizer_name() -> str:
    """The name and version of what romanises, for keys and manifests. Raises UserError if it is not installed."""
    require_uroman("corpus.transliterate")
    return f"uroman {version('uroman')}"


def save_transliteration(tokenizer: Any, folder: Path) -> None:
    """Record in an adapter's folder that its tokenizer romanises text; nothing for another tokenizer."""
    if language := romanised_language(tokenizer):
        record = {"transliterate": "latin", "by": romanizer_name(), "language": language}
        (folder / TRANSLITERATION).write_text(json.dumps(record) + "\n", encoding="utf-8")


def recorded_transliteration(tokenizer: Any, folder: Path) -> Any:
    """`tokenizer`, or a copy of it that romanises text if the adapter in `folder` was trained on such text."""
    file = folder / TRANSLITERATION
    if not file.is_file():
        return tokenizer
    try:
        language = str(json.loads(file.read_text(encoding="utf-8"))["language"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {file} ({error!r}): copy the adapter's folder again") from error
    require_uroman(f"{folder} reads romanised text, which")
    return romanise(tokenizer, language)


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer's files and, if it romanises text, `TRANSLITERATION`."""
    with _plain(tokenizer):
        tokenizer.save_pretrained(str(folder))
    save_transliteration(tokenizer, folder)


def tokenizer_json(tokenizer: Any) -> str:
    """The content of a tokenizer's tokenizer.json, which cannot hold that text is romanised."""
    with _plain(tokenizer):
        return tokenizer.backend_tokenizer.to_str()


@contextmanager
def _plain(tokenizer: Any) -> Iterator[None]:
    """Inside `with`, a tokenizer reads text as it is: one with a normalizer in Python cannot be written to a file."""
    if romanised_language(tokenizer) is None:
        yield
        return
    backend = tokenizer.backend_tokenizer
    romanising, backend.normalizer = backend.normalizer, tokenizer.plain_normalizer
    try:
        yield
    finally:
        backend.normalizer = romanising


class _Romanizer:
    """A normalizer of the tokenizers library, which calls `normalize`."""

    def __init__(self, language: str) -> None:
        self._language = language  # ISO 639-3

    def normalize(self, text: Any) -> None:
        """Romanise a NormalizedString in place, word by word."""
        from tokenizers import Regex

        for word in dict.fromkeys(text.normalized.split()):
            if not word.isascii():
                text.replace(Regex(rf"(?<!\S){re.escape(word)}(?!\S)"), _romanised_word(word, self._language))


@lru_cache(CACHED_WORDS)
def _romanised_word(word: str, language: str) -> str:
    return _uroman().romanize_string(word, lcode=language)


@cache
def _uroman() -> Any:
    from uroman import Uroman

    return Uroman()
