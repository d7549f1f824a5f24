"""USFM and USX: the same book in both forms gives the same paragraphs."""

from pathlib import Path

import pytest
from lrl_adapt.corpora.documents import read_document
from lrl_adapt.workspace.errors import UserError

USFM = r"""\id RUT - Kiswahili
\h Ruthu
\toc1 Kitabu cha Ruthu
\mt1 Ruthu
\c 1
\s1 Familia ya Elimeleki
\r (Waamuzi 1:1)
\p
\v 1 Ikawa zamani\f + \fr 1:1 \ft Au: \fq siku hizo\f* za \w waamuzi|lemma="mwamuzi" strong="H1"\w*,
palikuwa na njaa.
\v 2-3 Mtu mmoja \add wa\add* \nd Bwana\nd* alitoka\x - \xo 1:2 \xt Mwa 35.19\x*
\ts\*Bethlehemu.
\p
\v 4 \qt-s |who="Naomi"\*Akasema.\qt-e\*
\q1 Enendeni,
\q2 mkarudi
\b
\q1 nyumbani~kwenu.
\tr \th1 Jina \tc1 Ruthu
\c 2
\p
\v 1 Mwisho wa neno.
"""
USX = """<?xml version="1.0" encoding="utf-8"?>
<usx version="3.0">
  <book code="RUT" style="id">- Kiswahili</book>
  <para style="h">Ruthu</para>
  <para style="toc1">Kitabu cha Ruthu</para>
  <para style="mt1">Ruthu</para>
  <chapter number="1" style="c" sid="RUT 1"/>
  <para style="s1">Familia ya Elimeleki</para>
  <para style="r">(Waamuzi 1:1)</para>
  <para style="p">
    <verse number="1" style="v" sid="RUT 1:1"/>Ikawa zamani<note style="f"><char style="ft">Au</char></note> za
    <char style="w" lemma="mwamuzi">waamuzi</char>, palikuwa na njaa. <verse eid="RUT 1:1"/>
    <verse number="2-3" style="v"/>Mtu mmoja <char style="add">wa</char> <char style="nd">Bwana</char>
    alitoka<note caller="-" style="x"><char style="xt">Mwa 35.19</char></note> Bethlehemu.</para>
  <para style="p"><verse number="4" style="v"/><ms style="qt-s" who="Naomi"/>Akasema.<ms style="qt-e"/></para>
  <para style="q1">Enendeni,</para>
  <para style="q2">mkarudi</para>
  <para style="b"/>
  <para style="q1">nyumbani~kwenu.</para>
  <table><row style="tr"><cell style="th1">Jina</cell><cell style="tc1">Ruthu</cell></row></table>
  <chapter eid="RUT 1"/>
  <chapter number="2" style="c"/>
  <para style="p"><verse number="1" style="v"/>Mwisho wa neno.</para>
</usx>
"""
PARAGRAPHS = [
    "Ruthu",
    "Familia ya Elimeleki",
    "Ikawa zamani za waamuzi, palikuwa na njaa. Mtu mmoja wa Bwana alitoka Bethlehemu.",
    "Akasema.",
    "Enendeni, mkarudi",
    "nyumbani kwenu.",
    "Jina Ruthu",
    "Mwisho wa neno.",
]


@pytest.mark.parametrize(("name", "content"), [("08RUT.SFM", USFM), ("a.usfm", USFM), ("RUT.usx", USX)])
def test_both_forms(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    extracted = read_document(tmp_path / name)
    assert extracted.paragraphs == PARAGRAPHS
    assert +extracted.changes == {
        "verse numbers removed": 4,
        "chapter numbers removed": 2,
        "notes, cross references and captions removed": 2,
        "headers and labels removed": 4,
    }


def test_a_note_that_is_not_closed_ends_at_the_next_verse(tmp_path: Path) -> None:
    (tmp_path / "a.usfm").write_text("\\p\n\\v 1 Moja\\f + \\ft maelezo\n\\v 2 mbili.\n")
    assert read_document(tmp_path / "a.usfm").paragraphs == ["Moja mbili."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.usfm", "Habari.", "no USFM"),
        ("a.usx", "<html/>", "not USX: its first element is html"),
        ("a.usx", "<usx><para>", "malformed XML"),
    ],
)
def test_other_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_document(tmp_path / name)


def test_entities_of_xml_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("siri")
    doctype = f'<!DOCTYPE usx [<!ENTITY s SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    (tmp_path / "a.usx").write_text(f'{doctype}<usx><para style="p">Neno &s; moja.</para></usx>')
    assert read_document(tmp_path / "a.usx").paragraphs == ["Neno moja."]
