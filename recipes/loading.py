"""Load a recipe: a YAML file or bundled name, the files it extends, and `--set` overrides, checked as a `Recipe`.

Later layers win: the extended file, then the file itself, then the overrides. Mappings merge; lists and values replace.
All mistakes are collected and reported together.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..workspace.errors import UserError, nearest, shown
from ..workspace.locations import exists, glob_files, is_file
from ..workspace.tables import is_conll, is_table
from .control import LanguageControl
from .evaluation import TASKS, Task
from .grid import FIELD, grid_cells, grid_problems, language_sections, leaves, open_fields
from .override_values import expand_home, override_value
from .overrides import Override, Setting, origin_of, report_problems
from .placeholders import BUNDLED, TRANSFERRED, codes, each_string, fill_placeholders, location_fields
from .schema import RESOLVED, Recipe
from .splits import SPLITS
from .text_sources import is_source_file
from .validation_messages import explain, unknown_keys
from .yaml_files import read_yaml

DEFAULT_FILE = Path("recipe.yaml")
DEFAULT_NAME = "quickstart"
TASK_TRAINING_FILE = re.compile(r"eval\..*\.(train|validation)")
TASK_FIELD = re.compile(r"eval\.(others\.)?[^.]+\.")  # eval.topic.label, but not eval.topic
LISTS = ("files",)  # fields of which every location is read; in other fields a list holds alternatives
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


def bundled_recipes() -> dict[str, Path]:
    """The bundled recipes by name: `mbert.yaml` is mbert, `quickstart/recipe.yaml` is quickstart."""
    files = (path for path in BUNDLED.rglob("*.yaml") if path.parent == BUNDLED or path.name == DEFAULT_FILE.name)
    return {path.parent.name if path.name == DEFAULT_FILE.name else path.stem: path for path in sorted(files)}


def bundled_tasks() -> dict[str, Path]:
    """The bundled task files by name."""
    return {path.stem: path for path in sorted((BUNDLED / "tasks").glob("*.yaml"))}


def find_recipe(reference: str | None) -> Path:
    """Path of a recipe given by path or bundled name; for None ./recipe.yaml if it exists, else the quickstart."""
    bundled = bundled_recipes()
    if reference is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else bundled[DEFAULT_NAME]
    if is_file(reference):
        return Path(reference)
    if reference in bundled:
        return bundled[reference]
    name = Path(reference)
    if near := nearest(name.stem, bundled):
        hint = f"did you mean {near}?"
    elif name.suffix or name.parent.name:  # a path
        raise UserError(f"no such recipe file: {reference}; `lrl-adapt recipes list` lists the bundled recipes")
    else:
        hint = f"bundled recipes: {', '.join(bundled)}"
    raise UserError(f"no recipe file or bundled recipe is called {reference!r}; {hint}")


def load_recipe(reference: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """Read, merge, expand and check a recipe.

    `overrides` are `dotted.path=value` strings; the value is YAML, except that a path is taken literally. Raises
    UserError that lists every mistake, or where the recipe is a grid and the overrides do not select one run of it.
    """
    path = find_recipe(reference)
    return _load(path, _layers(path, ()), overrides)


def _load(path: Path, layers: list[dict[str, Any]], overrides: Sequence[str]) -> Recipe:
    """See `load_recipe`; `layers` are those of the file."""
    recipe, problems = _check(path, layers, overrides)
    if recipe is not None and not problems:
        return recipe
    by_user = [override for override in overrides if origin_of(override)]
    file_problems = problems
    if by_user:
        file_problems = _check(path, layers, [override for override in overrides if not origin_of(override)])[1]
    raise UserError(report_problems(str(path), problems, file_problems, list(map(_setting, by_user))))


def _setting(override: str) -> Setting:
    field, value = _override(override)
    return Setting(origin_of(override), field, list(leaves(_nested(field, value))))


def _check(path: Path, layers: list[dict[str, Any]], overrides: Sequence[str]) -> tuple[Recipe | None, list[str]]:
    """The recipe (None where it is invalid), and all problems with it."""
    changes = list(map(_override, overrides))
    given = _given(changes)
    grid = _grid(layers, given)
    _check_grid(path, layers, grid, overrides)
    if undecided := open_fields(grid, given):
        raise UserError(f"{path} is a grid of runs; to select one, set {', '.join(undecided)} (--set FIELD=VALUE)")
    cell = grid_cells(grid, given)[0]
    fields = [*cell.items(), *changes]
    recipe, problems = _resolve(path, layers, fields)
    if recipe is None or problems or not isinstance(recipe.control, LanguageControl):
        return recipe, problems
    language = recipe.control.language
    other, problems = _resolve(path, layers, [*fields, ("control", None), ("language", language)])
    if other and other.corpus and other.corpus.files and other.corpus == recipe.corpus:
        problems.append(f"corpus.files: write {{language}} in place of {recipe.language}")
    problems = [f"control: in {language}: {problem}" for problem in problems]
    return (recipe.with_other_language(other) if other else None), problems


def _resolve(
    path: Path, layers: list[dict[str, Any]], fields: list[tuple[str, Any]]
) -> tuple[Recipe | None, list[str]]:
    """The recipe of these layers and fields (later ones win), None where it is invalid, and all problems with it."""
    language = next(
        (layer["language"] for layer in (dict(fields), *reversed(layers)) if "language" in layer),
        None,
    )
    raw: dict[str, Any] = {}
    for layer in layers:
        section = layer["by_language"].get(codes(str(language)).get("language"), {})
        raw = _merge(_merge(raw, deepcopy(layer)), deepcopy(section))
    for key in RESOLVED:
        raw.pop(key, None)
    for field, value in fields:
        raw = _merge(raw, _nested(field, value)) if field != "grid" else raw
    raw.setdefault("name", _name(path))
    problems = [
        f"by_language.{code}.{problem}"
        for layer in layers
        for code, section in layer["by_language"].items()
        if code != codes(str(language)).get("language")  # that of the language is checked as a part of the recipe
        for problem in unknown_keys(section)
    ]
    problems += fill_placeholders(raw)
    try:
        return Recipe.model_validate(raw), problems
    except ValidationError as error:
        return None, problems + [explain(detail) for detail in error.errors()]


def load_runs(reference: str | None = None, overrides: Sequence[str] = ()) -> list[tuple[list[str], Recipe]]:
    """Every run of a recipe's grid with the overrides that select it; for a recipe without a grid, its one run.

    Raises UserError that lists the mistakes of all runs.
    """
    path, given = find_recipe(reference), _given(list(map(_override, overrides)))
    layers = _layers(path, ())
    grid = _grid(layers, given)
    _check_grid(path, layers, grid, overrides)
    runs: list[tuple[list[str], Recipe]] = []
    problems: dict[str, list[str]] = {}
    cells = grid_cells(grid, given)
    for cell in cells:
        cell_overrides = [
            Override(f"{field}={json.dumps(value, ensure_ascii=False, default=str)}", "")
            for field, value in cell.items()
            if field not in given
        ]
        run_overrides = [*([] if grid is None else [Override("grid=null", ""), *cell_overrides]), *overrides]
        try:
            runs.append((run_overrides, _load(path, layers, run_overrides)))
        except UserError as error:
            problems.setdefault(str(error), []).append(" ".join(cell_overrides))
    if problems:
        messages = [
            error if len(labels) == len(cells) else f"{error}\n  in {len(labels)} of {len(cells)} runs: {labels[0]} ..."
            for error, labels in problems.items()
        ]
        raise UserError("\n".join(messages))
    return runs


def _given(changes: list[tuple[str, Any]]) -> dict[str, Any]:
    """What the overrides set, as {dotted field: value}, paths absolute."""
    given: dict[str, Any] = {}
    for field, value in changes:
        nested = _nested(field, value)
        given |= {field: _at(nested, field)} | leaves(nested)
    return given


def _grid(layers: list[dict[str, Any]], given: dict[str, Any]) -> Any:
    """The grid of a recipe; None where the overrides hold `grid=null`, as those that select one run do."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, {"grid": layer["grid"]} if "grid" in layer else {})
    return None if "grid" in given else merged.get("grid")


