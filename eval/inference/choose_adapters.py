"""Which trained adapters `predict` and `fill-mask` use, from folders and manifests alone: torch is not imported."""

from collections.abc import Sequence
from pathlib import Path

from ...recipes.languages import language_code
from ...workspace.artifacts import MANIFEST, finished_folders, read_manifest
from ...workspace.errors import UserError
from ...workspace.home import workspace_folder
from ...workspace.progress import Progress
from ..scores import is_control
from .published import TASK_FILE, adapter_folder

TASK_ADAPTER = "task-adapter"
NONE = "none"


def choose_scores(
    task: str | None, adapter: str | Path | None, workspace: str | Path | None, language: str | None
) -> Path:
    """`adapter` if given, else the newest score folder in the workspace with a task adapter for this task.

    Raises UserError where there is no such folder.
    """
    if adapter is not None:
        return adapter_folder(adapter)
    if task is None:
        raise UserError(
            "no task given: set --task to topic, sentiment, ner or your own task, or name a folder with --adapter"
        )
    return newest_scores(workspace_folder(workspace), task, language_code(language) if language else None)


def choose_adapters(
    adapters: str | Path | Sequence[str | Path] | None,
    base: str | Path | None,
    workspace: str | Path | None,
    language: str | None,
    progress: Progress,
) -> list[str]:
    """Distinct names of the language adapters to compare; by default none and the newest in the workspace.

    Raises UserError where there is no such folder, or no adapter in the workspace.
    """
    if adapters:
        names = [adapters] if isinstance(adapters, str | Path) else adapters
        distinct_names = list(dict.fromkeys(map(str, names)))
        for name in distinct_names:
            if name != NONE:
                adapter_folder(name)
        return distinct_names
    if base:
        raise UserError("--base needs --adapter: add --adapter none for the base alone, or name adapters for it")
    newest = newest_adapter(workspace_folder(workspace), language_code(language) if language else None)
    progress.say(f"adapter: {newest}")
    return [NONE, str(newest)]


def newest_scores(workspace: Path, task: str, language: str | None = None) -> Path:
    """The newest score folder with a task adapter for this task, in this language (`swh_Latn`) if given.

    Raises UserError where there is none.
    """
    if task == "mlm":
        raise UserError("mlm has no task adapter; use lrl-adapt fill-mask")
    tasks = tasks_of_scores(workspace, language)
    matches = [folder for folder, name in tasks.items() if name == task]
    if not matches:
        where = f" in {language}" if language else ""
        others = sorted(set(tasks.values()))
        hint = f" (available: {', '.join(others)})" if others else ""
        raise UserError(
            f"{workspace} contains no task adapter for {task}{where}{hint}: run `lrl-adapt eval --task {task}` first, "
            "or name a folder with --adapter"
        )
    return max(matches, key=made_at)


def newest_adapter(workspace: Path, language: str | None = None) -> Path:
    """The newest language adapter, of this language (`swh_Latn`) if given; controls are left out.

    Raises UserError where there is none.
    """
    adapters = language_adapters(workspace, language)
    if not adapters:
        where = f" for {language}" if language else ""
        raise UserError(
            f"{workspace} contains no language adapter{where}: run `lrl-adapt train` first, or name one with --adapter"
        )
    return max(adapters, key=made_at)


def tasks_of_scores(workspace: Path, language: str | None = None) -> dict[Path, str]:
    """The score folders with a task adapter, in this language (`swh_Latn`) if given, and its task; without controls."""
    tasks = {folder: _task_of(folder) for folder in _artifacts(workspace, "scores", language)}
    return {folder: task for folder, task in tasks.items() if task is not None}


def language_adapters(workspace: Path, language: str | None = None) -> list[Path]:
    """The language adapters, of this language (`swh_Latn`) if given; without controls."""
    artifacts = _artifacts(workspace, "adapters", language)
    return [folder for folder in artifacts if "control" not in read_manifest(folder)["section"]]


def made_at(artifact: Path) -> tuple[str, int]:
    """When it was made: the manifest's time in seconds, and the file's to order those made in one second."""
    return read_manifest(artifact)["created"], (artifact / MANIFEST).stat().st_mtime_ns


def holds_task(folder: Path) -> bool:
    """Whether the folder itself holds a task adapter."""
    return (folder / TASK_FILE).is_file()


def _artifacts(workspace: Path, kind: str, language: str | None) -> list[Path]:
    """Finished artifacts of a kind, without hidden ones."""
    return finished_folders(workspace / kind, f"{language or '[!.]*'}/[!.]*")


def _task_of(scores: Path) -> str | None:
    """The task that a score folder has an adapter for; None for one without, and for a control's."""
    section = read_manifest(scores)["section"]
    is_used = holds_task(scores / TASK_ADAPTER) and not is_control(section["system"])
    return section["task"] if is_used else None
