"""GlotCC through the true client against a hub on loopback, and local files."""

import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.corpora.origins import open_origins
from lrl_adapt.corpora.readers import Document, DocumentReader
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.workspace.errors import UserError

from ..hub import COMMIT, Hub
from ..said import Said
from .pages import write_pages

Files = Callable[[Corpus, str], list[Path]]
GLOTCC = "datasets/cis-lmu/GlotCC-V1"


@pytest.fixture
def corpus_files() -> Files:
    return paths_of


def paths_of(corpus: Corpus, language: str) -> list[Path]:
    return [path for opened in open_origins(corpus, language) for path in opened.paths()]


def test_every_shard_of_a_language_is_fetched_and_read(corpus_files: Files, hub: Hub) -> None:
    for number in range(2):
        path = hub.folder / GLOTCC / f"v1.0/mlt-Latn/mlt-Latn_{number}.parquet"
        write_pages(path, range(number * 10, number * 10 + 10))
    files = corpus_files(Corpus(), "mlt_Latn")
    documents = [document for file in files for document in DocumentReader(Corpus()).read(file)]
    assert [document.id for document in documents] == [f"<urn:uuid:{number}>" for number in range(20)]
    assert documents[3].text.startswith("Menyu\nUkurasa wa 3\n")
    assert corpus_files(Corpus(), "mlt_Latn") == files
    assert len(hub.fetched()) == 2


