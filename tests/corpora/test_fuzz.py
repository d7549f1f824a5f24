"""Damaged and hostile files of a corpus: each is read or refused in one line, and nothing outside it is read."""

import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lrl_adapt.corpora.readers import DocumentReader
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.workspace.errors import UserError

from ..fuzz import damaged, each_seed, shown_on_failure, text, value
from ..workspace.tables.test_fuzz import FORMATS, PIECES, rows
from .documents.test_office import docx, epub, odt

FILES = 1000  # for each seed
SECRET = "siri ya nje"
ENTITIES = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file://{}">]>',
    '<!DOCTYPE x [<!ENTITY % e SYSTEM "file://{}"> %e;]>',
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY e "&b;&b;&b;&b;">]>',
)
PLAIN = {
    ".txt": "Habari ya leo.\nMimi ni mwalimu, na\nwewe?\n",
    ".srt": "1\n00:00:01,000 --> 00:00:02,000\nHabari\n\n2\n00:00:03,000 --> 00:00:04,000\n- <i>Nzuri</i>\n",
    ".vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Asha>Habari\n",
    ".usfm": "\\id GEN\n\\c 1\n\\p\n\\v 1 Hapo mwanzo\\f + \\ft x\\f* Mungu\n",
    ".usx": '<usx><para style="p"><verse number="1"/>Hapo mwanzo<note>x</note></para></usx>',
    ".html": "<!doctype html><html><head><title>T</title></head><body><p>Habari <b>ya</b> leo.<p>Nzuri</body></html>",
}


def archive(rng: random.Random, path: Path, secret: Path) -> None:
    """An office document or an e-book with entities, or members named by paths outside it."""
    make: Callable[..., Path] = {".docx": docx, ".odt": odt, ".epub": epub}[path.suffix]
    make(path)
    with zipfile.ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    name = rng.choice(list(members))
    outside = rng.choice((str(secret), "../" * 20 + str(secret), f"../{secret.name}", "..\\made", "/made"))
    way = rng.random()
    if way < 0.3:
        declared = rng.choice(ENTITIES).format(secret)
        members[name] = (
            f"{declared}{members[name].decode().partition('?>')[2] or members[name].decode()}".replace(
                "<w:t>", "<w:t>&e;"
            )
            .replace("<text:p>", "<text:p>&e;")
            .encode()
        )
    elif way < 0.6:
        members[name] = damaged(rng, members[name], (b"<", b"&e;", b"&#0;", b"</w:p>", b"<![CDATA[", b"<w:p>" * 500))
    elif way < 0.7:
        members[name] = members[name].replace(b'href="', b'href="' + outside.encode(), 1)
        members[outside] = b"x"
    with zipfile.ZipFile(path, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as copy:
        for member, content in members.items():
            copy.writestr(member, content)
    if way >= 0.7:
        path.write_bytes(damaged(rng, path.read_bytes(), (b"PK\x03\x04", b"PK\x01\x02", b"../")))


@each_seed
@pytest.mark.slow
def test_a_file_of_a_corpus_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    secret, inside = tmp_path / "secret.txt", tmp_path / "inside"
    secret.write_text(SECRET)
    inside.mkdir()
    read = 0
    for number in range(FILES):
        ending = rng.choice((*FORMATS, *PLAIN, ".docx", ".odt", ".epub"))
        path = inside / f"{number}{ending}"
        if ending in FORMATS:
            odd = rng.choice(("text", "warc-record-id", "identification-prob", "quality-warnings", "categories"))
            table = rows(rng)
            if "json" in ending:
                table = [row | {"text": text(rng), odd: value(rng)} for row in table]
            path.write_bytes(damaged(rng, FORMATS[ending](table), PIECES))
        elif ending in PLAIN:
            content = damaged(rng, PLAIN[ending].encode(rng.choice(("utf-8", "utf-8", "utf-16", "cp1252"))), PIECES)
            path.write_bytes(rng.choice(ENTITIES).format(secret).encode() + content if rng.random() < 0.1 else content)
        else:
            archive(rng, path, secret)
        with shown_on_failure((path.name, path.read_bytes())):
            try:
                documents = list(DocumentReader(Corpus(files=[str(path)]), files=[path]).read(path))
                read += bool(documents)
                assert not any(SECRET in document.text for document in documents)
            except UserError as error:
                assert path.name in str(error)
                assert "\n" not in str(error)
                assert len(str(error)) < 2000
        path.unlink()
    assert sorted(tmp_path.rglob("*")) == [inside, secret]
    assert FILES / 10 < read < FILES
