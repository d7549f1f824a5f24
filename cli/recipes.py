"""`lrl-adapt recipes`: list, show, copy and check recipes, and write their JSON schema."""

import json
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import examples

app = typer.Typer(no_args_is_help=True, help="List, show, copy and check recipes; write their JSON schema.")

Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
SCHEMA_FILE = "recipe.schema.json"
EDITOR_LINE = "# yaml-language-server: $schema="


@app.command("list", epilog=examples("lrl-adapt recipes list"))
@guarded
def list_cmd(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """List the bundled recipes."""
    from ..recipes.loading import bundled_recipes

    terminal = Terminal(as_json=as_json)
    summaries = {name: _summary(path) for name, path in bundled_recipes().items()}
    terminal.table("Bundled recipes", ("name", "what it does"), list(summaries.items()))
    terminal.result({"recipes": summaries})


@app.command("show", epilog=examples("lrl-adapt recipes show quickstart", "lrl-adapt recipes show mbert --resolved"))
@guarded
def show_cmd(
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Fill in all defaults and paths.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print a recipe as written, or resolved."""
    import yaml

    from ..recipes.loading import find_recipe, load_recipe
    from ..recipes.placeholders import public_settings

    if not (resolved or as_json or changes):
        typer.echo(find_recipe(recipe).read_text(encoding="utf-8").rstrip())
        return
    loaded = load_recipe(recipe, options.overrides(changes))
    if as_json:
        Terminal(as_json=True).result(public_settings(loaded))
    else:
        settings = public_settings(loaded)
        typer.echo(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=120).rstrip())


@app.command("copy", epilog=examples("lrl-adapt recipes copy quickstart my.yaml --force"))
@guarded
def copy_cmd(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe file or bundled name.")],
    target: Annotated[Path, typer.Argument(metavar="[FILE]", help="File or folder to write to.")] = Path("recipe.yaml"),
    language: options.Language = None,
    force: Force = False,
    debug: options.Debug = False,
) -> None:
    """Copy a recipe for editing, with the JSON schema that editors use for completion and checks."""
    from ..recipes.loading import DEFAULT_NAME, bundled_recipes, find_recipe
    from ..recipes.schema import json_schema
    from ..workspace.errors import UserError

    source = find_recipe(recipe)
    if target.is_dir():
        target = target / "recipe.yaml"
    if target.exists() and not force:
        other = shlex.join(["lrl-adapt", "recipes", "copy", recipe, str(target.with_name("other.yaml"))])
        raise UserError(f"{target} already exists; add --force to overwrite it, or name another file: {other}")
    lines = source.read_text(encoding="utf-8").split("\n")
    if lines[0].startswith(EDITOR_LINE):
        lines[0] = f"{EDITOR_LINE}{SCHEMA_FILE}"
    lines = [_with_commands_for(line, target) for line in lines]
    code = options.language_code(language)
    language_lines = [index for index, line in enumerate(lines) if re.match(r"language:\s", line)]
    if code and language_lines:
        lines[language_lines[0]] = f"language: {code}"
    elif code:
        lines.append(f"language: {code}\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")
    (target.parent / SCHEMA_FILE).write_text(json_schema(), encoding="utf-8")
    typer.echo(target)
    if code is None and language_lines and source != bundled_recipes()[DEFAULT_NAME]:  # whose data are Swahili only
        typer.echo(f"note: {lines[language_lines[0]].partition('#')[0].strip()}; change it to your language", err=True)


@app.command("schema", epilog=examples("lrl-adapt recipes schema", "lrl-adapt recipes schema recipe.schema.json"))
@guarded
def schema_cmd(
    target: Annotated[Path | None, typer.Argument(help="File to write (default: stdout).")] = None,
    debug: options.Debug = False,
) -> None:
    """Write the JSON schema of recipes, for editors."""
    from ..recipes.schema import json_schema

    if target is None:
        typer.echo(json_schema().rstrip())
        return
    target.write_text(json_schema(), encoding="utf-8")
    typer.echo(target)


@app.command(
    "check", epilog=examples("lrl-adapt recipes check quickstart", "lrl-adapt recipes check mbert --set language=ug")
)
@guarded
def check_cmd(
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check the fields of a recipe, and that its local files exist."""
    from ..recipes.loading import check_files, load_runs

    runs = [run for _, run in load_runs(recipe, options.overrides(changes))]
    for run in runs:
        check_files(run)
    if as_json:
        typer.echo(json.dumps({"recipe": runs[0].name, "ok": True}))
        return
    for run in runs:
        typer.echo(f"{recipe or _default_reference()}: valid ({run.language}, {run.run_name})")


def _default_reference() -> str:
    """The recipe that commands use if none is given."""
    from ..recipes.loading import DEFAULT_FILE, DEFAULT_NAME

    return str(DEFAULT_FILE) if DEFAULT_FILE.is_file() else DEFAULT_NAME


def _with_commands_for(line: str, target: Path) -> str:
    """A line of a recipe's header; its example commands name the copy."""
    if not line.startswith(("# Launch:", "# Override:")):
        return line
    return re.sub(r"(lrl-adapt \w+) [^-\s]\S*", lambda match: f"{match[1]} {shlex.quote(str(target))}", line)


def _summary(path: Path) -> str:
    """The first comment line after the line for editors."""
    comments = [line for line in path.read_text(encoding="utf-8").split("\n") if line.startswith("# ")]
    return next((line[2:] for line in comments if not line.startswith(EDITOR_LINE)), "")