def test_a_language_that_glotcc_lacks(corpus_files: Files, hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/mlt-Latn/mlt-Latn_0.parquet", range(3))
    with pytest.raises(UserError, match="GlotCC has no text for kab-Latn"):
        corpus_files(Corpus(), "kab_Latn")


@pytest.mark.usefixtures("hub")
def test_a_repository_that_is_not_there_is_no_language_without_text(corpus_files: Files) -> None:
    with pytest.raises(UserError, match=r"^cis-lmu/GlotCC-V1: no such repository on the hub"):
        corpus_files(Corpus(), "mlt_Latn")


def test_a_folder_without_parquet_files(corpus_files: Files, hub: Hub) -> None:
    (hub.folder / GLOTCC / "v1.0/mlt-Latn").mkdir(parents=True)
    (hub.folder / GLOTCC / "v1.0/mlt-Latn/README.md").touch()
    with pytest.raises(
        UserError, match=r"^glotcc: cis-lmu/GlotCC-V1/v1.0/mlt-Latn has no \*\.parquet; it holds README"
    ):
        corpus_files(Corpus(), "mlt_Latn")


def test_glotcc_knows_a_language_by_its_own_label(corpus_files: Files, hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/ekk-Latn/ekk-Latn_0.parquet", range(3))
    assert [path.name for path in corpus_files(Corpus(), "est_Latn")] == ["ekk-Latn_0.parquet"]


def test_how_to_pin_a_branch_is_told(hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/mlt-Latn/mlt-Latn_0.parquet", range(3))
    hub.put("datasets/me/texts/mlt_Latn.txt", "Moja.\n")
    said = Said()
    mine = {"name": "mine", "repository": "me/texts", "files": "{code}.txt"}
    files = ["hf://datasets/me/texts/*.txt"]
    open_origins(Corpus.model_validate({"files": files, "sources": ["glotcc", mine]}), "mlt_Latn", said)
    assert said.lines == [
        f"me/texts: main is at {COMMIT}; to pin it, write hf://datasets/me/texts@{COMMIT}/… in corpus.files",
        f"cis-lmu/GlotCC-V1: main is at {COMMIT}; to pin it, write glotcc@{COMMIT} in corpus.sources",
        f"me/texts: main is at {COMMIT}; to pin it, write revision: {COMMIT} in the source's YAML",
    ]


def test_the_revision_is_the_recipes(corpus_files: Files, hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/mlt-Latn/mlt-Latn_0.parquet", range(3))
    assert len(corpus_files(Corpus(sources=[f"glotcc@{COMMIT}"]), "mlt_Latn")) == 1
    with pytest.raises(UserError, match="no such revision"):
        corpus_files(Corpus(sources=["glotcc@v9"]), "mlt_Latn")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
@pytest.mark.usefixtures("no_waiting")
def test_what_the_hub_refuses_is_told_in_one_line(corpus_files: Files, hub: Hub, status: int) -> None:
    hub.status = status
    with pytest.raises(UserError, match=rf"^cis-lmu/GlotCC-V1: .*{status}") as error:
        corpus_files(Corpus(), "mlt_Latn")
    assert "\n" not in str(error.value)


def test_glotcc_offline(corpus_files: Files, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        corpus_files(Corpus(), "mlt_Latn")
    assert not hub.requests


@pytest.mark.usefixtures("no_waiting")
def test_a_shard_that_breaks_off_is_told(corpus_files: Files, hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/mlt-Latn/mlt-Latn_0.parquet", range(3))
    assert corpus_files(Corpus(), "mlt_Latn")
    write_pages(hub.folder / GLOTCC / "v1.0/swh-Latn/swh-Latn_0.parquet", range(3, 6))
    hub.cuts = 99
    with pytest.raises(UserError, match=r"^cis-lmu/GlotCC-V1"):
        corpus_files(Corpus(), "swh_Latn")


def test_lines_of_text_files_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"Moja.\n\n  Mbili. \n"))
    assert list(DocumentReader(Corpus()).read(path)) == [Document("Moja.", "Moja."), Document("Mbili.", "Mbili.")]


def test_a_folder_is_read_whatever_the_case_of_its_endings_and_what_is_left_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "Kitabu – Ọ̀rọ̀"
    (folder / ".git").mkdir(parents=True)
    for name, content in {
        "a b.txt": "moja\n",
        "HABARI.TXT": "mbili\n",
        "Data.CSV": "text;id\ntatu;1\n",
        "lines.json": '{"text": "nne"}\n',
        "array.json": '[{"text": "tano"}]',
        "notes.md": "-",
        "README.md": "-",
        "LICENSE": "-",
        "words.conllu": "-",
        "part.parquet.gz": "-",
        ".hidden.md": "-",
        ".git/config": "-",
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "data.Tsv.GZ").write_bytes(gzip.compress(b"text\nsita\n"))
    said = Said()
    (opened,) = open_origins(Corpus(files=[str(folder)]), "swh_Latn", said)
    reader = DocumentReader(Corpus(), said)
    texts = [document.text for path in opened.paths() for document in reader.read(path)]
    assert sorted(texts) == ["mbili", "moja", "nne", "sita", "tano", "tatu"]
    assert said.lines == [
        f"{folder}: 5 files not read (1 LICENSE, 2 .md, 1 .parquet.gz, 1 .conllu)",
        "read Data.CSV: columns separated by semicolons",
    ]


def test_the_text_column_is_found_or_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,other\nmoja,mbili\n,tatu\n")
    assert [document.text for document in DocumentReader(Corpus()).read(tmp_path / "a.csv")] == ["moja"]
    assert [document.text for document in DocumentReader(Corpus(text_column="other")).read(tmp_path / "a.csv")] == [
        "mbili",
        "tatu",
    ]
    with pytest.raises(UserError, match="no column 'othr'; did you mean other"):
        list(DocumentReader(Corpus(text_column="othr")).read(tmp_path / "a.csv"))


def test_documents_without_text_are_left_out(tmp_path: Path) -> None:
    lines = ['{"text": "moja"}', '{"text": ""}', '{"text": null}', '{"text": "  "}', '{"text": NaN}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    reader = DocumentReader(Corpus())
    assert [document.text for document in reader.read(tmp_path / "a.jsonl")] == ["moja"]
    assert reader.empty == 4
    (tmp_path / "a.txt").write_text("moja\n\n \nmbili\n")
    documents = list(reader.read(tmp_path / "a.txt"))
    assert [(document.text, document.file) for document in documents] == [("moja", 1), ("mbili", 1)]
    assert reader.empty == 6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["Moja.", "Mbili."], "expected text, got a list, ['Moja.', 'Mbili.']"),
        (b"Moja.", "expected text, got bytes (a binary column: store it as a string), b'Moja.'"),
        ({"en": "One."}, "expected text, got an object, {'en': 'One.'}"),
        (True, "expected text, got true or false, True"),
    ],
)
def test_a_column_of_another_type_is_named_with_its_type(tmp_path: Path, value: object, message: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": [value]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=re.escape(f"a.parquet, row 1, column 'text': {message}")):
        list(DocumentReader(Corpus()).read(tmp_path / "a.parquet"))


def test_glotccs_columns_go_before_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,content,warc-record-id\nno,yes,<7>\nno,also,\n")
    assert list(DocumentReader(Corpus()).read(tmp_path / "a.csv")) == [Document("<7>", "yes"), Document("also", "also")]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"Moja.\n" * 5000)[:-12])
    with pytest.raises(UserError, match=r"a\.txt\.gz: not a readable gzip file"):
        list(DocumentReader(Corpus()).read(tmp_path / "a.txt.gz"))


def texts_of(path: Path, **corpus: object) -> list[str]:
    return [document.text for document in DocumentReader(Corpus.model_validate(corpus), script="Latn").read(path)]


def test_plain_text_by_line_paragraph_or_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Moja.\nMbili.\n \nTatu.\n")
    assert texts_of(tmp_path / "a.txt") == ["Moja.", "Mbili.", "Tatu."]
    assert texts_of(tmp_path / "a.txt", sample_by="paragraph") == ["Moja.\nMbili.", "Tatu."]
    assert texts_of(tmp_path / "a.txt", sample_by="document") == ["Moja.\nMbili.\nTatu."]


def test_words_of_a_wrapped_text_count_once(tmp_path: Path) -> None:
    """A hyphen at a line end: the wrapped text has il-ktieb twice, the other one ilktieb three times."""
    wrapped = [
        "Dan huwa il-ktieb li tani missieri meta kont għadni tifel żgħir u il-",
        "ktieb jinsab fuq il-mejda tal-kċina flimkien mal-pinen il-ġodda ta' ħija",
        "u dak huwa il-ktieb li nħobb naqra kuljum qabel ma mmur norqod kmieni",
        "fil-kamra tiegħi.",
    ]
    (tmp_path / "a.txt").write_text("\n".join(wrapped), encoding="utf-8")
    (tmp_path / "b.txt").write_text("ilktieb\n" * 3, encoding="utf-8")
    reader = DocumentReader(Corpus(sample_by="paragraph"), files=[tmp_path / "a.txt", tmp_path / "b.txt"])
    (document,) = reader.read(tmp_path / "a.txt")
    assert "żgħir u ilktieb jinsab" in document.text


def test_documents_by_paragraph_or_whole(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<h1>Moja</h1><p>Mbili</p>")
    assert texts_of(tmp_path / "a.html") == texts_of(tmp_path / "a.html", sample_by="paragraph") == ["Moja", "Mbili"]
    assert texts_of(tmp_path / "a.html", sample_by="document") == ["Moja\nMbili"]


def test_the_encoding_of_plain_text_is_found_and_reported_or_named(tmp_path: Path) -> None:
    said = Said()
    (tmp_path / "a.txt").write_text("Größe\nWärme\n", encoding="cp1252")
    reader = DocumentReader(Corpus(), said, script="Latn")
    assert [document.text for document in reader.read(tmp_path / "a.txt")] == ["Größe", "Wärme"]
    fits = "the only encoding that fits (100%: Größe, Wärme)"
    assert said.lines == [f"read a.txt: not UTF-8: read as cp1252, {fits}; set corpus.encoding if that is wrong"]
    (tmp_path / "b.txt").write_text("ħobż\n", encoding="iso8859-3")
    assert texts_of(tmp_path / "b.txt", encoding="iso8859-3") == ["ħobż"]
    with pytest.raises(UserError, match=r"b\.txt: not utf-16 text"):
        texts_of(tmp_path / "b.txt", encoding="utf-16")


def test_a_file_of_an_unknown_format_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    with pytest.raises(UserError, match=r"a\.xyz: unknown format; expected txt, csv, .* or pdf, docx, odt, "):
        texts_of(tmp_path / "a.xyz")
    with pytest.raises(UserError, match=r"a\.doc: unknown format; save it as \.docx$"):
        texts_of(tmp_path / "a.doc")


@pytest.mark.parametrize("name", ["a.txt", "a.srt", "a.html", "a.usfm"])
def test_a_word_document_under_the_name_of_a_text_is_refused_as_what_it_is(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(UserError, match=rf"{name} is a Word document: rename it to end in \.docx"):
        texts_of(tmp_path / name)


def test_documents_of_a_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.SRT").write_text("1\n00:00:01,000 --> 00:00:02,000\nHabari.\n")
    (tmp_path / "b.txt").write_text("Moja.\n")
    (tmp_path / "c.doc").touch()
    said = Said()
    (opened,) = open_origins(Corpus(files=[str(tmp_path)]), "swh_Latn", said)
    assert [text for path in opened.paths() for text in texts_of(path)] == ["Habari.", "Moja."]
    assert said.lines == [f"{tmp_path}: 1 file not read (1 .doc): save .doc files as .docx"]


def test_subtitles_under_the_name_of_a_text_are_refused_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("WEBVTT\n\nNOTE made by hand\n\n00:01.000 --> 00:04.000 align:start\nHabari.\n")
    with pytest.raises(UserError, match=r"a\.txt holds subtitles: rename it to end in \.vtt"):
        texts_of(tmp_path / "a.txt", sample_by="paragraph")
    (tmp_path / "b.txt").write_text("Kuna mshale --> hapa.\n10:30 --> 11:00 somo\n")
    assert texts_of(tmp_path / "b.txt") == ["Kuna mshale --> hapa.", "10:30 --> 11:00 somo"]


def test_exports_of_annotation_tools_among_the_text_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 1, "data": {"text": "Habari"}, "annotations": [{"result": []}]}]')
    with pytest.raises(UserError, match=r"a\.json: an export of Label Studio, labelled data and not text: move it"):
        texts_of(tmp_path / "a.json")
    (tmp_path / "b.jsonl").write_text('{"text": "Habari Asha", "label": [[7, 11, "PER"]]}\n{"text": "Moja"}\n')
    said = Said()
    assert [document.text for document in DocumentReader(Corpus(), said).read(tmp_path / "b.jsonl")] == [
        "Habari Asha",
        "Moja",
    ]
    assert said.lines == ["read b.jsonl: an export of doccano: its texts are read, without the labels"]


@pytest.mark.parametrize(
    ("value", "probability"),
    [("0.5", 0.5), ("1", 1.0), ("1" + "0" * 400, None), ("NaN", None), ('"0.5"', None), ("-1", -1.0)],
)
def test_a_probability_is_a_number_up_to_1(tmp_path: Path, value: str, probability: float | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "Habari.", "identification-prob": {value}}}\n')
    (document,) = DocumentReader(Corpus(files=[str(path)])).read(path)
    assert document.probability == probability
