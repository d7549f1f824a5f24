"""Encodings of plain text: found, reported with their confidence, or refused with the choices."""

import gzip
from pathlib import Path

import pytest
from lrl_adapt.corpora.documents.decoding import decode_file, find_encoding
from lrl_adapt.workspace.errors import UserError

MALTESE = "Il-ħobż u ż-żejt huma għall-ikel ta' filgħodu; Ċensu qal li ġie fl-għaxra.\n" * 3
RUSSIAN = "Эти книги лежали на столе, и никто их не читал.\nЕгор пришёл вечером.\n" * 3
SLOVAK = "Ľudia veľmi radi čítajú knihy, ktoré sú už dávno zabudnuté; ťažko povedať prečo.\nŠťastný deň, žiť.\n" * 3
SWAHILI = "Ng’ombe wa mfalme – “mkubwa” kabisa – alikula nyasi.\n" * 3


def write(tmp_path: Path, text: str, encoding: str) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "ascii"])
def test_utf8_needs_no_note(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "neno moja" if encoding == "ascii" else MALTESE, encoding)
    assert find_encoding(path, None, "Latn").note is None
    text, notes = decode_file(path, None, "Latn")
    assert (text, notes) == ("neno moja" if encoding == "ascii" else MALTESE, [])


@pytest.mark.parametrize(
    ("text", "encoding", "script", "note"),
    [
        (MALTESE, "utf-16", "Latn", "in UTF-16"),
        (MALTESE, "utf-32", "Latn", "in UTF-32"),
        (MALTESE, "utf-16-le", "Latn", "read as utf-16-le without a byte-order mark (confidence 100%)"),
        (MALTESE, "utf-16-be", "Latn", "read as utf-16-be without a byte-order mark (confidence 100%)"),
        ("これは本です。\n一二三。\n" * 9, "utf-16-be", "Jpan", "read as utf-16-be without a byte-order mark"),
        (RUSSIAN, "cp1251", "Cyrl", "not UTF-8: read as cp1251, the only encoding that fits (100%: "),
        (RUSSIAN, "koi8-r", "Cyrl", "not UTF-8: read as koi8-r, the only encoding that fits (100%: "),
        (RUSSIAN, "cp866", "Cyrl", "not UTF-8: read as cp866, the only encoding that fits (100%: "),
        (SLOVAK, "iso8859-2", "Latn", "not UTF-8: read as iso8859-2, the only encoding that fits (100%: "),
        (SWAHILI, "cp1252", "Latn", "not UTF-8: read as cp1252, the only encoding that fits (100%: only in signs)"),
        ("これは本です。\n" * 9, "shift_jis", "Jpan", "not UTF-8: read as shift_jis"),
    ],
)
def test_the_only_encoding_that_fits_is_reported(
    tmp_path: Path, text: str, encoding: str, script: str, note: str
) -> None:
    decoded, notes = decode_file(write(tmp_path, text, encoding), None, script)
    assert decoded == text
    assert notes[0].startswith(note)


def test_where_several_encodings_fit_the_choices_are_shown_by_a_word(tmp_path: Path) -> None:
    path = write(tmp_path, MALTESE, "iso8859-3")
    with pytest.raises(UserError) as error:
        find_encoding(path, None, "Latn")
    assert str(error.value).startswith(f"{path}: not UTF-8 text, and several encodings fit: ")
    assert "iso8859-3 (" in str(error.value)
    assert str(error.value).endswith("save it as UTF-8, or set corpus.encoding")
    assert decode_file(path, "iso8859-3", "Latn") == (MALTESE, [])


def test_where_one_of_the_encodings_that_fit_has_no_words(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(b"\xa0")  # cp1252: a space; koi8-r: part of a frame
    with pytest.raises(UserError, match=r"several encodings fit: .*koi8-r \(═\)"):
        find_encoding(path, None, None)


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(MALTESE.encode() + b"b\xe4d\n" + MALTESE.encode())
    with pytest.raises(UserError, match=r"a\.txt: line 4: not UTF-8 text, although the rest is; save it as UTF-8"):
        find_encoding(path, None, "Latn")


def test_scripts_without_a_legacy_encoding(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match=r"line 1: not UTF-8 text, and no other encoding fits: save it as UTF-8, or set corpus\.encoding",
    ):
        find_encoding(write(tmp_path, RUSSIAN, "cp1251"), None, "Ethi")


def test_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(UserError, match="a binary file, or text in an unknown encoding"):
        find_encoding(path, None, "Latn")


def test_a_chosen_encoding_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not utf-8 text \(byte 3: .*\); set corpus\.encoding"):
        decode_file(write(tmp_path, MALTESE, "iso8859-3"), "utf-8", "Latn")


def test_gzipped_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(RUSSIAN.encode("cp1251")))
    assert decode_file(path, None, "Cyrl")[0] == RUSSIAN
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match="not a readable gzip file"):
        find_encoding(path, None, "Cyrl")