def _check_grid(path: Path, layers: list[dict[str, Any]], grid: Any, overrides: Sequence[str]) -> None:
    """Raise a UserError for wrong fields of a grid, once for all runs, with the other mistakes of the first run."""
    if not (wrong := grid_problems(grid)):
        return
    changes = list(map(_override, overrides))
    _, problems = _resolve(path, layers, [*grid_cells(grid, _given(changes))[0].items(), *changes])
    reported = tuple(problem.removeprefix("grid.").partition(" ")[0] for problem in wrong)  # "adapter:"
    problems = wrong + [problem for problem in problems if not problem.startswith(reported)]
    settings = [_setting(override) for override in overrides if origin_of(override)]
    raise UserError(report_problems(str(path), problems, problems, settings))


def check_files(recipe: Recipe, finished: Collection[str] = ()) -> None:
    """Raise one UserError that lists every local file of a recipe that does not exist.

    Files of `finished` parts (base, corpus, graph, and tasks by name) are not needed any more.
    """
    raw = recipe.model_dump(exclude_none=True)
    missing = []
    unread = TASK_TRAINING_FILE if recipe.eval.transfer_from else TRANSFERRED  # not trained on, so they may be missing
    for dotted, section, key in location_fields(raw, Recipe):
        part = dotted.removeprefix("eval.").removeprefix("others.").partition(".")[0]
        if unread.fullmatch(dotted) or part in finished:
            continue
        value = section[key]
        locations = value if isinstance(value, list) else [value]
        absent = [location for location in locations if not _may_exist(location, dotted)]
        if key in LISTS or dotted.startswith("corpus.identify.") or len(absent) == len(locations):
            missing += [f"  {dotted}: no such file or folder: {location}" for location in absent]
    if missing:
        raise UserError("the recipe names files that do not exist:\n" + "\n".join(missing))


