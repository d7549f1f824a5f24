"""What earlier commands made, found again for use: adapters in their folders, and the base that each was trained on."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...recipes.training import TaskTraining
from ...training.adapters.files import CONFIG, read_config
from ...training.base import load_masked_lm, load_tokenizer
from ...workspace.artifacts import MANIFEST, read_manifest
from ...workspace.errors import UserError
from ..scores import BASE

TASK_ADAPTER = "task-adapter"
TASK_FILE = "task.json"
NONE = "none"
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class BaseAt:
    """Where a base is to be had: a folder, or a hub id with the branch or commit if one is given."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if self.revision in (None, "main") else f"{self.name}@{self.revision}"

    def same(self, other: "BaseAt") -> bool:
        """True where both name one base, folders by whatever path."""
        ours, theirs = Path(self.name), Path(other.name)
        if ours.is_dir() and theirs.is_dir():
            return ours.samefile(theirs)
        return str(self) == str(other)

    def load(self) -> tuple[Any, Any]:
        """The model in fp32 and its tokenizer. Raises UserError when they cannot be had or used."""
        if not HUB_ID.fullmatch(self.name) and not Path(self.name).is_dir():
            raise UserError(f"the base {self.name} is not there: say with --base where it is")
        model = load_masked_lm(self.name, self.revision, "base", new_head=None)  # adapters bring theirs
        tokenizer = load_tokenizer(self.name, self.revision, "base")
        if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
            raise UserError(f"base {self.name}: its tokenizer has no mask or no padding token")
        return model, tokenizer


@dataclass(frozen=True)
class TaskAdapter:
    """A saved task adapter and what lies below it."""

    folder: Path
    """With task.json, the head, and the adapter's weights."""
    base: BaseAt
    language_adapter: Path | None
    max_length: int
    """Longest input that it was trained on, in tokens."""


def newest_scores(workspace: Path, task: str, language: str | None = None) -> Path:
    """The score folder with a task adapter for this task, and this language (`swh_Latn`), that was made last.

    Raises UserError where there is none.
    """
    there = {folder: _task_of(folder) for folder in _artifacts(workspace, "scores", language)}
    found = [folder for folder, name in there.items() if name == task]
    if not found:
        where = f" in {language}" if language else ""
        others = sorted({name for name in there.values() if name})
        hint = f" (there: {', '.join(others)})" if others else ""
        raise UserError(
            f"{workspace} holds nothing trained for {task}{where}{hint}: run `lrl-adapt eval --task {task}` first, "
            "or name a folder with --adapter"
        )
    return max(found, key=_made_at)


def newest_adapter(workspace: Path, language: str | None = None) -> Path:
    """The language adapter, of this language (`swh_Latn`) if given, that was made last.

    Raises UserError where there is none.
    """
    found = _artifacts(workspace, "adapters", language)
    if not found:
        where = f" for {language}" if language else ""
        raise UserError(
            f"{workspace} holds no language adapter{where}: run `lrl-adapt train` first, or name one with --adapter"
        )
    return max(found, key=_made_at)


def find_task_adapter(
    folder: Path, *, task: str | None = None, language_adapter: str | None = None, base: str | None = None
) -> TaskAdapter:
    """The task adapter in a score folder, or in the `task-adapter` folder within.

    `language_adapter` (a folder, or none) and `base` (hub id or folder) stand in for those that it was trained on.
    Raises UserError where there is no task adapter or one for another task, or where what is below cannot be told.
    """
    inner = _task_folder(folder)
    scores = _Artifact.around(inner, "scores")
    section = scores.manifest.get("section", {})
    if task and section.get("task", task) != task:
        raise UserError(f"{folder} is for {section['task']}, not for {task}")
    below = _below(inner, scores, language_adapter)
    at = BaseAt(base) if base else _base(inner, scores)
    if below is not None and is_whole(below):
        at, below = BaseAt(str(below)), None
    elif below is not None and language_adapter is not None and base is None:
        other = language_base(below)
        if not at.same(other):
            raise UserError(
                f"{inner} was trained on the base {at}, the language adapter {below} on {other}; an adapter fits its "
                f"own base alone. Where these are the same after all, say so: --base {other}"
            )
    return TaskAdapter(inner, at, below, section.get("max_length", TaskTraining().max_length))


def language_base(folder: Path) -> BaseAt:
    """The base of a language adapter; of a whole model (`full`) its own folder, for it stands in the base's place.

    Raises UserError where the folder holds no language adapter, or where its base cannot be told.
    """
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    if _holds_task(folder) or _holds_task(folder / TASK_ADAPTER):
        raise UserError(
            f"{folder} is a task adapter, which `lrl-adapt predict` uses; a language adapter is wanted here, "
            "such as `lrl-adapt train` makes under adapters/"
        )
    if is_whole(folder):
        return BaseAt(str(folder))
    return _base(folder, _Artifact.around(folder, "adapter"))


