"""docx, odt and epub, written by hand as the programs write them."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lrl_adapt.corpora.documents import read_document
from lrl_adapt.workspace.errors import UserError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="urn:mc" xmlns:wps="urn:wps"'
DOCX_BODY = """
<w:p><w:pPr><w:pStyle w:val="TOC1"/></w:pPr><w:r><w:t>Sura ya kwanza</w:t><w:tab/><w:t>3</w:t></w:r></w:p>
<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Sura ya kwanza</w:t></w:r></w:p>
<w:p><w:r><w:t xml:space="preserve">Neno li</w:t></w:r><w:proofErr w:type="x"/><w:r><w:t>megawanyika</w:t></w:r>
  <w:r><w:tab/><w:t>na</w:t><w:noBreakHyphen/><w:t>kadhalika.</w:t><w:footnoteReference w:id="2"/></w:r></w:p>
<w:p><w:del><w:r><w:delText>Limefutwa.</w:delText></w:r></w:del><w:ins><w:r><w:t>Limeongezwa.</w:t></w:r></w:ins>
  <w:r><w:rPr><w:vanish/></w:rPr><w:t>Siri.</w:t></w:r>
  <w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>DATE</w:instrText></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Kisanduku</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
<w:p><w:r><w:t>Mstari</w:t><w:br/><w:t>mwingine</w:t></w:r><w:r><mc:AlternateContent><mc:Choice><wps:txbx>
  <w:txbxContent><w:p><w:r><w:t>Ndani ya fremu</w:t></w:r></w:p></w:txbxContent></wps:txbx></mc:Choice>
  <mc:Fallback><w:txbxContent><w:p><w:r><w:t>Ndani ya fremu</w:t></w:r></w:p></w:txbxContent></mc:Fallback>
  </mc:AlternateContent></w:r></w:p>
<w:p/>
"""
ODT = """<office:document-content xmlns:office="urn:o" xmlns:text="urn:t" xmlns:draw="urn:d" xmlns:dc="urn:dc">
<office:body><office:text>
<text:tracked-changes><text:changed-region><text:deletion><text:p>Limefutwa.</text:p></text:deletion>
</text:changed-region></text:tracked-changes>
<text:table-of-content><text:index-body><text:p>Sura ya kwanza 3</text:p></text:index-body></text:table-of-content>
<text:h>Sura ya kwanza</text:h>
<text:p>Neno <text:span>moja</text:span><text:s text:c="2"/>na<text:tab/>jingine<text:note><text:note-citation>1
</text:note-citation><text:note-body><text:p>Maelezo.</text:p></text:note-body></text:note> hapa
pia.<office:annotation><dc:creator>Asha</dc:creator><text:p>Rekebisha!</text:p></office:annotation></text:p>
<text:list><text:list-item><text:p>Kipengele<text:line-break/>cha pili</text:p></text:list-item></text:list>
<text:p>Ukurasa<draw:frame><draw:text-box><text:p>Ndani</text:p></draw:text-box></draw:frame> huu</text:p>
</office:text></office:body></office:document-content>"""
XHTML = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>"""


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "/"), content)
    return path


def docx(path: Path, body: str = DOCX_BODY, **files: str) -> Path:
    return archive(path, **{"word__document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>", **files})


def odt(path: Path, manifest: str = "<m/>") -> Path:
    return archive(path, **{"META-INF__manifest.xml": manifest, "content.xml": ODT})


def epub(path: Path, **files: str) -> Path:
    container = '<container xmlns="c"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    item = '<item id="{0}" href="{1}" media-type="application/xhtml+xml" {2}/>'
    items = [item.format("nav", "nav.xhtml", 'properties="nav"'), item.format("b", "text/sura%201.xhtml", "")]
    items += [item.format("a", "text/mwanzo.xhtml", ""), '<item id="css" href="a.css" media-type="text/css"/>']
    spine = "".join(f'<itemref idref="{name}"/>' for name in ("nav", "a", "b"))
    package = f'<package xmlns="p"><manifest>{"".join(items)}</manifest><spine>{spine}</spine></package>'
    return archive(
        path,
        **{
            "META-INF__container.xml": container,
            "OEBPS__book.opf": package,
            "OEBPS__nav.xhtml": XHTML.format("<p>Yaliyomo</p>"),
            "OEBPS__text__sura 1.xhtml": XHTML.format("<h1>Sura 1</h1><p>Hadithi&nbsp;ya<br/>kwanza.</p>"),
            "OEBPS__text__mwanzo.xhtml": XHTML.format("<p>Dibaji <i>fupi</i>.</p>"),
            **files,
        },
    )


def test_docx(tmp_path: Path) -> None:
    notes = f"""<w:footnotes {W}>
    <w:footnote w:type="separator" w:id="0"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>
    <w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t> Maelezo ya chini.</w:t></w:r></w:p></w:footnote>
    </w:footnotes>"""
    head = f"<w:hdr {W}><w:p><w:r><w:t>Kichwa cha ukurasa</w:t></w:r></w:p></w:hdr>"
    parts = {"word__footnotes.xml": notes, "word__header1.xml": head, "word__footer1.xml": f"<w:ftr {W}><w:p/></w:ftr>"}
    extracted = read_document(docx(tmp_path / "a.docx", **parts))
    assert extracted.paragraphs == [
        "Sura ya kwanza",
        "Neno limegawanyika na-kadhalika.",
        "Limeongezwa.",
        "Kisanduku",
        "Mstari",
        "mwingine",
        "Ndani ya fremu",
        "Maelezo ya chini.",
    ]
    assert +extracted.changes == {
        "lines of tables of contents left out": 1,
        "deleted passages (tracked changes) left out": 1,
        "hidden passages left out": 1,
        "heads and feet of pages left out": 1,
    }


