"""From a YAML file (or a bundled name) and `--set` overrides to a checked `Recipe`.

Order: the file a recipe `extends`, then the file, then the overrides; mappings merge, lists and values replace.
Every mistake is collected, so that the user sees all of them at once.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from .errors import UserError, nearest
from .evaluation import TASKS, Task
from .fields import LocationMark
from .grid import FIELD, grid_cells, language_sections, leaves, open_fields
from .languages import UnknownLanguageError, find_language
from .mistakes import explain, section_of
from .overrides import Override, Setting, origin_of, report_problems
from .schema import RESOLVED, Recipe
from .sources import glob_files

BUNDLED = Path(__file__).parent
DEFAULT_FILE = Path("recipe.yaml")
DEFAULT_NAME = "quickstart"
SAMPLE_ONLY = "the sample data that come along are in Swahili (swh_Latn) alone"
VARIABLE = re.compile(r"\$\{(\w+)\}")
TRANSFERRED = re.compile(r"eval\.(.*\.transfer_(train|validation)|transfer_adapter)")
OWN_TRAINING = re.compile(r"eval\..*\.(train|validation)")
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

    `overrides` are `dotted.path=value` strings, the value in YAML. Raises UserError with every mistake in one message,
    and where the recipe is a grid of which the overrides do not choose one run.
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
        raw = _merge(_merge(raw, layer), sections.get(_codes(str(language)).get("language"), {}))
    raw.pop("grid", None)
    for field, value in (*cell.items(), *changes):
        raw = _merge(raw, _nested(field, value)) if field != "grid" else raw
    raw.setdefault("name", _name(path))
    _fill_placeholders(raw, problems)
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
        words = [Override(f"{field}={json.dumps(value, default=str)}", "") for field, value in cell.items()]
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


def check_files(recipe: Recipe) -> None:
    """Raise one UserError that lists every local file of a recipe that is not there."""
    raw = recipe.model_dump(exclude_none=True)
    missing = []
    unread = OWN_TRAINING if recipe.eval.transfer_from else TRANSFERRED  # not trained on, so they need not be there
    for dotted, section, key in _locations(raw, Recipe):
        if unread.fullmatch(dotted):
            continue
        value = section[key]
        for location in value if isinstance(value, list) else [value]:
            remote = "://" in location or (dotted == "base.model" and not location.startswith("/"))
            if not remote and not Path(location).exists() and not glob_files(location):
                missing.append(f"  {dotted}: no such file: {location}")
    if missing:
        raise UserError(f"{recipe.name}: files are missing\n" + "\n".join(missing))


class _Loader(yaml.SafeLoader):
    """Safe, and a key that stands twice in a mapping is an error: YAML itself would let the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises UserError, in one line, when it cannot be read or a key stands twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


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
        value = yaml.safe_load(word)
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
    _anchor(value, folder or Path.cwd())
    return value


def _anchor(raw: dict[str, Any], folder: Path) -> None:
    """Make the relative paths of a raw recipe absolute; plain strings as base and tasks become mappings."""
    if isinstance(raw.get("base"), str):
        raw["base"] = {"model": raw["base"], "from_scratch": None}
    evaluation = raw.get("eval")
    if isinstance(evaluation, dict):
        _put_task_files(evaluation, TASKS, folder)
        own = evaluation.get("others")
        if isinstance(own, dict):
            _put_task_files(own, tuple(own), folder)
    for dotted, section, key in list(_locations(raw, Recipe)):
        if dotted.startswith("eval.") and key != "transfer_adapter":
            section.setdefault("skip_missing", False)  # files that the user names must exist
        hub = dotted == "base.model"
        section[key] = _each_string(section[key], lambda text, hub=hub: _absolute(text, folder, hub=hub))


def _put_task_files(tasks: dict[str, Any], names: Iterable[str], folder: Path) -> None:
    """Replace the names and paths of task files among `tasks` by what the files hold."""
    for name in names:
        if isinstance(tasks.get(name), str):
            tasks[name] = _read_task(tasks[name], folder)


def _read_task(reference: str, folder: Path) -> dict[str, Any]:
    """What a task file holds, every field of it: named as a path seen from `folder`, or as one that comes along."""
    beside, bundled = folder / Path(reference).expanduser(), bundled_tasks()
    if not beside.is_file() and reference not in bundled:
        near = nearest(reference.removesuffix(".yaml"), bundled)
        known = f"did you mean {near}?" if near else f"bundled tasks: {', '.join(bundled)}"
        raise UserError(f"no task file or bundled task is called {reference!r}; {known}")
    path = beside if beside.is_file() else bundled[reference]
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a task is a mapping (train, validation, test, text, label, ...)")
    for _, section, key in _locations(raw, Task):
        section[key] = _each_string(section[key], lambda text: _absolute(text, path.parent, hub=False))
    return Task.model_construct().model_dump() | raw  # all fields, so that nothing of a task that it replaces remains


