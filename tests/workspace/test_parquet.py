"""Errors of reading the files of artifacts."""

import errno
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.parquet import artifact_file

REMEDY = "delete the folder /runs/corpus-1, then run the command that made it again"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (pyarrow.ArrowInvalid("Not a parquet file\nat all"), f"is damaged (Not a parquet file): {REMEDY}"),
        (pyarrow.ArrowInvalid(""), f"is damaged (ArrowInvalid): {REMEDY}"),
        (OSError("Couldn't deserialize thrift"), f"is damaged (Couldn't deserialize thrift): {REMEDY}"),
        (OSError(errno.EIO, "I/O error"), f"is damaged ([Errno 5] I/O error): {REMEDY}"),
        (FileNotFoundError(errno.ENOENT, "No such file"), f"is missing: {REMEDY}"),
    ],
)
def test_a_file_that_is_damaged_or_missing_is_named_with_the_remedy(error: Exception, message: str) -> None:
    with pytest.raises(UserError) as said, artifact_file(Path("/runs/corpus-1/train.parquet")):
        raise error
    assert str(said.value) == f"/runs/corpus-1/train.parquet {message}"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE, errno.ESTALE])
def test_a_file_that_cannot_be_opened_is_not_called_damaged(code: int) -> None:
    with pytest.raises(UserError) as said, artifact_file(Path("/runs/corpus-1/train.parquet")):
        raise OSError(code, "some words")
    assert str(said.value) == f"cannot read /runs/corpus-1/train.parquet: {os.strerror(code)}"


def test_pyarrow_itself_gives_these_errors(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    with pytest.raises(UserError, match="is missing"), artifact_file(file) as path:
        pyarrow.parquet.read_table(path)
    table = pyarrow.table({"text": ["habari", "mvua"]})
    pyarrow.parquet.write_table(table, file)
    content = file.read_bytes()
    file.write_bytes(b"\xff" * len(content))
    with pytest.raises(UserError, match="is damaged"), artifact_file(file) as path:
        pyarrow.parquet.read_table(path)
    file.write_bytes(content[:8] + b"\xff" * 8 + content[16:])  # the first page
    with pytest.raises(UserError, match="is damaged"), artifact_file(file) as path:
        pyarrow.parquet.read_table(path)
