"""Habits that the project keeps: packages listed, imports one way, files small."""

import ast
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A folder, or a file of this name, imports only from lower floors and from itself.
FLOORS = {"workspace": 1, "recipes": 2, "corpora": 3, "graphs": 3, "training": 3, "eval": 4}
FLOORS |= {"pipeline": 5, "serving": 5, "cli": 6}


# What makes artifacts: commands ask the pipeline for it.
MAKERS = ("corpora", "graphs", "training.artifacts", "training.base", "training.language_adapter", "training.setup")
MAKERS += ("eval.evaluator", "eval.measurements", "pipeline.build", "pipeline.training")


def sources() -> list[Path]:
    return sorted(file for name in FLOORS for file in [*(ROOT / name).rglob("*.py"), *ROOT.glob(f"{name}.py")])


def name_of(file: Path) -> str:
    """The module's name below the package: training.adapters for training/adapters/__init__.py."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(file: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names below the package of what relative imports among `nodes` take: modules, or what stands in them."""
    package = file.relative_to(ROOT).parts[:-1]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            for alias in node.names:
                yield ".".join([*above, *(node.module.split(".") if node.module else []), alias.name])


def test_every_package_is_listed_in_pyproject() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(listed) == {"lrl_adapt"} | {
        ".".join(["lrl_adapt", *file.relative_to(ROOT).parts[:-1]]) for file in sources()
    }
    assert all((ROOT.joinpath(*name.split(".")[1:]) / "__init__.py").is_file() for name in listed)


@pytest.mark.parametrize("file", sources(), ids=name_of)
def test_imports_are_of_lower_floors_or_the_same_folder(file: Path) -> None:
    room = name_of(file).split(".")[0]
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    for name in imports_of(file, nodes):
        other = name.split(".")[0]
        assert other in {room, "__version__"} or FLOORS[other] < FLOORS[room], f"{file}: imports {name}"
    for node in nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
        assert not any((name or "").startswith("lrl_adapt") for name in [*names, module]), f"{file}: absolute"


@pytest.mark.parametrize("file", sorted((ROOT / "cli").rglob("*.py")), ids=name_of)
def test_commands_leave_the_work_to_the_pipeline(file: Path) -> None:
    for name in imports_of(file, ast.walk(ast.parse(file.read_text(encoding="utf-8")))):
        assert not any(f"{name}.".startswith(f"{maker}.") for maker in MAKERS), f"{file}: imports {name}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports at the top of the files; those inside functions run later."""
    modules = {name_of(file): file for file in sources()}
    graph = {}
    for module, file in modules.items():
        imported = imports_of(file, ast.parse(file.read_text(encoding="utf-8")).body)
        graph[module] = {name if name in modules else name.rpartition(".")[0] for name in imported}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


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
    extras = project["optional-dependencies"]
    extra_lines = [line for name in ("dev", "docs", "documents", "onnx", "serve") for line in extras[name]]
    lines = [*project["dependencies"], *extra_lines]
    wanted = {line.split(">=")[0].split("[")[0].lower() for line in lines}
    assert wanted <= pinned
