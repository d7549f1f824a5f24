"""The arrays against what a loop over characters says."""

import unicodedata

import numpy
import pytest
from fontTools.unicodedata import script
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.corpora.measure import BANDS, GRAM, PERMUTATIONS, ROWS, measure, near_hashes, suspects

LINES = [
    "Habari ya leo, rafiki?",
    "x",
    "1234 - 56",
    "سلام means peace",
    "བོད་སྐད་ནི་སྐད་ཡིག་ཅིག་རེད།",
    "नेपाली भाषा",
    "İstanbul ΣΑΣ ß",
    "日本語テキスト",
    "😀 emoji 👩‍🔬",
]


def slow(line: str, wanted: str) -> tuple[int, float, float]:
    """Characters, share of letters and share of the script, one character at a time."""
    characters, line = len(line), line.lower()
    letters = [char for char in line if unicodedata.category(char)[0] in "LM"]
    ink = [char for char in line if unicodedata.category(char)[0] != "Z"]
    scripts = [name for name in map(script, letters) if name not in ("Zyyy", "Zinh", "Zzzz")]
    return characters, len(letters) / max(len(ink), 1), scripts.count(wanted) / len(scripts) if scripts else 1.0


@pytest.mark.parametrize("wanted", ["Latn", "Arab", "Tibt", "Deva"])
def test_measures(wanted: str) -> None:
    found = measure(LINES, wanted)
    for number, line in enumerate(LINES):
        expected = slow(line, wanted)
        got = (found.characters[number], found.letters[number], found.script[number])
        assert got == pytest.approx(expected), line


TEXT = st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1, max_size=30)


@settings(max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_any_lines(lines: list[str]) -> None:
    found = measure(lines, "Latn")
    alone = [measure([line], "Latn") for line in lines]
    for name in ("characters", "letters", "script", "boilerplate", "key"):  # a line's neighbours do not matter
        assert getattr(found, name).tolist() == [getattr(one, name)[0] for one in alone]
    for together, one in zip(
        near_hashes(lines), zip(*map(near_hashes, [[line] for line in lines]), strict=True), strict=True
    ):
        assert together.tolist() == numpy.concatenate(one).tolist()


def test_keys_are_blind_to_case_and_signs_and_nothing_else() -> None:
    same = measure(["Habari ya leo!", "habari, ya  LEO", "«Habari» yaleo"], "Latn").key
    assert len(set(same.tolist())) == 1
    other = measure(
        ["Habari ya leo", "Habari ya leo 1", "leo ya Habari", "Habari ya lea", "abc", "acb", "..."], "Latn"
    ).key
    assert len(set(other.tolist())) == 7


def test_near_twins_are_found_as_often_as_the_formula_says() -> None:
    """Shared bands and equal values at several similarities, which are measured exactly."""
    chance = numpy.random.default_rng(0)
    letters = numpy.array(list("abcdefghijklmnopqrstuvwxyz"))
    for changes in (1, 3, 6):
        ones, others = [], []
        for _ in range(300):
            line = chance.choice(letters, 150)
            other = line.copy()
            other[chance.choice(150, changes, replace=False)] = "-"
            ones.append("".join(line))
            others.append("".join(other))
        similar = numpy.array([jaccard(one, other) for one, other in zip(ones, others, strict=True)])
        (bands, signatures), (other_bands, other_signatures) = near_hashes(ones), near_hashes(others)
        assert signatures.shape == (300, PERMUTATIONS)
        assert (signatures == other_signatures).mean() == pytest.approx(similar.mean(), abs=0.02)
        shared = (bands == other_bands).any(axis=1)
        expected = 1 - (1 - similar**ROWS) ** BANDS
        assert shared.mean() == pytest.approx(expected.mean(), abs=0.06)


def jaccard(one: str, other: str) -> float:
    grams = [{text[place : place + GRAM] for place in range(len(text) - GRAM + 1)} for text in (one, other)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_suspects_are_few_and_hold_all_that_is_broken() -> None:
    fine = ["Il-ġurnata sabiħa.", "Déjà vu, “l’été.”", "Çok güzel", "\u200cمی‌خواهم", "👩‍🔬", "a\tb\r\nc", ""]
    words = ["ġurnata", "ħafna", "déjà", "Привет", "سلام", "ሰላም", "“ok”"]
    broken = [word.encode().decode(name, "replace") for word in words for name in ("latin-1", "windows-1252")]
    broken += ["Tom &amp; Jerry", "a\x00b", "\ufeffabc", "a\ue000b"]
    texts = [text for pair in zip(fine * 9, broken, strict=False) for text in pair]
    assert suspects(texts) == [number for number in range(len(texts)) if number % 2]
    assert suspects([]) == []


def test_text_of_many_scripts_has_the_share_of_none() -> None:
    assert measure(["Paka", "кот", "猫"], "Zyyy").script.tolist() == [1.0, 1.0, 1.0]
