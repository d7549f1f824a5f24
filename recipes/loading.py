"""From a YAML file (or a bundled name) and `--set` overrides to a checked `Recipe`.

Order: the file a recipe `extends`, then the file, then the overrides; mappings merge, lists and values replace.
Every mistake is collected, so that the user sees all of them at once.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..workspace.errors import UserError, nearest
from ..workspace.locations import glob_files
from .evaluation import TASKS, Task
from .grid import FIELD, grid_cells, language_sections, leaves, open_fields
from .overrides import Override, Setting, origin_of, report_problems
from .placeholders import BUNDLED, TRANSFERRED, codes, each_string, fill_placeholders, location_fields
from .schema import RESOLVED, Recipe
from .validation_messages import explain
from .yaml_files import expand_home, override_value, read_yaml

DEFAULT_FILE = Path("recipe.yaml")
DEFAULT_NAME = "quickstart"
OWN_TRAINING = re.compile(r"eval\..*\.(train|validation)")
TASK_FIELD = re.compile(r"eval\.(others\.)?[^.]+\.")  # eval.topic.label, but not eval.topic
LISTS = ("files",)  # fields whose locations are all read
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


def bundled_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name: `mbert.yaml` is mbert, `quickstart/recipe.yaml` quickstart."""
    files = (path for path in BUNDLED.rglob("*.yaml") if path.parent == BUNDLED or path.name == DEFAULT_FILE.name)
    return {path.parent.name if path.name == DEFAULT_FILE.name else path.stem: path for path in sorted(files)}


def bundled_tasks() -> dict[str, Path]:
    """The task files that come with the package, by name."""
    return {path.stem: path for path in sorted((BUNDLED / "tasks").glob("*.yaml"))}


def find_recipe(reference: str | None) -> Path:
    """Path of a recipe given as a path, a bundled name, or nothing (./recipe.yaml if there, else quickstart)."""
    bundled = bundled_recipes()
    if reference is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else bundled[DEFAULT_NAME]
    if Path(reference).is_file():
        return Path(reference)
    if reference in bundled:
        return bundled[reference]
    near = nearest(reference.removesuffix(".yaml"), bundled)
    known = f"did you mean {near}?" if near else f"bundled recipes: {', '.join(bundled)}"
    raise UserError(f"no recipe file or bundled recipe is called {reference!r}; {known}")


