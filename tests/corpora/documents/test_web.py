"""Web pages: blocks without menus, in the encoding that they declare."""

from pathlib import Path

import pytest
from lrl_adapt.corpora.documents import read_document
from lrl_adapt.workspace.errors import UserError

PAGE = """<!DOCTYPE html>
<html><head><title>Kichwa</title>{meta}<style>p {{ color: red }}</style></head>
<body>
<header><a href=/>Nyumbani</a></header><nav><ul><li>Menyu<li>Habari</ul></nav>
<main><article><header><h1>Habari za leo</h1></header>
<p>Mvua   kubwa
ilinyesha<sup>[1]</sup> <b>j</b>ana.<br>Mto ulifurika.
<p>Aya ya &quot;pili&quot; &amp; ya mwisho<script>var x = "neno";</script>
<ul><li>Moja</li><li>Mbili</li></ul><table><tr><td>Safu</td><td>ya pili</td></tr></table>
<pre>Mstari  wa kwanza
wa pili</pre><div hidden>Siri</div><button>Bonyeza</button> nje ya aya
</article></main>
<aside>Tangazo</aside><footer>© Gazeti</footer>
</body></html>"""
PARAGRAPHS = [
    "Habari za leo",
    "Mvua kubwa ilinyesha jana.",
    "Mto ulifurika.",
    'Aya ya "pili" & ya mwisho',
    "Moja",
    "Mbili",
    "Safu",
    "ya pili",
    "Mstari wa kwanza",
    "wa pili",
    "nje ya aya",
]


@pytest.mark.parametrize("name", ["a.html", "a.HTM"])
def test_a_page(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PAGE.format(meta=""), encoding="utf-8")
    extracted = read_document(tmp_path / name)
    assert extracted.paragraphs == PARAGRAPHS
    assert +extracted.changes == {"menus, heads and feet of pages removed": 4, "marks of notes removed": 1}


@pytest.mark.parametrize(
    ("meta", "encoding", "note"),
    [
        ('<meta charset="windows-1254">', "cp1254", ["in windows-1254, as it declares"]),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-9">',
            "iso8859-9",
            ["in iso-8859-9, as it declares"],
        ),
        ('<meta charset="windows-1254">', "utf-8", []),  # saved as UTF-8 by the browser
        ('<meta charset="utf-8">', "utf-16", ["in UTF-16"]),
    ],
)
def test_declared_encodings(tmp_path: Path, meta: str, encoding: str, note: list[str]) -> None:
    page = f"<html><head>{meta}</head><body><p>Yağmur yağdı, ışık söndü.</p></body></html>"
    (tmp_path / "a.html").write_text(page, encoding=encoding)
    extracted = read_document(tmp_path / "a.html", script="Latn")
    assert extracted.paragraphs == ["Yağmur yağdı, ışık söndü."]
    assert extracted.notes == note


def test_a_chosen_encoding_goes_before_the_declared_one(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<meta charset="cp1252"><p>ħobż', encoding="iso8859-3")
    assert read_document(tmp_path / "a.html", "iso8859-3").paragraphs == ["ħobż"]


def test_an_undeclared_legacy_encoding_that_is_ambiguous(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>ħobż u ġobon biċ-ċavetta", encoding="iso8859-3")
    with pytest.raises(UserError, match=r"a\.html: not UTF-8 text, and several encodings fit"):
        read_document(tmp_path / "a.html", script="Latn")


def test_deeply_nested_pages(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<div>" * 1500 + "neno" + "</div>" * 1500)
    assert read_document(tmp_path / "a.html").paragraphs == ["neno"]


def test_an_empty_page(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("")
    assert read_document(tmp_path / "a.html").paragraphs == []
