"""`lrl-adapt prepare`: corpus and graph into artifacts, in the order that pipeline/build.py decides."""

from collections.abc import Iterable

from ..workspace.artifacts import Artifact
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .steps import describe_all, failed_json, finish_dry_run, labelled_runs

MAX_FILES = 30  # in the table of a corpus
EPILOG = examples(
    "lrl-adapt prepare",
    "lrl-adapt prepare quickstart --set corpus.max_bytes=50KB",
    "lrl-adapt prepare conceptnet --language mlt,swh --dry-run",
)


def prepare_cmd(
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    languages: options.Languages = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Clean and split the recipe's text, and turn its knowledge graph into sentences. Finished steps are skipped.

    For a grid recipe, prepares the data of every run; one that fails does not stop the others.
    """
    from ..pipeline import plan

    terminal = Terminal(as_json=as_json)
    runs = labelled_runs(recipe, *(options.overrides(changes, language=name) for name in languages or [None]))
    planned = plan(runs, workspace=workspace, parts=("prepare",))
    if dry_run:
        finish_dry_run(terminal, planned)
        return
    outcome = planned.execute(terminal)
    for language, artifacts in _by_language(outcome.artifacts).items():
        rows = [_row(artifact) for artifact in artifacts]
        terminal.table(f"Prepared {language}", ("artifact", "train", "validation", "test", "counts"), rows)
        for artifact in artifacts:
            _show_files(terminal, artifact)
    if outcome.artifacts or len(runs) > 1:
        result = {"artifacts": describe_all(outcome.artifacts)} | failed_json(outcome)
        terminal.result(result, outcome.artifacts[-1].folder if outcome.artifacts else None)
    outcome.raise_if_failed()


def _by_language(artifacts: Iterable[Artifact]) -> dict[str, list[Artifact]]:
    grouped: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        grouped.setdefault(artifact.root.name, []).append(artifact)
    return grouped


def _row(artifact: Artifact) -> tuple[str, ...]:
    from ..pipeline.prepared import UNITS, split_sizes

    counts = artifact.manifest()["facts"].get("counts", {})
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if count)
    return (
        f"{artifact.kind}, {UNITS[artifact.kind]}",
        *(f"{count:,}" for count in split_sizes(artifact).values()),
        dropped,
    )


def _show_files(terminal: Terminal, artifact: Artifact) -> None:
    """How much of each local file is in a corpus; of many files, of the first ones."""
    from ..pipeline.prepared import files_of

    files = files_of(artifact)
    rows = [(each["file"], f"{each['documents']:,}", f"{each['lines']:,}") for each in files[:MAX_FILES]]
    more = f" {len(files) - MAX_FILES} more files are listed in manifest.json." if len(files) > MAX_FILES else ""
    if len(files) > 1:
        legend = f"A document is a paragraph, a line of a .txt file or a row of a table.{more}"
        terminal.table("Files of the corpus", ("file", "documents read", "lines kept"), rows, legend)