def load_recipe(reference: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Read, merge, expand and check a recipe.

    `overrides` are `dotted.path=value` strings, the value in YAML, paths as they are. Raises UserError with every
    mistake in one message, and where the recipe is a grid of which the overrides do not choose one run.
    """
    path = find_recipe(reference)
    recipe, problems = _check(path, overrides)
    if recipe is not None and not problems:
        return recipe
    by_user = [override for override in overrides if origin_of(override)]
    of_file = _check(path, [override for override in overrides if not origin_of(override)])[1] if by_user else problems
    raise UserError(report_problems(str(path), problems, of_file, list(map(_setting, by_user))))


def _setting(override: str) -> Setting:
    field, value = _override(override)
    return Setting(origin_of(override), field, list(leaves(_nested(field, value))))


def _check(path: Path, overrides: Sequence[str]) -> tuple[Recipe | None, list[str]]:
    """The recipe, or None, and everything that is wrong with it."""
    problems: list[str] = []
    changes = list(map(_override, overrides))
    given = _given(changes)
    layers = _layers(path, ())
    grid = _grid(layers, given)
    if open_ones := open_fields(grid, given):
        raise UserError(
            f"{path} is a grid of runs; to choose one of them, set {', '.join(open_ones)} (--set FIELD=VALUE)"
        )
    cell = grid_cells(grid, given)[0]
    language = next(
        (layer["language"] for layer in ({**given}, {**cell}, *reversed(layers)) if "language" in layer), None
    )
    raw: dict[str, Any] = {}
    for layer in layers:
        sections = layer.pop("by_language", {})
        raw = _merge(_merge(raw, layer), sections.get(codes(str(language)).get("language"), {}))
    raw.pop("grid", None)
    for field, value in (*cell.items(), *changes):
        raw = _merge(raw, _nested(field, value)) if field != "grid" else raw
    raw.setdefault("name", _name(path))
    fill_placeholders(raw, problems)
    try:
        return Recipe.model_validate(raw), problems
    except ValidationError as error:
        return None, problems + [explain(detail) for detail in error.errors()]


def load_runs(reference: str | None = None, overrides: Sequence[str] = ()) -> list[tuple[list[str], Recipe]]:
    """Every run of a recipe's grid, with the overrides that make it; the one run of a recipe without a grid.

    Raises UserError with the mistakes of all of them.
    """
    given = _given(list(map(_override, overrides)))
    grid = _grid(_layers(find_recipe(reference), ()), given)
    runs: list[tuple[list[str], Recipe]] = []
    problems: dict[str, list[str]] = {}
    cells = grid_cells(grid, given)
    for cell in cells:
        words = [
            Override(f"{field}={json.dumps(value, ensure_ascii=False, default=str)}", "")
            for field, value in cell.items()
        ]
        one = [*([] if grid is None else [Override("grid=null", ""), *words]), *overrides]
        try:
            runs.append((one, load_recipe(reference, one)))
        except UserError as error:
            problems.setdefault(str(error), []).append(" ".join(words))
    if problems:
        told = [
            error if len(where) == len(cells) else f"{error}\n  in {len(where)} of {len(cells)} runs: {where[0]} ..."
            for error, where in problems.items()
        ]
        raise UserError("\n".join(told))
    return runs


def _given(changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """What the overrides set, as {dotted field: value}, paths absolute."""
    found: dict[str, Any] = {}
    for field, value in changes:
        found |= {field: _at(_nested(field, value), field)} | leaves(_nested(field, value))
    return found


def _grid(layers: list[dict[str, Any]], given: dict[str, Any]) -> Any:
    """The grid of a recipe; none where the user sets it to null, as what chooses one of its runs does."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, {"grid": layer["grid"]} if "grid" in layer else {})
    return None if "grid" in given else merged.get("grid")


def check_files(recipe: Recipe, finished: Collection[str] = ()) -> None:
    """Raise one UserError that lists every local file of a recipe that does not exist.

    Files of `finished` parts (base, corpus, graph, and tasks by name) are not needed any more.
    """
    raw = recipe.model_dump(exclude_none=True)
    missing = []
    unread = OWN_TRAINING if recipe.eval.transfer_from else TRANSFERRED  # not trained on, so they need not be there
    for dotted, section, key in location_fields(raw, Recipe):
        part = dotted.removeprefix("eval.").removeprefix("others.").partition(".")[0]
        if unread.fullmatch(dotted) or part in finished:
            continue
        value = section[key]
        locations = value if isinstance(value, list) else [value]
        absent = [location for location in locations if not _may_exist(location, dotted)]
        if key in LISTS or len(absent) == len(locations):  # elsewhere a list holds alternatives
            missing += [f"  {dotted}: no such file: {location}" for location in absent]
    if missing:
        raise UserError(f"{recipe.name}: files are missing\n" + "\n".join(missing))


def _may_exist(location: str, dotted: str) -> bool:
    remote = "://" in location or (dotted == "base.model" and not location.startswith("/"))
    return remote or Path(location).exists() or bool(glob_files(location))


def _name(path: Path) -> str:
    return path.resolve().parent.name if path.name == DEFAULT_FILE.name else path.stem


def _layers(path: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """The mapping in a YAML file after those that it extends, paths made absolute, `by_language` by full codes."""
    if path.resolve() in seen:
        raise UserError(f"{path}: extends itself through {' -> '.join(map(str, seen))}")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a recipe is a mapping of sections (language, base, corpus, ...)")
    _anchor(raw, path.parent)
    raw["by_language"] = language_sections(raw.get("by_language"))
    for section in raw["by_language"].values():
        _anchor(section, path.parent)
    raw |= {"grid": _anchored_grid(raw["grid"], path.parent)} if "grid" in raw else {}
    parent = raw.pop("extends", None)
    if parent is None:
        return [raw]
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends: expected the name or path of a recipe, got {parent!r}")
    beside = path.parent / parent
    found = beside if beside.is_file() else find_recipe(parent)
    return [*_layers(found, (*seen, path.resolve())), raw]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _override(text: str) -> tuple[str, Any]:
    """The field and the value that one `dotted.path=value` stands for."""
    dotted, equals, word = text.partition("=")
    if not equals or not all(part.isidentifier() for part in dotted.split(".")):
        raise UserError(f"{origin_of(text)}: expected section.field=value, such as training.max_steps=50")
    if dotted.partition(".")[0] in RESOLVED and text != "grid=null":
        raise UserError(f"{origin_of(text)}: only a recipe file can hold {dotted.partition('.')[0]}")
    try:
        value = override_value(dotted, word)
    except yaml.YAMLError as error:
        raise UserError(f"{origin_of(text)}: the value is not valid YAML") from error
    try:
        _nested(dotted, value)
    except UserError as error:  # the name of a task file that is not there
        raise UserError(f"{origin_of(text)}: {error}") from error
    return dotted, value


def _anchored_grid(grid: Any, folder: Path) -> Any:
    """A grid whose paths start from `folder`; what is no grid is left to be judged."""
    if isinstance(grid, list):
        return [_anchored_grid(part, folder) for part in grid]
    if not isinstance(grid, dict):
        return grid
    listed = {field for field, values in grid.items() if isinstance(values, list) and FIELD.fullmatch(str(field))}
    return {
        field: [_at(_nested(field, value, folder), field) for value in values] if field in listed else values
        for field, values in grid.items()
    }


def _at(raw: dict[str, Any], field: str) -> Any:
    """What stands at a dotted field."""
    found: Any = raw
    for part in field.split("."):
        found = found[part]
    return found


def _nested(field: str, value: Any, folder: Path | None = None) -> dict[str, Any]:
    """The mapping that a dotted field and its value stand for; paths in it start from `folder` (none: here)."""
    for part in reversed(field.split(".")):
        value = {part: value}
    _anchor(value, folder or Path.cwd(), whole_tasks=not TASK_FIELD.match(field))
    return value


def _anchor(raw: dict[str, Any], folder: Path, *, whole_tasks: bool = True) -> None:
    """Make the relative paths of a raw recipe absolute; plain strings as base and tasks become mappings.

    With `whole_tasks` a task that names all its files replaces the one below it; without, it changes fields of that.
    """
    if isinstance(raw.get("base"), str):
        raw["base"] = {"model": raw["base"], "from_scratch": None}
    evaluation = raw.get("eval")
    if isinstance(evaluation, dict):
        own = evaluation.get("others")
        for tasks, names in ((evaluation, TASKS), (own, tuple(own) if isinstance(own, dict) else ())):
            if isinstance(tasks, dict):
                _put_task_files(tasks, names, folder)
                if whole_tasks:
                    _complete_tasks(tasks, names)
    for dotted, section, key in list(location_fields(raw, Recipe)):
        if dotted.startswith("eval.") and key != "transfer_adapter":
            section.setdefault("skip_missing", False)  # files that the user names must exist
        hub = dotted == "base.model"
        section[key] = each_string(section[key], lambda text, hub=hub: _absolute(text, folder, hub=hub))


def _put_task_files(tasks: dict[str, Any], names: Iterable[str], folder: Path) -> None:
    """Replace the names and paths of task files among `tasks` by what the files hold."""
    for name in names:
        if isinstance(tasks.get(name), str):
            tasks[name] = _read_task(tasks[name], folder)


def _complete_tasks(tasks: dict[str, Any], names: Iterable[str]) -> None:
    """Give tasks that name all their files every other field too, so that nothing of one below them remains."""
    for name in names:
        task = tasks.get(name)
        if isinstance(task, dict) and ("file" in task or {"train", "validation", "test"} <= task.keys()):
            tasks[name] = Task.model_construct().model_dump() | task


def _read_task(reference: str, folder: Path) -> dict[str, Any]:
    """What a task file holds, every field of it: named as a path seen from `folder`, or as one that comes along."""
    beside, bundled = folder / expand_home(reference), bundled_tasks()
    if not beside.is_file() and reference not in bundled:
        near = nearest(reference.removesuffix(".yaml"), bundled)
        known = f"did you mean {near}?" if near else f"bundled tasks: {', '.join(bundled)}"
        raise UserError(f"no task file or bundled task is called {reference!r}; {known}")
    path = beside if beside.is_file() else bundled[reference]
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a task is a mapping (train, validation, test, text, label, ...)")
    for _, section, key in location_fields(raw, Task):
        section[key] = each_string(section[key], lambda text: _absolute(text, path.parent, hub=False))
    return Task.model_construct().model_dump() | raw  # all fields, so that nothing of a task that it replaces remains


def _absolute(text: str, folder: Path, *, hub: bool) -> str:
    """A local path seen from `folder`; addresses, `${VAR}`, `{recipes}` and (if `hub`) hub ids stay as they are."""
    if "://" in text or text.startswith(("/", "$", "{recipes}")):
        return text
    if hub and HUB_ID.fullmatch(text) and not (folder / text).exists():
        return text
    return str((folder / expand_home(text)).resolve())
