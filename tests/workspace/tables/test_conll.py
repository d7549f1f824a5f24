from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.tables import read_conll

CONLLU = """# newdoc id = mfano
# text = Jana nilimwona 5 jijini .
1\tJana\tjana\tNOUN\t_\t_\t0\tdep\t_\tNER=O
2-3\tnilimwona\t_\t_\t_\t_\t_\t_\t_\t_
2\tnili\tni\tVERB\t_\tTense=Past\t0\troot\t_\tNER=B-PER|SpaceAfter=No
3\tmwona\tona\tVERB\t_\t_\t2\tdep\t_\tNER=I-PER
3.1\tmtu\tmtu\tNOUN\t_\t_\t_\t_\t2:dep\t_
4\t5\t5\tNUM\t_\t_\t2\tdep\t_\t_
5\tDar es Salaam\tDar\tPROPN\t_\t_\t2\tdep\t_\tNER=B-LOC

# text = # peke yake
1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_
"""


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "A.CONLLU", "a.txt"])
def test_conllu_gives_the_forms_and_the_column_that_is_named(tmp_path: Path, name: str) -> None:
    conll = read_conll(write(tmp_path / name, CONLLU), label_column="UPOS")
    assert conll.sentences == [
        (["Jana", "nili", "mwona", "5", "Dar es Salaam"], ["NOUN", "VERB", "VERB", "NUM", "PROPN"]),
        (["#"], ["SYM"]),
    ]
    assert conll.dropped == {"multiword ranges and empty nodes": 2}
    assert conll.notes == ("CoNLL-U columns",)


def test_a_feature_in_misc_may_hold_the_labels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", CONLLU)
    for name in ("ner", "NER", "misc.ner"):
        tags = [tags for _, tags in read_conll(path, label_column=name).sentences]
        assert tags == [["O", "B-PER", "I-PER", "O", "B-LOC"], ["O"]]  # a word without the feature is outside
    assert read_conll(path, "lemma", "deprel").sentences[0] == (
        ["jana", "ni", "ona", "5", "Dar"],
        ["dep", "root", "dep", "dep", "dep"],
    )


@pytest.mark.parametrize(
    ("word", "label", "told"),
    [
        (None, None, r"name the one with the labels, as in label: upos \(lemma, upos"),
        (None, "xpos", "column xpos contains only _"),
        (None, "pos", r"no column or feature in MISC called 'pos'; columns: id, form.*; features: NER, SpaceAfter"),
    ],
)
def test_conllu_without_a_column_of_labels(tmp_path: Path, word: str | None, label: str | None, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_conll(write(tmp_path / "a.conllu", CONLLU), word, label)


def test_a_treebank_whose_words_were_taken_out_is_refused(tmp_path: Path) -> None:
    lines = "".join(f"{n}\t_\t_\tNOUN\t_\t_\t0\tdep\t_\t_\n" for n in (1, 2, 3))
    with pytest.raises(UserError, match="column form contains only _; name another one, or download the full file"):
        read_conll(write(tmp_path / "a.conllu", lines), label_column="upos")


def test_conllu_plus_names_its_own_columns(tmp_path: Path) -> None:
    content = "# global.columns = ID FORM UPOS MFANO:NER\n1\tJuma\tPROPN\tB-PER\n2\tyuko\tVERB\tO\n"
    conll = read_conll(write(tmp_path / "a.conllup", content), label_column="ner")
    assert conll.sentences == [(["Juma", "yuko"], ["B-PER", "O"])]


def test_universal_ner_has_numbered_words(tmp_path: Path) -> None:
    content = "# sent_id = 1\n1\tDar es Salaam\tB-LOC\t-\tmtu1\n2\tna\tO\tO#O\tmtu1\n\n1\tUSM\tB-OTH\t-\tmtu2\n"
    conll = read_conll(write(tmp_path / "a.iob2", content))
    assert conll.sentences == [(["Dar es Salaam", "na"], ["B-LOC", "O"]), (["USM"], ["B-OTH"])]
    assert conll.notes == ("word numbers in the first column",)


def test_numbered_words_with_unclear_columns_need_a_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", "1\tJuma\tPROPN\tB-PER\n2\tyuko\tVERB\tO\n")
    with pytest.raises(
        UserError, match=r"4 columns without names; give the number of the one with the labels, as in label: 3"
    ):
        read_conll(path)
    assert read_conll(path, label_column="4").sentences == [(["Juma", "yuko"], ["B-PER", "O"])]
    assert read_conll(path, "3", "4").sentences == [(["PROPN", "VERB"], ["B-PER", "O"])]
    with pytest.raises(UserError, match="has 4 columns; there is no column 5"):
        read_conll(path, label_column="5")


def test_tabs_part_the_columns_of_a_line_that_has_tabs(tmp_path: Path) -> None:
    content = "Mji\tO\nwa\tO\nDar es Salaam\tB-LOC\n10\u00a0000\tO\nneno\u2028moja\tO\t\n"
    assert read_conll(write(tmp_path / "a.txt", content)).sentences == [
        (["Mji", "wa", "Dar es Salaam", "10\u00a0000", "neno\u2028moja"], ["O", "O", "B-LOC", "O", "O"])
    ]


def test_a_token_with_spaces_in_a_file_of_spaces_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"line 3: expected 2 columns as in line 1, found 4; .*tab between them if words"
    ):
        read_conll(write(tmp_path / "a.txt", "Mji O\nwa O\nDar es Salaam B-LOC\n"))


