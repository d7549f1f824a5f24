"""Made-up text in the script of each language: words of syllables, the same on every machine."""

import random
from dataclasses import dataclass
from functools import cache

LATIN = (list("bdfghjklmnprstvz"), list("aeiou"))
ARABIC = (list("بتجدرزسشفقكلمنهوي"), ["ا", "و", "ي", ""])
LETTERS = {
    "mlt_Latn": ([*LATIN[0], "ħ", "ġ", "ż", "ċ", "għ"], LATIN[1]),
    "bre_Latn": ([*LATIN[0], "c'h", "ch", "gw"], [*LATIN[1], "ñ", "ù"]),
    "uig_Arab": ([*ARABIC[0], "ڭ", "گ", "پ"], ["ا", "ە", "ى", "ۇ", "ې"]),
    "arb_Arab": ARABIC,
    "zho_Hans": (list("天地人山水火木金土日月风云雨雪春夏秋冬花"), list("的了在有不大小多上下中来去看说学生书国家")),
}
"""Consonants and vowels; languages that are not here have LATIN."""
WORDS = 400
NO_SPACES = ("zho_Hans",)


@dataclass(frozen=True)
class Vocabulary:
    """A language's words: common ones first, and some for each topic, for either mood, and for names."""

    language: str
    words: list[str]

    def sentence(self, rng: random.Random, *more: str) -> str:
        """A sentence of six to fourteen words, some of them `more`, which ends in a full stop."""
        words = [self._common(rng) for _ in range(rng.randint(6, 14))]
        for word in more:
            words.insert(rng.randrange(len(words)), word)
        if self.language in NO_SPACES:
            return "".join(words) + "。"
        return " ".join(words).capitalize() + "."

    def about(self, subject: int) -> list[str]:
        """Three words that stand only in sentences about a subject: a topic, a mood, a kind of name."""
        return self.words[-3 * (subject + 1) :][:3]

    def _common(self, rng: random.Random) -> str:
        return self.words[int(rng.random() ** 2 * (WORDS - 60))]  # some are frequent, as in any language


@cache
def vocabulary(language: str) -> Vocabulary:
    """The words of a language, by its code (mlt_Latn)."""
    rng = random.Random(language)
    consonants, vowels = LETTERS.get(language, LATIN)
    words: dict[str, None] = {}
    while len(words) < WORDS:
        syllables = [rng.choice(consonants) + rng.choice(vowels) for _ in range(rng.randint(1, 4))]
        words["".join(syllables)] = None
    return Vocabulary(language, list(words))


def sentences(language: str, count: int, seed: str) -> list[str]:
    """So many sentences of a language; another `seed`, other sentences."""
    rng = random.Random(f"{language} {seed}")
    words = vocabulary(language)
    return [words.sentence(rng) for _ in range(count)]


def alphabet(languages: list[str]) -> list[str]:
    """Every character of some languages' text, capitals and signs too, in a fixed order."""
    text = "".join(part for language in languages for group in LETTERS.get(language, LATIN) for part in group)
    return sorted(
        {*text, *text.upper(), *"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *".,。-'0123456789"}
    )