def other_base(folder: Path, base: str) -> str | None:
    """The base that an adapter names, where that is not `base`; by the last part of their names, which copies keep."""
    if not folder.is_dir() or is_whole(folder) or not (folder / CONFIG).is_file():
        return None
    own = _Artifact.around(folder, "adapter").base or BaseAt(read_config(folder).base_model_name_or_path or base)
    return None if _last(own.name) == _last(base) else str(own)


def _last(base: str) -> str:
    """The last part of a base's name, also where that is its place in the hub's cache."""
    cached = [part for part in Path(base).parts if part.startswith("models--")]
    return cached[0].split("--")[-1] if cached else Path(base).name


def started_from(folder: Path) -> BaseAt | None:
    """The base that a whole model was fine-tuned from; None where that is not told."""
    return _Artifact.around(folder, "adapter").base


def is_whole(folder: Path) -> bool:
    """True for a whole fine-tuned model (`full`)."""
    return (folder / "config.json").is_file() and not (folder / CONFIG).is_file()


@dataclass(frozen=True)
class _Artifact:
    """The artifact that a folder is or lies in; the manifest is empty where a folder was taken out of it."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def around(cls, folder: Path, kind: str) -> "_Artifact":
        for place in (folder, folder.absolute().parent):
            if (place / MANIFEST).is_file() and read_manifest(place)["kind"] == kind:
                return cls(place, read_manifest(place))
        return cls(folder, {})

    def parent(self, kind: str) -> Path | None:
        """The folder of a parent, `bases` or `adapters`: in the same workspace, which may have moved, or as written."""
        for written in map(Path, self.manifest.get("parents", [])):
            where = written.parts[-3:]
            if where[0] == kind:
                beside = self.folder.absolute().parents[2].joinpath(*where)
                return beside if beside.is_dir() else written
        return None

    @property
    def base(self) -> BaseAt | None:
        """The base, unless it was a folder, of which a manifest keeps hashes alone."""
        told = self.manifest.get("inputs", {}).get("base", {})
        if "model" in told:
            return BaseAt(told["model"], told["revision"])
        scratch = self.parent("bases")
        return BaseAt(str(scratch)) if scratch is not None else None


def _task_folder(folder: Path) -> Path:
    """Where task.json lies."""
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    for place in (folder, folder / TASK_ADAPTER):
        if _holds_task(place):
            return place
    if (folder / CONFIG).is_file() or is_whole(folder):
        raise UserError(
            f"{folder} is a language adapter, which knows no task: run `lrl-adapt eval` and give its folder under "
            "scores/; --language-adapter puts a task adapter on this one"
        )
    raise UserError(f"{folder} holds no task adapter: give a folder that `lrl-adapt eval` made under scores/")


def _below(inner: Path, scores: _Artifact, given: str | None) -> Path | None:
    """The language adapter below a task adapter."""
    if given is not None:
        if given == NONE:
            return None
        language_base(Path(given))  # refuses what is none
        return Path(given)
    if not scores.manifest:
        raise UserError(
            f"{inner} lies outside its score folder, whose manifest tells of the language adapter below it: give that "
            "with --language-adapter, or none"
        )
    found = scores.parent("adapters")
    system = scores.manifest["section"]["system"]
    if system != BASE and (found is None or not found.is_dir()):
        raise UserError(f"{inner} is for {found or system}, which is not there: give it with --language-adapter")
    return found


def _base(folder: Path, artifact: _Artifact) -> BaseAt:
    """What the manifest tells of the base, or else PEFT's configuration in `folder`."""
    if (told := artifact.base) is not None:
        return told
    config = read_config(folder)
    if not config.base_model_name_or_path:
        raise UserError(f"{folder} does not tell its base: give it with --base")
    return BaseAt(config.base_model_name_or_path, config.revision)


def _artifacts(workspace: Path, kind: str, language: str | None) -> list[Path]:
    """Finished artifacts of a kind: folders with a manifest, hidden ones left out."""
    found = (workspace / kind).glob(f"{language or '[!.]*'}/[!.]*/{MANIFEST}")
    return sorted(file.parent for file in found)


def _task_of(scores: Path) -> str | None:
    """The task that a score folder has an adapter for."""
    return read_manifest(scores)["section"]["task"] if _holds_task(scores / TASK_ADAPTER) else None


def _holds_task(folder: Path) -> bool:
    return (folder / TASK_FILE).is_file()


def _made_at(artifact: Path) -> tuple[str, int]:
    """When it was made: the manifest's seconds, and the file's own time for those of one second."""
    return read_manifest(artifact)["created"], (artifact / MANIFEST).stat().st_mtime_ns
