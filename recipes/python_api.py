"""Recipes for the Python API: keywords in place of the command line's options."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..workspace.errors import UserError
from .grid import fields_that_differ
from .loading import load_runs
from .overrides import SHORT_FIELDS, Override, environment_overrides
from .schema import Recipe


def load_recipe(
    recipe: str | Path | None = None,
    *,
    language: str | None = None,
    adapter: str | None = None,
    source: str | None = None,
    tasks: str | Sequence[str] | None = None,
    limit: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Recipe:
    """Read a recipe, apply overrides to it and check it.

    Example:
        ```python
        recipe = lrl_adapt.load_recipe("mbert", language="mlt", adapter="lora", overrides={"training.max_steps": 50})
        recipe.training.max_steps  # 50
        ```

    Args:
        recipe: A recipe file, or the name of a bundled recipe; by default `./recipe.yaml` if it exists, else
            `quickstart`.
        language: Language, by any of its codes: `mt`, `mlt`, `mlt-Latn` or `mlt_Latn`.
        adapter: Type of the adapter (`adapter.type`), such as `seq_bn` or `lora`; `none` for the bare base.
        source: What the adapter is trained on: `text`, `graph`, `both` or `fusion`.
        tasks: Tasks, or one task, to evaluate on (`eval.tasks`); by default all that have data.
        limit: For a quick look, score at most this many test items of each task (`eval.limit`).
        overrides: Values for other fields by their dotted names. Relative paths start from the current directory.
            As on the command line, overrides in `LRL_ADAPT_SET` come before all of these.

    Returns:
        The recipe with every default filled in. It cannot be changed; load it again with other overrides.

    Raises:
        UserError: The recipe does not exist or has mistakes, all of which the message lists; or it is a grid of
            several runs (see `load_recipes`) and the overrides do not choose one.
    """
    words = _overrides(overrides, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    runs = load_runs(_reference(recipe), words)
    if len(runs) > 1:
        fields = ", ".join(fields_that_differ([words for words, _ in runs]))
        raise UserError(
            f"{recipe or 'recipe.yaml'} is a grid of {len(runs)} runs: choose one with overrides for {fields}, or load "
            "all of them with load_recipes"
        )
    return runs[0][1]


def load_recipes(
    recipe: str | Path | None = None,
    *,
    language: str | None = None,
    adapter: str | None = None,
    source: str | None = None,
    tasks: str | Sequence[str] | None = None,
    limit: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> list[Recipe]:
    """Read every run of a grid recipe; the one run of a recipe without a grid.

    Example:
        ```python
        recipes = lrl_adapt.load_recipes("study", language="mlt")
        lrl_adapt.plan(recipes)
        ```

    Args:
        recipe: As for `load_recipe`.
        language: As for `load_recipe`; in a grid over languages, selects the runs of this one. The other keywords
            select in the same way.
        adapter: As for `load_recipe`.
        source: As for `load_recipe`.
        tasks: As for `load_recipe`.
        limit: As for `load_recipe`.
        overrides: As for `load_recipe`.

    Returns:
        One recipe for each run, in the order of the grid.

    Raises:
        UserError: The recipe does not exist, or some of its runs have mistakes; the message lists all of them.
    """
    words = _overrides(overrides, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    return [run for _, run in load_runs(_reference(recipe), words)]


def _reference(recipe: str | Path | None) -> str | None:
    return None if recipe is None else str(recipe)


def _overrides(
    fields: Mapping[str, Any] | None,
    *,
    language: str | None,
    adapter: str | None,
    source: str | None,
    tasks: str | Sequence[str] | None,
    limit: int | None,
) -> list[str]:
    """The keywords as overrides that errors name as the caller wrote them; the last one wins."""
    keywords = {"language": language, "adapter": adapter, "source": source, "tasks": tasks, "limit": limit}
    changes = [(f"{field}={value!r}", field, value) for field, value in (fields or {}).items()]
    changes += [
        (f"{keyword}={value!r}", SHORT_FIELDS[keyword], value)
        for keyword, value in keywords.items()
        if value is not None
    ]
    changes = [
        (origin, field, [value] if field == "eval.tasks" and isinstance(value, str) else value)
        for origin, field, value in changes
    ]
    # JSON is YAML that leaves "no", the Norwegians' code, a string
    texts = [
        (f"{field}={json.dumps(value, ensure_ascii=False, default=str)}", origin) for origin, field, value in changes
    ]
    return [*environment_overrides(), *(Override(text, origin) for text, origin in texts)]