def test_conll_2003_has_its_tags_in_the_last_of_four_columns(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- O O\n\nJuma NNP I-NP B-PER\nyuko VB I-VP O\n"
    path = write(tmp_path / "a.txt", content)
    assert read_conll(path).sentences == [(["Juma", "yuko"], ["B-PER", "O"])]
    assert read_conll(path, label_column="2").sentences == [(["Juma", "yuko"], ["NNP", "VB"])]
    with pytest.raises(UserError, match="4 columns without names; give the number"):
        read_conll(path, label_column="upos")


@pytest.mark.parametrize("parting", ["\t", " "])
def test_a_hash_with_a_tag_is_a_word_and_without_one_a_comment(tmp_path: Path, parting: str) -> None:
    lines = ["# text = Juma ana # mbili", "# newdoc", "#begin", "Juma|B-PER", "#|O", "#Nairobi|B-LOC", "# mfano = moja"]
    path = write(tmp_path / "a.txt", "\n".join(lines).replace("|", parting))
    conll = read_conll(path)
    assert conll.sentences == [(["Juma", "#", "#Nairobi"], ["B-PER", "O", "B-LOC"])]
    assert conll.notes == ("4 comment lines skipped, the first is line 1",)


def test_the_language_before_each_word_of_the_first_wikiann_is_taken_away(tmp_path: Path) -> None:
    conll = read_conll(write(tmp_path / "a.txt", "sw:Juma\tB-PER\nsw::\tO\n\nsw:Nairobi\tB-LOC\n"))
    assert conll.sentences == [(["Juma", ":"], ["B-PER", "O"]), (["Nairobi"], ["B-LOC"])]
    assert conll.notes == ("prefix 'sw:' removed from every word",)
    assert read_conll(write(tmp_path / "b.txt", "sw:Juma\tB-PER\n:\tO\n")).sentences[0][0] == ["sw:Juma", ":"]


@pytest.mark.parametrize("header", ["", "text\tlabel\n"])
def test_texts_with_labels_are_no_words_with_tags(tmp_path: Path, header: str) -> None:
    lines = [f"Huduma hii ni nzuri {number}.\tchanya" for number in range(5)]
    with pytest.raises(UserError, match=r"Amina⇥B-PER.*write a \.tsv whose first line is “text⇥label”"):
        read_conll(write(tmp_path / "a.txt", header + "\n".join(lines)))


@pytest.mark.parametrize("content", ["Juma B-PER\nyuko\n", "Juma\tB-PER\n\tO\n", "Juma\tB-PER\nyuko\t\n"])
def test_a_line_without_word_or_tag_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match="line 2: expected a token and a tag"):
        read_conll(write(tmp_path / "a.txt", content))


def test_files_without_words_and_with_windows_line_ends(tmp_path: Path) -> None:
    assert read_conll(write(tmp_path / "a.txt", "\n\n# tupu\n")).sentences == []
    conll = read_conll(write(tmp_path / "b.txt", "\ufeffJuma O\r\n\r\nyuko O\r\n"))
    assert conll.sentences == [(["Juma"], ["O"]), (["yuko"], ["O"])]