def _may_exist(location: str, dotted: str) -> bool:
    remote = "://" in location or (dotted == "base.model" and not location.startswith("/"))
    return remote or exists(location) or bool(glob_files(location))


def _name(path: Path) -> str:
    return path.resolve().parent.name if path.name == DEFAULT_FILE.name else path.stem


def _layers(path: Path, seen: tuple[Path, ...]) -> list[dict[str, Any]]:
    """The mappings of the files that a YAML file extends, then its own; paths absolute, `by_language` by full codes."""
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
        raise UserError(f"{path}: extends: expected the name or path of a recipe, got {shown(parent)}")
    beside = path.parent / parent
    parent_path = beside if is_file(beside) else find_recipe(parent)
    return [*_layers(parent_path, (*seen, path.resolve())), raw]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        former = merged.get(key)
        merged[key] = _merge(former, value) if isinstance(former, dict) and isinstance(value, dict) else value
    return merged


def _override(text: str) -> tuple[str, Any]:
    """Field and value of one `dotted.path=value`."""
    dotted, equals, word = text.partition("=")
    if not equals or not all(part.isidentifier() for part in dotted.split(".")):
        raise UserError(f"{origin_of(text)}: expected section.field=value, such as training.max_steps=50")
    if dotted.partition(".")[0] in RESOLVED and text != "grid=null":
        raise UserError(f"{origin_of(text)}: {dotted.partition('.')[0]} can be set in a recipe file only")
    try:
        value = override_value(dotted, word)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{origin_of(text)}: the value is not valid YAML") from error
    try:
        _nested(dotted, value)
    except UserError as error:  # a task file that does not exist
        raise UserError(f"{origin_of(text)}: {error}") from error
    return dotted, value


def _anchored_grid(grid: Any, folder: Path) -> Any:
    """A grid with its paths relative to `folder` made absolute; anything else is left for the check of grids."""
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
    """The value of a dotted field."""
    value: Any = raw
    for part in field.split("."):
        value = value[part]
    return value


def _nested(field: str, value: Any, folder: Path | None = None) -> dict[str, Any]:
    """A dotted field and its value as nested mappings; paths are relative to `folder`, by default the current one."""
    for part in reversed(field.split(".")):
        value = {part: value}
    _anchor(value, folder or Path.cwd(), whole_tasks=not TASK_FIELD.match(field))
    return value


