"""The corpus section: encodings, and the files of folders."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.corpus import Corpus
from lrl_adapt.recipes.corpus_files import DOCUMENTS, local_corpus_files, may_name_pdf
from pydantic import ValidationError


def test_names_of_one_encoding_are_one_setting() -> None:
    assert Corpus(encoding="windows-1252") == Corpus(encoding="CP1252")
    assert Corpus(encoding="Latin-1").encoding == "iso8859-1"


@pytest.mark.parametrize("encoding", ["latin-33", "base64", "hex", ""])
def test_encodings_that_python_does_not_know(encoding: str) -> None:
    with pytest.raises(ValidationError, match="unknown encoding"):
        Corpus(encoding=encoding)


def test_documents_of_a_folder_are_files_of_the_corpus(tmp_path: Path) -> None:
    for ending in [*DOCUMENTS, ".md", ".txt"]:
        (tmp_path / f"a{ending.upper()}").touch()
    names = {path.name for path in local_corpus_files(Corpus(files=[str(tmp_path)]))}
    assert names == {f"a{ending.upper()}" for ending in [*DOCUMENTS, ".txt"]}


@pytest.mark.parametrize(
    ("pattern", "may_be_pdf"),
    [
        ("books/a.PDF", True),
        ("books/*.p?f", True),
        ("books/*.{txt,pdf}", True),
        ("books/v1.0*", True),
        ("v1.0/*", True),
        ("books.pdf/*.txt", False),
        ("books/*.{txt,csv.gz}", False),
        ("books/LICENSE", False),
    ],
)
def test_patterns_that_may_match_a_pdf(pattern: str, may_be_pdf: bool) -> None:
    assert may_name_pdf(f"hf://datasets/me/texts/{pattern}") is may_be_pdf
