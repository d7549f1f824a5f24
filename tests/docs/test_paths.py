"""Files, modules and links that the documentation names exist."""

import ast
import re
from pathlib import Path

import lrl_adapt
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CHANGES = "CHANGELOG.md"  # names files that are gone by now, too
GENERATED_FOLDERS = {"build", "lrl-runs"}  # by `make docs` and `make demo`
FOLDERS = sorted(
    path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in GENERATED_FOLDERS
)
PATH = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)}|\.ci)/[\w.*/-]*[\w*])")
MODULE = re.compile(r"\blrl_adapt((?:\.\w+)+)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
NAME_IN_FILE = re.compile(r"`([A-Za-z_]\w*)`\s+in\s+`([\w/]+\.py)`")
PLACEHOLDERS = ("NAME", "CODE", "LANG")
MADE = {"build/site", "docs/performance-gpu.json"}
"""What the commands on a page make."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != CHANGES], ids=lambda page: page.name)
def test_paths_of_the_repository_exist(page: Path) -> None:
    paths = {path for path in PATH.findall(page.read_text(encoding="utf-8")) if path not in MADE}
    wanted = {re.sub("|".join(PLACEHOLDERS), "*", path) for path in paths}
    missing = [path for path in wanted if not list(ROOT.glob(path))]
    assert not missing


@each_page
def test_modules_and_their_names_exist(page: Path) -> None:
    for dotted in MODULE.findall(page.read_text(encoding="utf-8")):
        assert _is_there(dotted.removeprefix(".").split(".")), f"lrl_adapt{dotted}"


@each_page
def test_links_lead_to_files(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_names_that_contributing_gives_are_in_their_files() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = NAME_IN_FILE.findall(text)
    assert len(names) >= 8
    for name, file in names:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")), f"{file}: {name}"


def test_what_is_not_there_is_noticed() -> None:
    assert PATH.findall("see `training/none.py`, ./eval/x and docs/x/recipes/y") == [
        "training/none.py",
        "docs/x/recipes/y",
    ]
    assert _is_there(["training", "loop"])
    assert _is_there(["recipes", "loading", "load_recipe"])
    assert not _is_there(["recipes", "loading", "no_such_function"])
    assert not _is_there(["training", "none"])


def _is_there(parts: list[str]) -> bool:
    """Whether the parts name a package, a module, or a function or class in one; or a name of the Python API."""
    if len(parts) == 1 and parts[0] in lrl_adapt.__all__:
        return True
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if file.is_file() or (place.is_dir() and count == len(parts)):
            tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
            names = {name for node in tree.body for name in _names_bound(node)}
            return count == len(parts) or (count == len(parts) - 1 and parts[-1] in names)
    return False


def _names_bound(node: ast.stmt) -> set[str]:
    """Names that a statement at the top of a module defines or imports."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    return set()