def test_odt(tmp_path: Path) -> None:
    extracted = read_document(odt(tmp_path / "a.ODT"))
    assert extracted.paragraphs == [
        "Sura ya kwanza",
        "Neno moja na jingine hapa pia.",
        "Maelezo.",
        "Kipengele",
        "cha pili",
        "Ukurasa huu",
        "Ndani",
    ]
    assert +extracted.changes == {
        "deleted passages (tracked changes) left out": 1,
        "tables of contents left out": 1,
    }


def test_epub_in_the_order_of_its_spine(tmp_path: Path) -> None:
    extracted = read_document(epub(tmp_path / "a.epub"))
    assert extracted.paragraphs == ["Dibaji fupi.", "Sura 1", "Hadithi ya", "kwanza."]
    assert +extracted.changes == {"tables of contents left out": 1}


def test_books_with_encrypted_fonts_are_read_and_those_with_encrypted_text_refused(tmp_path: Path) -> None:
    for name, is_refused in (("OEBPS/font.otf", False), ("OEBPS/text/sura%201.xhtml", True)):
        encryption = f'<encryption><EncryptedData><CipherReference URI="{name}"/></EncryptedData></encryption>'
        path = epub(tmp_path / "a.epub", **{"META-INF__encryption.xml": encryption})
        if is_refused:
            with pytest.raises(UserError, match=r"a\.epub: protected by digital rights management"):
                read_document(path)
        else:
            assert read_document(path).paragraphs


MEMBERS = {"docx": "word/document.xml", "odt": "META-INF/manifest.xml", "epub": "META-INF/container.xml"}


@pytest.mark.parametrize("write", [docx, odt, epub])
@pytest.mark.parametrize("is_truncated", [True, False])
def test_damaged_files_are_to_be_downloaded_again(
    tmp_path: Path, write: Callable[[Path], Path], *, is_truncated: bool
) -> None:
    path = write(tmp_path / f"a.{write.__name__}")
    data = path.read_bytes()
    damaged = data[:-100] if is_truncated else data.replace(b"<", b"{")  # the checksums no longer fit
    path.write_bytes(damaged)
    message = rf"a\{path.suffix}: not a readable \{path.suffix} file \(.*\); save or download it again$"
    with pytest.raises(UserError, match=message):
        read_document(path)


@pytest.mark.parametrize("ending", ["docx", "odt", "epub"])
def test_other_files_are_refused_by_name(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("Habari")
    with pytest.raises(UserError, match=rf"a\.{ending}: not a readable \.{ending} file"):
        read_document(path)
    archive(path, **{"word__document2.xml": "Habari"})
    with pytest.raises(UserError, match=rf"a\.{ending}: not a \.{ending} file: it has no {MEMBERS[ending]}$"):
        read_document(path)
    archive(path, **{"xl__workbook.xml": ""})
    with pytest.raises(UserError, match=r"but an Excel workbook: save the sheet as CSV$"):
        read_document(path)
    path.write_text('{"text": "Habari"}')
    with pytest.raises(UserError, match=rf"is not a \.{ending} file, but JSON: rename it to end in \.json or \.jsonl$"):
        read_document(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512)
    with pytest.raises(UserError, match="protected with a password, or an old Word file"):
        read_document(path)


def test_an_encrypted_odt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="protected with a password"):
        read_document(odt(tmp_path / "a.odt", manifest="<m><encryption-data/></m>"))


def test_the_command_for_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lxml", None)
    with pytest.raises(
        UserError, match=r"a\.docx: reading this format needs lxml: pip install 'lrl-adapt\[documents\]'"
    ):
        read_document(docx(tmp_path / "a.docx"))


@pytest.mark.parametrize("damage", ["deflated data", "name", "version", "NUL in the XML"])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.odt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if damage == "NUL in the XML" else zipfile.ZIP_DEFLATED) as file:
        file.writestr("META-INF/manifest.xml", "<m/>")
        file.writestr("content.xml", ODT)
    content = path.read_bytes()
    start = content.index(b"content.xml")
    content = {
        "deflated data": content[: start + 11] + b"\xff" * 100 + content[start + 111 :],
        "name": content[: start - 24]
        + b"\x00\x08"
        + content[start - 22 : start]
        + b"\xff"
        + content[start + 1 :],  # said to be UTF-8
        "version": content.replace(b"PK\x01\x02\x14\x03\x14\x00", b"PK\x01\x02\x14\x03\xd1\x00"),
        "NUL in the XML": content.replace(b"Sura", b"S\0ra"),
    }[damage]
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a readable \.odt file|malformed XML") as refused:
        read_document(path)
    assert "\n" not in str(refused.value)