def _anchor(raw: dict[str, Any], folder: Path, *, whole_tasks: bool = True) -> None:
    """Make the relative paths of a raw recipe absolute, in place; a base or task given as a string becomes a mapping.

    With `whole_tasks`, a task that names all its files replaces that of a lower layer; otherwise it changes its fields.
    """
    if isinstance(raw.get("base"), str):
        raw["base"] = {"model": raw["base"], "from_scratch": None}
    _anchor_sources(raw.get("corpus"), folder)
    evaluation = raw.get("eval")
    if isinstance(evaluation, dict):
        others = evaluation.get("others")
        for tasks, names in ((evaluation, TASKS), (others, tuple(others) if isinstance(others, dict) else ())):
            if isinstance(tasks, dict):
                _put_task_files(tasks, names, folder)
                if whole_tasks:
                    _complete_tasks(tasks, names)
    for dotted, section, key in list(location_fields(raw, Recipe)):
        if dotted.startswith("eval.") and key != "transfer_adapter":
            section.setdefault("skip_missing", False)  # files that the user names must exist
        hub = dotted == "base.model"
        section[key] = each_string(section[key], lambda text, hub=hub: _absolute(text, folder, hub=hub))


def _anchor_sources(corpus: Any, folder: Path) -> None:
    """Make the relative paths of text sources absolute, in place; bundled names stay."""
    if isinstance(corpus, dict) and "sources" in corpus:
        corpus["sources"] = each_string(
            corpus["sources"], lambda text: _absolute(text, folder, hub=False) if is_source_file(text) else text
        )


def _put_task_files(tasks: dict[str, Any], names: Iterable[str], folder: Path) -> None:
    """Replace names and paths of task files among `tasks` with the contents of the files.

    Names of data files stay: the check of the recipe reports them with its other mistakes.
    """
    for name in names:
        if isinstance(tasks.get(name), str) and not _is_data(Path(tasks[name])):
            tasks[name] = _read_task(tasks[name], folder)


def _is_data(path: Path) -> bool:
    """Whether the name is that of a data file; those that end in .json or .txt may be task files, too."""
    return path.suffix not in (".json", ".txt") and (is_table(path) or is_conll(path))


def _complete_tasks(tasks: dict[str, Any], names: Iterable[str]) -> None:
    """Set every field of the tasks that name all their files, so that no field of a lower layer remains."""
    for name in names:
        task = tasks.get(name)
        if isinstance(task, dict) and ("file" in task or set(SPLITS) <= task.keys()):
            tasks[name] = Task.model_construct().model_dump() | task


def _read_task(reference: str, folder: Path) -> dict[str, Any]:
    """The contents of a task file, with every field: `reference` is a path relative to `folder`, or a bundled name."""
    beside, bundled = folder / expand_home(reference), bundled_tasks()
    if not is_file(beside) and reference not in bundled:
        near = nearest(reference.removesuffix(".yaml"), bundled)
        hint = f"did you mean {near}?" if near else f"bundled tasks: {', '.join(bundled)}"
        raise UserError(f"no task file or bundled task is called {reference!r}; {hint}")
    path = beside if is_file(beside) else bundled[reference]
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(
            f"{path}: a task file is a mapping (train, validation, test, text, label, ...); if this is data, write "
            f"{{file: {path.name}}}"
        )
    for _, section, key in location_fields(raw, Task):
        section[key] = each_string(section[key], lambda text: _absolute(text, path.parent, hub=False))
    return Task.model_construct().model_dump() | raw  # every field: see _complete_tasks


def _absolute(text: str, folder: Path, *, hub: bool) -> str:
    """A path relative to `folder` made absolute; addresses, `${VAR}`, `{recipes}` and (with `hub`) hub ids stay."""
    if "://" in text or text.startswith(("/", "$", "{recipes}")):
        return text
    if hub and HUB_ID.fullmatch(text) and not exists(folder / text):
        return text
    return str((folder / expand_home(text)).resolve())