ENDS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r", "CR CR LF": "\r\r\n"}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_line_end_ends_a_line(tmp_path: Path, end: str) -> None:
    lines = ["Juma B-PER", "yuko O", "", "Dar\u2028es\x85Salaam B-LOC", "leo O", ""]
    expected = [(["Juma", "yuko"], ["B-PER", "O"]), (["Dar\u2028es\x85Salaam", "leo"], ["B-LOC", "O"])]
    for separator in (" ", "\t"):
        content = end.join(lines).replace(" ", separator)
        assert read_conll(write(tmp_path / "a.conll", content)).sentences == expected


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", "Juma B-PER\ryuko O\r\rhapa O\nleo O\r\n\r\nNairobi B-LOC\r")
    assert [words for words, _ in read_conll(path).sentences] == [["Juma", "yuko"], ["hapa", "leo"], ["Nairobi"]]


@pytest.mark.parametrize("second", [(0, 1), (3, 4), (1, 3), (7, 8)])
def test_numbers_of_any_run_are_never_words(tmp_path: Path, second: tuple[int, int]) -> None:
    numbers = [1, 2, *second]
    lines = [f"{n}\t{word}\tO" for n, word in zip(numbers, ["Juma", "yuko", "hapa", "leo"], strict=True)]
    conll = read_conll(write(tmp_path / "a.conll", "\n".join([*lines[:2], "", *lines[2:]])))
    assert conll.sentences == [(["Juma", "yuko"], ["O", "O"]), (["hapa", "leo"], ["O", "O"])]
    rest = "\t_" * 6
    lines = [f"{n}\tneno\t_\tNOUN{rest}" for n in numbers]
    conll = read_conll(write(tmp_path / "b.conll", "\n".join([*lines[:2], "", *lines[2:]])), label_column="upos")
    assert conll.sentences == [(["neno", "neno"], ["NOUN", "NOUN"])] * 2


def test_a_missing_blank_line_between_numbered_sentences_is_refused(tmp_path: Path) -> None:
    lines = ["1\tJuma\tO", "2\tyuko\tO", "1\thapa\tO", "2\tleo\tO"]
    with pytest.raises(UserError, match="line 3: word number 1 follows 2; is the blank"):
        read_conll(write(tmp_path / "a.conll", "\n".join(lines)))


def test_a_line_without_its_number_is_refused(tmp_path: Path) -> None:
    lines = [f"{n}\tneno\tO" for n in range(1, 20)]
    with pytest.raises(UserError, match=r"line 20: expected the number of a word in column 1 .*, got 'x'"):
        read_conll(write(tmp_path / "a.conll", "\n".join([*lines, "x\tneno\tO"])))


def test_the_endings_of_conllu_ask_for_its_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected 10 columns, id, form.*found 2; .*rename it to \.conll"):
        read_conll(write(tmp_path / "a.conllu", "Juma\tO\n"), label_column="upos")


@pytest.mark.parametrize(
    "comment", ["# sentensi ya kwanza", "# maelezo mafupi", "# a b\n# c d", "# sent_id = 4\n# maelezo mafupi"]
)
@pytest.mark.parametrize("separator", ["\t", " "])
def test_comments_with_as_many_fields_as_the_words_are_no_words(tmp_path: Path, comment: str, separator: str) -> None:
    words = [f"Juma{separator}B-PER", f"#{separator}O", ""]
    conll = read_conll(write(tmp_path / "a.conll", "\n".join([comment, *words, comment, *words])))
    assert conll.sentences == [(["Juma", "#"], ["B-PER", "O"])] * 2


def test_a_hash_may_begin_a_sentence(tmp_path: Path) -> None:
    conll = read_conll(write(tmp_path / "a.conll", "# O\nNairobi B-LOC\nleo O\n"))
    assert conll.sentences == [(["#", "Nairobi", "leo"], ["O", "B-LOC", "O"])]


def test_labelled_texts_of_one_word_are_refused(tmp_path: Path) -> None:
    texts = "".join(f"สวัสดีครับ{number}\tpositive\n" for number in range(21))
    with pytest.raises(UserError, match=r"21 lines without a blank line.*need a blank line after.*write a \.tsv"):
        read_conll(write(tmp_path / "a.txt", texts))
    assert len(read_conll(write(tmp_path / "b.txt", texts + "\n")).sentences[0][0]) == 21  # parts of speech
    assert len(read_conll(write(tmp_path / "c.txt", texts.replace("positive", "O"))).sentences[0][0]) == 21


