"""The corpus section: encodings, and the files of folders."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.corpus import Corpus
from lrl_adapt.recipes.corpus_files import DOCUMENTS, local_corpus_files
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
