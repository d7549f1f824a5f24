"""Words, syllables and pieces: which characters of a text one label is for."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lrl_adapt.eval.segmentation import label_units, split_words, window_of, window_starts, word_ends
from lrl_adapt.workspace.text import clean_line

from ..tiny_tokenizers import unigram, wordpiece

TEXTS = {
    "latin": "Amina anaishi Nairobi, ng'ombe 'wawili' (3).",
    "devanagari": "नरेन्द्र मोदी दिल्ली में",
    "arabic": "ئۇيغۇر تىلى، 2024",
    "tibetan": "བོད་ཀྱི་ལྷ་ས།",
    "thai": "กรุงเทพ 2024",
    "han": "安倍は東京。",
    "burmese": "မြန်မာ ရန်ကုန်",
}
WORDS = {
    "latin": ["Amina", "anaishi", "Nairobi", ",", "ng'ombe", "'", "wawili", "'", "(", "3", ")", "."],
    "devanagari": ["नरेन्द्र", "मोदी", "दिल्ली", "में"],
    "arabic": ["ئۇيغۇر", "تىلى", "،", "2024"],
    "tibetan": ["བོད་", "ཀྱི་", "ལྷ་", "ས", "།"],
    "thai": ["กรุงเทพ", "2024"],
    "han": ["安倍は東京", "。"],
    "burmese": ["မြန်မာ", "ရန်ကုန်"],
}
TOKENIZERS = {"wordpiece": wordpiece(TEXTS.values()), "unigram": unigram(TEXTS.values())}


@pytest.mark.parametrize("script", TEXTS)
def test_words_are_runs_of_letters_marks_and_digits_or_single_signs(script: str) -> None:
    text = TEXTS[script]
    result = split_words(text)
    assert [text[word.start : word.end] for word in result] == WORDS[script]
    assert any(word.unspaced for word in result) == (script in ("thai", "han", "burmese"))


@given(st.text())
@pytest.mark.slow
def test_words_are_in_order_and_only_space_and_controls_stand_between(text: str) -> None:
    place = 0
    for word in split_words(text):
        assert place <= word.start < word.end
        assert not any(sign.isalnum() for sign in text[place : word.start])
        place = word.end
    assert not any(sign.isalnum() for sign in text[place:])


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("script", TEXTS)
def test_each_word_is_a_unit_labelled_at_its_first_piece(kind: str, script: str) -> None:
    text, tokenizer = TEXTS[script], TOKENIZERS[kind]
    pieces, units = label_units(text, tokenizer)
    spans = {(word.start, word.end) for word in split_words(text) if not word.unspaced}
    assert spans <= {(unit.start, unit.end) for unit in units}
    # the places are where training puts its labels: at the first piece of each word
    words = [text[word.start : word.end] for word in split_words(text)]
    encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False)
    numbers = encoded.word_ids()
    firsts = {numbers.index(number) for number in set(numbers)}
    assert firsts <= {unit.token for unit in units}
    assert pieces == encoded["input_ids"]


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("script", ["thai", "han", "burmese"])
def test_without_spaces_the_pieces_are_units_that_cover_the_run(kind: str, script: str) -> None:
    text = TEXTS[script]
    _, units = label_units(text, TOKENIZERS[kind])
    assert len(units) > len(split_words(text))
    assert "".join(text[unit.start : unit.end] for unit in units) == text.replace(" ", "")
    assert all(before.end <= after.start for before, after in pairwise(units))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("❤️Amina yuko Nairobi", ["❤️", "Amina", "yuko", "Nairobi"]),
        ("👩\u200d💻Juma 🇰🇪🇹🇿 1\ufe0f\u20e3", ["👩\u200d💻", "Juma", "🇰🇪", "🇹🇿", "1\ufe0f\u20e3"]),
        ("O‘zbekiston Oʻzbek Oʼz O’z O'z", ["O‘zbekiston", "Oʻzbek", "Oʼz", "O’z", "O'z"]),
        ("tog‘, ‘neno’", ["tog‘", ",", "‘", "neno", "’"]),
        ("‚Tag‘", ["‚", "Tag", "‘"]),
        ('צה״ל צה"ל "שלום"', ["צה״ל", 'צה"ל', '"', "שלום", '"']),
        ("ո՞վ է", ["ո՞վ", "է"]),
        ("ʻokina Hawaiʻi", ["ʻokina", "Hawaiʻi"]),
        ("п’ять п'ять пʼять", ["п’ять", "п'ять", "пʼять"]),
        ("col·laboració", ["col·laboració"]),
        ("ki\xadtabu cha\u200fngu", ["ki\xadtabu", "cha\u200fngu"]),
        ("می\u200cخواهم ශ්\u200dරී", ["می\u200cخواهم", "ශ්\u200dරී"]),
        ("ខ្ញុំ\u200bទៅ", ["ខ្ញុំ", "ទៅ"]),
        ("3.14 1,000 12:30 50%", ["3.14", "1,000", "12", ":", "30", "50", "%"]),
        ("ABC東京カタカナ。", ["ABC", "東京カタカナ", "。"]),
        ("... Guinea-Bissau", [".", ".", ".", "Guinea", "-", "Bissau"]),
    ],
)
def test_words_follow_unicodes_boundaries(text: str, words: list[str]) -> None:
    assert [text[word.start : word.end] for word in split_words(text)] == words


@given(st.text(st.one_of(st.sampled_from("❤\ufe0f\u200d'‘’״·a1ก東་ལ .,\u0301\u200b\xad"), st.characters())))
def test_words_and_the_gaps_between_give_back_the_text(text: str) -> None:
    parts, place = [], 0
    for word in split_words(text):
        parts += [text[place : word.start], text[word.start : word.end]]
        place = word.end
    parts.append(text[place:])
    assert "".join(parts) == text
    kinds = {unicodedata.category(sign)[0] for gap in parts[::2] for sign in gap}
    assert not kinds & set("LNPS")


@given(
    st.text(st.one_of(st.sampled_from("áệ가각\u0301\u0323\u1161 'a❤\ufe0f"), st.characters(exclude_categories=["Cs"])))
)
def test_words_do_not_depend_on_how_accents_are_written(text: str) -> None:
    result = []
    for form in ("NFC", "NFD"):
        written = clean_line(unicodedata.normalize(form, text))
        result.append([written[word.start : word.end] for word in split_words(written)])
    assert result[0] == result[1]


@pytest.mark.parametrize("text", ["❤\ufe0fAmina anaishi", "Ami\xadna ana\u200fishi", "\u200dAmina\xa0anaishi"])
def test_known_words_beside_emoji_and_format_characters_are_no_unk(text: str) -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    cleaned = clean_line(text)
    pieces, units = label_units(cleaned, tokenizer)
    words = {cleaned[unit.start : unit.end]: pieces[unit.token] for unit in units}
    want = tokenizer("Amina anaishi", add_special_tokens=False)["input_ids"]
    assert words["Amina"] == want[0]
    assert tokenizer.unk_token_id not in (words["Amina"], words["anaishi"])
    assert pieces[-len(want) :] == want


def test_a_text_without_words_has_no_units() -> None:
    assert label_units(" \t\u200f", TOKENIZERS["wordpiece"]) == ([], [])


@given(st.integers(0, 400), st.integers(8, 100), st.booleans())
def test_windows_cover_a_text_and_each_place_has_context_in_its_own(length: int, room: int, overlap: bool) -> None:
    margin = room // 8 if overlap else 0
    starts = window_starts(length, room, margin)
    assert starts[0] == 0
    assert starts[-1] + room >= length
    assert len(starts) == 1 or length > room
    for place in range(length):
        window = window_of(place, starts, margin)
        inside = place - starts[window]
        assert 0 <= inside < room
        assert window == 0 or inside >= margin
        assert window == len(starts) - 1 or inside < room - margin


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("script", TEXTS)
def test_tokens_of_a_text_are_grouped_into_its_words(kind: str, script: str) -> None:
    text, tokenizer = TEXTS[script], TOKENIZERS[kind]
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    offsets = encoded["offset_mapping"]
    ends = word_ends(text, offsets, encoded["special_tokens_mask"])
    first, groups = 0, []
    while first < len(ends):
        assert set(ends[first : ends[first]]) == {ends[first]}  # a word's tokens all end where it does
        groups.append(text[offsets[first][0] : offsets[ends[first] - 1][1]].strip())
        first = ends[first]
    assert groups[0] == groups[-1] == ""  # special tokens
    if script in ("thai", "han", "burmese"):
        assert len(groups) > 2 + len(WORDS[script])  # a run without spaces is cut where the tokenizer cuts it
    elif kind == "wordpiece":
        assert groups[1:-1] == WORDS[script]
    assert "".join(groups) == text.replace(" ", "")


def test_a_token_over_two_words_belongs_to_the_first() -> None:
    assert word_ends("ab). c", [(0, 1), (1, 2), (2, 4), (5, 6)], [0] * 4) == [2, 2, 3, 4]


def test_pieces_that_share_a_character_are_one_word_in_scripts_without_spaces() -> None:
    offsets = [(0, 0), (0, 1), (0, 1), (1, 2), (2, 3), (2, 3), (0, 0)]  # <s>, ▁, 猫, が, two bytes of 寝, </s>
    assert word_ends("猫が寝", offsets, [1, 0, 0, 0, 0, 0, 1]) == [1, 3, 3, 4, 6, 6, 7]


def test_tokens_after_the_last_word_stand_alone() -> None:
    assert word_ends("a \u200e\u200e", [(0, 1), (2, 3), (3, 4)], [0] * 3) == [1, 2, 3]
