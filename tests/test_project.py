"""Habits that the project keeps: packages listed, imports one way, files small."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("cli", "corpora", "graphs", "training", "eval", "recipes")
MAY_IMPORT = {
    "cli": {"corpora", "graphs", "training", "eval", "recipes"},
    "eval": {"training", "recipes"},
    "training": {"recipes"},
    "corpora": {"recipes"},
    "graphs": {"recipes"},
    "recipes": set(),
}


def sources() -> list[Path]:
    return sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {file.parent for folder in FOLDERS for file in (ROOT / folder).rglob("__init__.py")}
    names = {".".join(["lrl_adapt", *folder.relative_to(ROOT).parts]) for folder in found}
    assert set(listed) == names | {"lrl_adapt"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        depth = len(file.relative_to(ROOT).parts) - 1
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
                other = (node.module or node.names[0].name).split(".")[0]
                assert other in MAY_IMPORT[folder] | {"__version__"}, f"{file}: imports {other}"
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
            assert not any((name or "").startswith("lrl_adapt") for name in [*names, module]), f"{file}: absolute"


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 70, f"{file}: {node.name}"


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    extras = project["optional-dependencies"]["dev"]
    wanted = {line.split(">=")[0].lower() for line in [*project["dependencies"], *extras]}
    assert wanted <= pinned
