"""docs/study.md says what its committed scores say."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tables() -> list[list[str]]:
    spec = importlib.util.spec_from_file_location("study", ROOT / "benchmarks" / "study.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.tables())


def test_each_table_is_the_one_made_from_the_scores() -> None:
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    missing = [table[0] for table in tables() if "\n".join(table) not in page]
    assert not missing


def test_no_path_of_a_machine_is_in_what_is_committed() -> None:
    for file in (ROOT / "docs" / "study").rglob("*"):
        if file.suffix in {".html", ".csv", ".json", ".md", ".tex"}:
            text = file.read_text(encoding="utf-8")
            assert not any(f"{folder}/" in text for folder in ("/work", "/tmp", "/root", "/home")), file
