"""GlotCC through the true client against a hub on loopback, and local files."""

import gzip
from pathlib import Path

import pytest
from lrl_adapt.corpora.readers import Document, corpus_files, read_documents
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.recipes.sources import local_file

from ..hub import Hub
from .pages import write_pages

GLOTCC = "datasets/cis-lmu/GlotCC-V1"


def test_every_shard_of_a_language_is_fetched_and_read(hub: Hub) -> None:
    for number in range(2):
        path = hub.folder / GLOTCC / f"v1.0/mlt-Latn/mlt-Latn_{number}.parquet"
        write_pages(path, range(number * 10, number * 10 + 10))
    files = corpus_files(Corpus(), "mlt_Latn")
    documents = [document for file in files for document in read_documents(file, None)]
    assert [document.id for document in documents] == [f"<urn:uuid:{number}>" for number in range(20)]
    assert documents[3].text.startswith("Menyu\nUkurasa wa 3\n")
    before = len([line for line in hub.requests if line.startswith("GET") and "resolve" in line])
    assert corpus_files(Corpus(), "mlt_Latn") == files
    assert len([line for line in hub.requests if line.startswith("GET") and "resolve" in line]) == before == 2


def test_a_language_that_glotcc_lacks(hub: Hub) -> None:
    write_pages(hub.folder / GLOTCC / "v1.0/mlt-Latn/mlt-Latn_0.parquet", range(3))
    with pytest.raises(UserError, match="GlotCC has no text for kab-Latn"):
        corpus_files(Corpus(), "kab_Latn")


@pytest.mark.parametrize("status", [401, 404, 503])
def test_what_the_hub_refuses_is_told_in_one_line(hub: Hub, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client waits between tries
    hub.status = status
    with pytest.raises(UserError) as told:
        corpus_files(Corpus(glotcc="owner/other"), "mlt_Latn")
    assert "owner/other" in str(told.value) or status == 404
    assert "\n" not in str(told.value)


def test_a_hub_file_by_address_and_again_offline(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    file = hub.folder / "datasets/mteb/sib200/test/mlt_Latn.csv"
    file.parent.mkdir(parents=True)
    file.write_text("text,label\na,b\n")
    address = "hf://datasets/mteb/sib200@main/test/mlt_Latn.csv"
    assert local_file(address, tmp_path).read_text() == "text,label\na,b\n"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert local_file(address, tmp_path).read_text() == "text,label\na,b\n"
    with pytest.raises(UserError, match="not in the local cache"):
        local_file("hf://datasets/mteb/sib200/test/deu_Latn.csv", tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UserError, match="no such file in the repository"):
        local_file("hf://datasets/mteb/sib200/test/deu_Latn.csv", tmp_path)


def test_a_download_comes_whole_or_not_at_all(hub: Hub, tmp_path: Path) -> None:
    file = hub.folder / "datasets/a/b/dump.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"0123456789" * 100)
    address = f"{hub.address}/datasets/a/b/resolve/main/dump.csv.gz"
    hub.cut = True
    with pytest.raises(UserError, match=r"broke off|cannot be downloaded"):
        local_file(address, tmp_path / "downloads")
    assert not list((tmp_path / "downloads").iterdir())
    hub.cut = False
    assert local_file(address, tmp_path / "downloads").read_bytes() == file.read_bytes()
    with pytest.raises(UserError, match="cannot be downloaded: HTTP Error 404"):
        local_file(f"{hub.address}/datasets/a/b/resolve/main/none.gz", tmp_path / "downloads")


def test_lines_of_text_files_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"Moja.\n\n  Mbili. \n"))
    assert list(read_documents(path, None)) == [Document("Moja.", "Moja."), Document("Mbili.", "Mbili.")]


def test_the_text_column_is_found_or_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,other\nmoja,mbili\n,tatu\n")
    assert [document.text for document in read_documents(tmp_path / "a.csv", None)] == ["moja"]
    assert [document.text for document in read_documents(tmp_path / "a.csv", "other")] == ["mbili", "tatu"]
    with pytest.raises(UserError, match="no column 'othr'; did you mean other"):
        list(read_documents(tmp_path / "a.csv", "othr"))


def test_files_folders_and_globs(tmp_path: Path) -> None:
    for name in ("b/1.txt", "b/2.csv", "b/ignored.pdf", "c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    names = lambda *given: [p.name for p in corpus_files(Corpus(files=[str(tmp_path / g) for g in given]), "mlt_Latn")]  # noqa: E731
    assert names("b") == ["1.txt", "2.csv"]
    assert names("c.jsonl", "b/*.txt", "b") == ["c.jsonl", "1.txt", "2.csv"]
    with pytest.raises(UserError, match="no such file"):
        names("nothing*.txt")
