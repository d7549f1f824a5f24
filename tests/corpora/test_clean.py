import pytest
from hypothesis import given
from hypothesis import strategies as st
from lrl_adapt.corpora.clean import Cleaned, clean, clean_texts, lines_of
from lrl_adapt.corpora.readers import Document
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.workspace.text import clean_line

LOOSE = {"min_characters": 1, "min_letters": 0, "min_script": 0, "drop_boilerplate": False}


def cleaned(*texts: str, language: str = "swh_Latn", **corpus) -> Cleaned:
    return clean([Document(text, text) for text in texts], Corpus(**corpus), find_language(language))


def test_every_sort_of_space_and_line_break() -> None:
    batch = cleaned("a\u00a0b\u3000c\u2028d\x85e\r\nf\rg\n\u00a0\n", **LOOSE)
    assert batch.lines == ["a b c", "d", "e", "f", "g"]
    assert batch.pages.tolist() == [0] * 5


def test_length_is_in_characters_after_folding() -> None:
    batch = cleaned("ئۇيغۇ\nئۇيغ\na    b\nabcde", "xyz", **LOOSE | {"min_characters": 5})
    assert batch.lines == ["ئۇيغۇ", "abcde"]
    assert batch.tally.lines["too short"] == 3
    assert batch.tally.bytes["too short"] == len("ئۇيغ".encode()) + 3 + 3
    assert batch.sizes.tolist() == [10, 5]


def test_a_long_line_is_cut_into_sentences_these_at_spaces_and_a_long_word_dropped() -> None:
    sentence = "Hii ni sentensi ya kawaida kabisa."
    text = "\n".join([" ".join([sentence] * 5), "neno " * 30, "n" * 101])
    batch = cleaned(text, max_characters=100)
    assert batch.lines == [sentence] * 5 + [("neno " * 20).strip(), ("neno " * 10).strip()]
    assert batch.tally.lines["too long"] == 1


def test_thai_paragraphs_are_cut_and_not_lost() -> None:
    phrase = "ภาษาไทยเป็นภาษาที่ไม่มีการเว้นวรรคระหว่างคำ"
    batch = cleaned(" ".join([phrase] * 50), language="tha_Thai", max_characters=400)
    assert len(batch.lines) == -(-50 // 9)
    assert " ".join(batch.lines).split() == [phrase] * 50


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("swh", "Habari ya leo. Nzuri sana! Je, unatoka wapi?", 3),
        ("amh", "ሰላም ነው። እንዴት ነህ?", 2),
        ("urd", "یہ ایک جملہ ہے۔ یہ دوسرا ہے۔", 2),
        ("npi", "यो एउटा वाक्य हो। यो अर्को हो।", 2),
        ("zho", "你好。再见。", 2),
        ("qqq", "One. Two.", 2),
    ],
)
def test_sentences(language: str, text: str, count: int) -> None:
    sentences = list(lines_of(text, Corpus(cut="sentences"), language))
    assert len(sentences) == count
    assert "".join(sentences).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("language", "line", "stays"),
    [
        ("swh_Latn", "Habari ya asubuhi, rafiki yangu.", True),
        ("swh_Latn", "Доброе утро, дорогой друг.", False),
        ("swh_Latn", "Neno salaam huandikwa سلام kwa Kiarabu.", True),
        ("uig_Arab", "ياخشىمۇسىز دوستۇم، قانداق ئەھۋالىڭىز؟", True),
        ("uig_Arab", "Yaxshimusiz dostum, qandaq ehwalingiz?", False),
        ("jpn_Jpan", "今日はとても良い天気ですね。", True),
        ("zho_Hans", "今天天气很好，我们去公园。", True),
        ("amh_Ethi", "እንደምን አደርክ ወዳጄ ሆይ።", True),
    ],
)
def test_the_languages_script(language: str, line: str, *, stays: bool) -> None:
    batch = cleaned(line, language=language)
    assert batch.lines == ([line] if stays else [])
    assert batch.tally.lines["other script"] == (not stays)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("12.03.2023 | 14:55 | 3,99 | 7", "few letters"),
        ("Nyumbani | Habari | Michezo | Burudani", "boilerplate"),
        ("Nyumbani » Habari » Michezo » Soka", "boilerplate"),
        ("var habari = function() { return habari; }", "boilerplate"),
        ("© 2023 Gazeti la Habari, haki zote zimehifadhiwa", "boilerplate"),
        ("Lorem ipsum dolor sit amet consectetur", "boilerplate"),
        ("Soma zaidi katika https://example.org/habari", "boilerplate"),
        ("Alisema: «Habari ya leo», kisha akaondoka.", ""),
        ("«Moja», «mbili», «tatu» na »nne«, alisema kwa sauti.", ""),
        ("La col·laboració intel·ligent il·lumina la il·lusió.", ""),
        ("‹Moja›, ‹mbili›, ‹tatu› na ‹nne›, alisema.", ""),
        ("Bei ni kati ya shilingi 200 na 300 | kwa siku", ""),
    ],
)
def test_boilerplate(line: str, reason: str) -> None:
    batch = cleaned(line)
    assert [name for name, count in batch.tally.lines.items() if count] == ([reason] if reason else [])
    assert batch.lines == ([] if reason else [line])


@pytest.mark.parametrize(
    ("broken", "whole", "repaired", "changed"),
    [
        ("Il-Ä¡urnata hi sabiÄ§a Ä§afna.", "Il-ġurnata hi sabiħa ħafna.", 1, {}),
        ("Tom &amp; Jerry", "Tom & Jerry", 1, {}),
        ("ki&shy;tabu", "kitabu", 1, {"soft hyphens": 1}),
        ("caf\u0065\u0301", "café", 0, {"NFC": 1}),
        ("Malta\x00 sabiħa", "Malta sabiħa", 0, {"control characters": 1}),
        ("ki\xadtabu cha\u200fngu", "kitabu changu", 0, {"soft hyphens": 1, "direction marks": 1}),
        ("می\u200cخواهم", "می\u200cخواهم", 0, {}),
        ("sabiħa “ħafna” ﬁ", "sabiħa “ħafna” ﬁ", 0, {}),
        ("Déjà vu : l’été", "Déjà vu : l’été", 0, {}),
    ],
)
def test_texts_are_repaired_and_put_into_one_form(
    broken: str, whole: str, repaired: int, changed: dict[str, int]
) -> None:
    assert clean_texts(["kollox sew", broken]) == (["kollox sew", whole], repaired, changed)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_lines_are_in_the_form_that_task_texts_have(text: str) -> None:
    """Broken encoding apart, which is repaired in web pages alone."""
    batch = cleaned(text, **LOOSE, repair=False, drop_near_duplicates=False)
    assert batch.lines == [line for part in text.splitlines() if (line := clean_line(part))]


def test_repair_may_be_left_off() -> None:
    assert cleaned("Tom &amp; Jerry waliondoka", repair=False).lines == ["Tom &amp; Jerry waliondoka"]


def test_pages_of_which_nothing_is_left_are_empty() -> None:
    batch = cleaned("\xad\u200b", "\x07 \ufeff\n", "Habari ya leo ni nzuri sana", **LOOSE)
    assert batch.lines == ["Habari ya leo ni nzuri sana"]
    assert (batch.tally.pages["kept"], batch.tally.pages["empty"]) == (1, 2)
