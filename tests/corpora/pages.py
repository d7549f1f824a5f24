"""Pages in GlotCC's shape."""

from pathlib import Path

import pyarrow
import pyarrow.parquet


def page(number: int) -> dict:
    lines = [
        f"Ukurasa wa {number}",
        f"Sentensi ya kwanza ya ukurasa {number}.",
        f"Sentensi ya pili ya ukurasa {number}.",
    ]
    return {"content": "\n".join(["Menyu", *lines, ""]), "warc-record-id": f"<urn:uuid:{number}>"}


def write_pages(path: Path, numbers: range) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([page(number) for number in numbers]), path)
    return path
