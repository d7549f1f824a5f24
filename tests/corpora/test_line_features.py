"""The arrays against what a loop over characters says."""

import unicodedata

import pytest
from fontTools.unicodedata import script
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.corpora.line_features import line_features

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
def test_features_are_what_a_loop_counts(wanted: str) -> None:
    features = line_features(LINES, wanted)
    for number, line in enumerate(LINES):
        measured = (features.characters[number], features.letter_share[number], features.script_share[number])
        assert measured == pytest.approx(slow(line, wanted)), line


TEXT = st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1, max_size=30)


@settings(max_examples=60)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_the_features_of_a_line_do_not_depend_on_its_neighbours(lines: list[str]) -> None:
    together = line_features(lines, "Latn")
    alone = [line_features([line], "Latn") for line in lines]
    for name in ("characters", "letter_share", "script_share", "boilerplate", "key"):
        assert getattr(together, name).tolist() == [getattr(one, name)[0] for one in alone]


def test_no_lines() -> None:
    assert line_features([], "Latn").key.tolist() == []


def test_keys_are_blind_to_case_and_signs_and_nothing_else() -> None:
    same = line_features(["Habari ya leo!", "habari, ya  LEO", "«Habari» yaleo"], "Latn").key
    assert len(set(same.tolist())) == 1
    other = line_features(
        ["Habari ya leo", "Habari ya leo 1", "leo ya Habari", "Habari ya lea", "abc", "acb", "..."], "Latn"
    ).key
    assert len(set(other.tolist())) == 7


def test_text_of_many_scripts_has_the_share_of_none() -> None:
    assert line_features(["Paka", "кот", "猫"], "Zyyy").script_share.tolist() == [1.0, 1.0, 1.0]
