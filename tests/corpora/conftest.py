from pathlib import Path

import pytest

from .pages import write_pages


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return write_pages(tmp_path / "pages.parquet", range(300))