WORDS = st.one_of(
    st.sampled_from(["#", "5", "1998", "#Nairobi", "Juma", "ẹjọ́", "ab\u2028c"]), st.text("abọ漢#", min_size=1)
)
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"])
SENTENCES = st.lists(st.lists(st.tuples(WORDS, TAGS), min_size=1, max_size=6), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    SENTENCES,
    st.sampled_from(list(ENDS.values())),
    st.sampled_from([" ", "  ", "\t"]),
    st.sampled_from([None, "sentence", "zero", "document"]),
    st.sampled_from([None, "# sent_id = 1", "# maelezo ya sentensi", "# maelezo mafupi", "# newdoc"]),
)
def test_sentences_are_the_same_in_every_form(
    sentences: list[list[tuple[str, str]]], end: str, separator: str, numbering: str | None, comment: str | None
) -> None:
    sentences = [[("Juma", "B-PER")], *sentences]  # a file of hashes alone has only comments
    lines: list[str] = []
    count = 0
    for sentence in sentences:
        count = {"document": count, "zero": -1}.get(numbering or "", 0)
        lines += [comment] if comment else []
        for word, tag in sentence:
            count += 1
            lines.append(separator.join([*([str(count)] if numbering else []), word, tag]))
        lines.append("")
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.conll", end.join(lines))
        assert read_conll(path).sentences == [tuple(map(list, zip(*s, strict=True))) for s in sentences]


NAMED = "token\tpos\tner\tlemma\nAmina\tPROPN\tB-PER\tAmina\nyuko\tVERB\tO\tko\n\nKenya\tPROPN\tB-LOC\tKenya\n"


def test_a_first_line_with_names_chooses_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(NAMED)
    assert read_conll(path, None, "ner").sentences == [(["Amina", "yuko"], ["B-PER", "O"]), (["Kenya"], ["B-LOC"])]
    assert read_conll(path, "lemma", "POS").sentences[0] == (["Amina", "ko"], ["PROPN", "VERB"])
    assert read_conll(path, None, "3").notes == ("columns named in the first line, labels in column 3",)
    with pytest.raises(UserError, match=r"columns token, pos, ner, lemma; name the one with the labels"):
        read_conll(path)
    with pytest.raises(UserError, match=r"no column 'nerr'; did you mean ner\?"):
        read_conll(path, None, "nerr")


def test_the_only_column_with_a_usual_name_for_tags_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("id\tword\tner\txxx\n1\tAmina\tB-PER\ta\n2\tyuko\tO\tb\n\n1\tKenya\tB-LOC\tc\n")
    assert read_conll(path).sentences == [(["Amina", "yuko"], ["B-PER", "O"]), (["Kenya"], ["B-LOC"])]
    path.write_text("word ner\n")
    assert read_conll(path).sentences == []


def test_other_columns_with_tags_are_named_in_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Amina NNP B-NP B-PER\nyuko VB B-VP O\n\nleo NN O O\n")
    assert read_conll(path).sentences[0] == (["Amina", "yuko"], ["B-PER", "O"])
    assert read_conll(path).notes == ("labels in column 4; label: 3 chooses other tags",)
    assert read_conll(path, None, "3").notes == ()


@pytest.mark.parametrize("number", ["99", "9" * 5000, "²"])
def test_a_column_that_conllu_does_not_have_is_told(tmp_path: Path, number: str) -> None:
    path = write(tmp_path / "a.conllu", "1\tJuma\tJuma\tPROPN\t_\t_\t_\t_\t_\t_\n")
    with pytest.raises(UserError, match=f"no column called '{number[:190]}.*; columns: id, form"):
        read_conll(path, word_column=number, label_column="upos")
    with pytest.raises(UserError, match=f"no column or feature in MISC called '{number[:190]}"):
        read_conll(path, label_column=number)


def test_numbers_of_many_digits_number_no_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", f"Juma\tB-PER\n{'9' * 5000}\tO\n")
    assert read_conll(path).sentences == [(["Juma", "9" * 5000], ["B-PER", "O"])]
    with pytest.raises(UserError, match="has 2 columns; there is no column 999"):
        read_conll(path, label_column="9" * 5000)


def test_a_file_of_contractions_alone_has_no_sentence(tmp_path: Path) -> None:
    conll = read_conll(write(tmp_path / "a.conll", "1-2\tdel\tO\n3-4\tal\tO\n"))
    assert conll.sentences == []
    assert conll.dropped == {"multiword ranges and empty nodes": 2}
