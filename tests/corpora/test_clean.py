from lrl_adapt.corpora.clean import Cleaner
from lrl_adapt.corpora.readers import Document


def lines(cleaner: Cleaner, text: str) -> list[str]:
    return list(cleaner.lines(Document("any", text)))


def test_white_space_is_folded_and_short_or_repeated_lines_counted() -> None:
    cleaner = Cleaner(min_characters=6)
    kept = lines(cleaner, "  Habari \t ya leo. \n\nMenyu\nHabari ya leo.\r\nNzuri sana.")
    assert kept == ["Habari ya leo.", "Nzuri sana."]
    assert lines(cleaner, "Nzuri sana.") == []
    assert cleaner.counts == {"kept": 2, "too short": 1, "repeated": 2}


def test_every_sort_of_space_and_line_break() -> None:
    cleaner = Cleaner(min_characters=1)
    assert lines(cleaner, "a\u00a0b\u3000c\u2028d\x85e\r\nf\rg\n\u00a0\n") == ["a b c", "d", "e", "f", "g"]
    assert cleaner.counts["too short"] == 0  # an empty line is no line


def test_a_repeat_is_one_after_folding() -> None:
    cleaner = Cleaner(min_characters=1)
    assert lines(cleaner, "moja  mbili\nmoja mbili \n Moja mbili") == ["moja mbili", "Moja mbili"]
    assert cleaner.counts == {"kept": 2, "too short": 0, "repeated": 1}


def test_length_is_in_characters_after_folding() -> None:
    cleaner = Cleaner(min_characters=5)
    assert lines(cleaner, "ئۇيغۇ\nئۇيغ\na    b\nabcde") == ["ئۇيغۇ", "abcde"]
    assert cleaner.counts == {"kept": 2, "too short": 2, "repeated": 0}


def test_every_corpus_counts_for_itself() -> None:
    assert lines(Cleaner(1), "moja") == lines(Cleaner(1), "moja") == ["moja"]
    assert Cleaner(1).counts == {"kept": 0, "too short": 0, "repeated": 0}
