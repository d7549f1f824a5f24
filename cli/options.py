"""Arguments and options shared by several commands."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..workspace.home import WORKSPACE_VARIABLE

RecipeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE", help="Recipe file or bundled name (default: ./recipe.yaml if it exists, else quickstart)."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override a field of the recipe, such as training.max_steps=50; may be repeated. The environment variable "
        "LRL_ADAPT_SET sets overrides for every command.",
    ),
]
Workspace = Annotated[
    Path, typer.Option("--workspace", "-w", envvar=WORKSPACE_VARIABLE, help="Folder for all results.")
]


def split_commas(values: list[str] | None) -> list[str] | None:
    """The values of a repeatable option, each of which may be a comma-separated list."""
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()] or None


class RenamedOptionError(typer.BadParameter):
    """A usage error that is shown without "Invalid value for"."""

    def format_message(self) -> str:
        """The message alone."""
        return self.message


def renamed_option(old: str, new: str) -> Any:
    """A hidden option, the former name of another one, that ends in a usage error with the new name."""

    def refuse(value: str | None) -> None:
        if value is not None:
            raise RenamedOptionError(f"{old} is now called {new}")

    return typer.Option(old, callback=refuse, hidden=True)


Language = Annotated[
    str | None, typer.Option("--language", "-l", help="Language, by any of its codes: mt, mlt, mlt-Latn, mlt_Latn.")
]
Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        "-l",
        help="Language, by any of its codes: mt, mlt, mlt-Latn, mlt_Latn; may be repeated, or a comma-separated list. "
        "ConceptNet is read once for all of them.",
        callback=split_commas,
    ),
]
AdapterType = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        "-a",
        help="Type of adapter: seq_bn, seq_bn_inv, double_seq_bn, par_bn, lora, ia3, full (all weights), or none (the "
        "base alone).",
    ),
]
SourceName = Annotated[str | None, typer.Option("--source", help="Train on text, graph, both, or fusion of the two.")]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        help="Task: mlm, topic, sentiment, ner or one of your own; may be repeated, or a comma-separated list "
        "(default: all tasks with data).",
        callback=split_commas,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        help="For a quick look, score at most N items per task; such scores are marked as not comparable. "
        "Training of task adapters still takes its full time.",
        metavar="N",
    ),
]
Gpus = Annotated[int | None, typer.Option("--gpus", min=1, help="Number of GPUs to train on (default: all visible).")]
Jobs = Annotated[
    str,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Run up to N independent steps at once, each with its share of the GPUs or CPU cores and a log in the "
        "workspace's logs folder. auto: one per GPU; without a GPU, one per core for which there is 4 GiB of memory.",
    ),
]
Together = Annotated[
    int,
    typer.Option(
        "--together",
        min=1,
        metavar="N",
        help="Train up to N adapters of a grid at once in one process, with one copy of the base in memory, if they "
        "have the same base, adapter section and precision. Each comes out as if trained by itself.",
    ),
]
Slurm = Annotated[
    bool,
    typer.Option(
        "--slurm",
        help="Submit each unfinished step as a job to a Slurm cluster, with the resources of the recipe's "
        "slurm section. `lrl-adapt status` shows their state.",
    ),
]
Cpu = Annotated[bool, typer.Option("--cpu", help="Run on the CPU, even if there is a GPU.")]
Resume = Annotated[
    Literal["auto", "never"], typer.Option("--resume", help="auto: resume an interrupted run; never: start again.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the steps without running them.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on stdout; messages go to stderr.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the Python traceback of an error.")]

Base = Annotated[str, typer.Option("--base", help="Hub id or folder of the base model.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write; it must not exist yet.")]


def overrides(
    changes: list[str] | None,
    *,
    language: str | None = None,
    adapter: str | None = None,
    source: str | None = None,
    tasks: list[str] | None = None,
    limit: int | None = None,
) -> list[str]:
    """All overrides: those in $LRL_ADAPT_SET, then `--set`, then the short options; the last one wins."""
    from ..recipes.overrides import SHORT_FIELDS, environment_overrides

    short_options = [
        ("--language", "language", language),
        ("--adapter", "adapter", adapter),
        ("--source", "source", source),
        ("--task", "tasks", tasks or None),
        ("--limit", "limit", None if limit is None else str(limit)),
    ]
    named = [
        option_override(option, SHORT_FIELDS[keyword], value)
        for option, keyword, value in short_options
        if value is not None
    ]
    return [*environment_overrides(), *(changes or []), *named]


def option_override(option: str, field: str, value: str | list[str]) -> str:
    """The override that an option stands for; errors name it by the option."""
    from ..recipes.overrides import Override

    words = [value] if isinstance(value, str) else value
    # JSON, which is also YAML, keeps "no", the code of Norwegian, a string
    return Override(f"{field}={json.dumps(value, ensure_ascii=False)}", " ".join(f"{option} {word}" for word in words))


def language_code(language: str | None) -> str | None:
    """The full code of a language: swh_Latn. Raises UserError if the text is not a language, or several."""
    from ..recipes import languages

    return languages.language_code(language, "--language") if language else None


def examples(*commands: str) -> str:
    """An epilog for --help with commands to copy; a test runs each of them."""
    return "\n\n".join(["Examples:", *commands])