def _absolute(text: str, folder: Path, *, hub: bool) -> str:
    """A local path seen from `folder`; addresses, `${VAR}`, `{recipes}` and (if `hub`) hub ids stay as they are."""
    if "://" in text or text.startswith(("/", "$", "{recipes}")):
        return text
    if hub and HUB_ID.fullmatch(text) and not (folder / text).exists():
        return text
    return str((folder / Path(text).expanduser()).resolve())


def _fill_placeholders(raw: dict[str, Any], problems: list[str]) -> None:
    """Replace `${VAR}`, `{recipes}` and the languages' codes in every location of a merged raw recipe."""
    values = _codes(str(raw.get("language")))
    evaluation = raw.get("eval")
    source = evaluation.get("transfer_from") if isinstance(evaluation, dict) else None
    of_source = _codes(str(source)) if source else values
    if isinstance(evaluation, dict) and source:
        _copy_training_files(evaluation)

    def fill(text: str, dotted: str, skippable: bool) -> str:
        def variable(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                problems.append(f"{dotted}: the environment variable {match[1]} is not set (in {text})")
            return os.environ.get(match[1], "")

        filled = VARIABLE.sub(variable, text)
        codes = of_source if TRANSFERRED.fullmatch(dotted) else values
        for name, value in codes.items():
            if f"{{{name}}}" in filled and not value:
                if skippable:
                    continue  # the task will be skipped: see availability.py
                section = dotted.rpartition(".")[0]
                problems.append(
                    f"{dotted}: no {name} code is known for the language; leave it out: --set {section}=null"
                )
            filled = filled.replace(f"{{{name}}}", value)
        if (
            "{recipes}" in text
            and "{language}" in text
            and not Path(filled).exists()
            and not any(SAMPLE_ONLY in line for line in problems)
        ):
            problems.append(f"{dotted}: {SAMPLE_ONLY}; for {values.get('language')} use another recipe, such as mbert")
        return filled

    for dotted, section, key in _locations(raw, Recipe):
        skippable = section.get("skip_missing") is True and not TRANSFERRED.fullmatch(dotted)
        section[key] = _each_string(
            section[key], lambda text, dotted=dotted, skippable=skippable: fill(text, dotted, skippable)
        )


def _copy_training_files(evaluation: dict[str, Any]) -> None:
    """Name the tasks' files of the other language as their own ones are, that language's codes still to come."""
    own = evaluation.get("others")
    tasks = {name: evaluation.get(name) for name in TASKS} | (own if isinstance(own, dict) else {})
    chosen = evaluation.get("tasks")
    for name in tasks:
        task: Any = tasks[name] if name in (chosen if isinstance(chosen, list) and chosen else tasks) else None
        for split in ("train", "validation") if isinstance(task, dict) else ():
            if task.get(f"transfer_{split}") is None and task.get(split) is not None:
                task[f"transfer_{split}"] = task[split]


def _codes(language: str) -> dict[str, str]:
    """What stands for `{recipes}` and for the codes of a language in paths."""
    values = {"recipes": str(BUNDLED)}
    try:
        known = find_language(language)
    except UnknownLanguageError:  # reported by the schema
        return values
    values |= {"language": known.code, "glotcc": known.glotcc, "conceptnet": known.conceptnet}
    return values | {"wikiann": known.wikiann, "sentiment": known.sentiment}


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` applied, if it is a string or a list of strings; anything else is the schema's to judge."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [change(item) if isinstance(item, str) else item for item in value]
    return value


def _locations(raw: Any, model: type[BaseModel], above: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """(dotted path, mapping, key) of every location field present in a raw mapping."""
    if not isinstance(raw, dict):
        return
    for key, field in model.model_fields.items():
        if key not in raw:
            continue
        section = section_of(field.annotation)
        if section is not None and get_origin(field.annotation) is dict:
            for name in raw[key] if isinstance(raw[key], dict) else ():
                yield from _locations(raw[key][name], section, f"{above}{key}.{name}.")
        elif section is not None:
            yield from _locations(raw[key], section, f"{above}{key}.")
        elif any(isinstance(mark, LocationMark) for mark in _marks(field.annotation, field.metadata)):
            yield f"{above}{key}", raw, key


def _marks(annotation: Any, metadata: Sequence[Any]) -> Iterator[Any]:
    """Everything that annotates a field, inside `X | None` too."""
    yield from metadata
    for part in get_args(annotation):
        yield part
        yield from _marks(part, getattr(part, "__metadata__", ()))
