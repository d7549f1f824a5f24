"""Trained adapters in a workspace or in their folders, and the base that each was trained on."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...recipes.training import TaskTraining
from ...training.adapters.files import CONFIG, read_config
from ...training.base import load_masked_lm, load_tokenizer
from ...workspace.artifacts import MANIFEST, parent_folders, read_manifest
from ...workspace.errors import UserError
from ..scores import BASE
from .choose_adapters import NONE, TASK_ADAPTER, holds_task
from .published import LANGUAGE_ADAPTER, TASK_FILE

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True)
class BaseReference:
    """Where a base is: a folder, or a hub id with the branch or commit if one is given."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.name if self.revision in (None, "main") else f"{self.name}@{self.revision}"

    def is_same_as(self, other: "BaseReference") -> bool:
        """Whether both are one base, for folders by whatever path."""
        folder, other_folder = Path(self.name), Path(other.name)
        if folder.is_dir() and other_folder.is_dir():
            return folder.samefile(other_folder)
        return str(self) == str(other)

    def load(self) -> tuple[Any, Any]:
        """The model in fp32 and its tokenizer. Raises UserError where they cannot be loaded or used."""
        if not HUB_ID.fullmatch(self.name) and not Path(self.name).is_dir():
            raise UserError(f"no such base: {self.name}; give its folder or hub id with --base")
        model = load_masked_lm(self.name, self.revision, "base", new_head=None)  # adapters bring theirs
        tokenizer = load_tokenizer(self.name, self.revision, "base")
        if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
            raise UserError(f"base {self.name}: its tokenizer has no mask or no padding token")
        return model, tokenizer


@dataclass(frozen=True)
class TaskAdapter:
    """A saved task adapter and what it is stacked on."""

    folder: Path
    """With task.json, the head, and the adapter's weights."""
    base: BaseReference
    language_adapter: Path | None
    max_length: int
    """Longest input that it was trained on, in tokens."""


def find_task_adapter(
    folder: Path, *, task: str | None = None, language_adapter: str | None = None, base: str | None = None
) -> TaskAdapter:
    """The task adapter in a score folder, or in the `task-adapter` folder within.

    `language_adapter` (a folder, or none) and `base` (hub id or folder) replace those that it was trained on. Raises
    UserError where there is no task adapter or one for another task, or where its base or language adapter is unknown.
    """
    task_folder = _task_folder(folder)
    scores = _Artifact.around(task_folder, "scores")
    section = scores.manifest.get("section", {})
    if task and section.get("task", task) != task:
        raise UserError(f"{folder} is for {section['task']}, not for {task}")
    below = _language_adapter_of(task_folder, scores, language_adapter)
    task_base = BaseReference(base) if base else _base(task_folder, scores)
    if below is not None and is_full_model(below):
        task_base, below = BaseReference(str(below)), None
    elif below is not None and language_adapter is not None and base is None:
        adapter_base = base_of_adapter(below)
        if not task_base.is_same_as(adapter_base):
            raise UserError(
                f"{task_folder} was trained on the base {task_base}, the language adapter {below} on {adapter_base}; "
                f"adapters fit their own base only. If the two are the same model, add --base {adapter_base}"
            )
    max_length = section.get("max_length") or _published_max_length(task_folder) or TaskTraining().max_length
    return TaskAdapter(task_folder, task_base, below, max_length)


def base_of_adapter(folder: Path) -> BaseReference:
    """The base of a language adapter; of a fully fine-tuned model (`full`) its own folder, as it replaces the base.

    Raises UserError where the folder holds no language adapter, or one that does not name its base.
    """
    require_language_adapter(folder)
    if is_full_model(folder):
        return BaseReference(str(folder))
    return _base(folder, _Artifact.around(folder, "adapter"))


def require_language_adapter(folder: Path) -> None:
    """Raise a UserError if there is no such folder, or if it holds a task adapter."""
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    if holds_task(folder) or holds_task(folder / TASK_ADAPTER):
        raise UserError(
            f"{folder} is a task adapter, for `lrl-adapt predict`; expected a language adapter, as `lrl-adapt train` "
            "saves it under adapters/"
        )


def other_base(folder: Path, base: str) -> str | None:
    """The base that an adapter names, if that is not `base`; compares the last part of the names, which copies keep."""
    if not folder.is_dir() or is_full_model(folder) or not (folder / CONFIG).is_file():
        return None
    trained_on = _Artifact.around(folder, "adapter").base
    trained_on = trained_on or BaseReference(read_config(folder).base_model_name_or_path or base)
    return None if _last_part(trained_on.name) == _last_part(base) else str(trained_on)


def _last_part(base: str) -> str:
    """The last part of a base's name, also of its folder in the hub's cache."""
    cached = [part for part in Path(base).parts if part.startswith("models--")]
    return cached[0].split("--")[-1] if cached else Path(base).name


def base_of_full_model(folder: Path) -> BaseReference | None:
    """The base that a model (`full`) was fine-tuned from; None where that is not recorded."""
    return _Artifact.around(folder, "adapter").base


def is_full_model(folder: Path) -> bool:
    """Whether the folder holds a fully fine-tuned model (`full`)."""
    return (folder / "config.json").is_file() and not (folder / CONFIG).is_file()


@dataclass(frozen=True)
class _Artifact:
    """The artifact that a folder is or is in; the manifest is empty for a folder that was copied out of one."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def around(cls, folder: Path, kind: str) -> "_Artifact":
        for candidate in (folder, folder.absolute().parent):
            if (candidate / MANIFEST).is_file() and read_manifest(candidate)["kind"] == kind:
                return cls(candidate, read_manifest(candidate))
        return cls(folder, {})

    def parent(self, kind: str) -> Path | None:
        """The folder of a parent, `bases` or `adapters`."""
        workspace = [*self.folder.absolute().parents][:3][-1]  # a copy may lie nearer to the root
        return next((one for one in parent_folders(self.manifest, workspace) if one.parts[-3:][0] == kind), None)

    @property
    def base(self) -> BaseReference | None:
        """The base, unless it was a folder, of which a manifest keeps hashes only."""
        base = self.manifest.get("inputs", {}).get("base", {})
        if "model" in base:
            return BaseReference(base["model"], base["revision"])
        scratch = self.parent("bases")
        return BaseReference(str(scratch)) if scratch is not None else None


def _task_folder(folder: Path) -> Path:
    """The folder with task.json: `folder`, or the one in it."""
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    for candidate in (folder, folder / TASK_ADAPTER):
        if holds_task(candidate):
            return candidate
    if (folder / CONFIG).is_file() or is_full_model(folder):
        raise UserError(
            f"{folder} is a language adapter, not a task adapter: run `lrl-adapt eval` and give a folder that it "
            "wrote under scores/; --language-adapter stacks a task adapter on this one"
        )
    raise UserError(f"{folder} contains no task adapter: give a folder that `lrl-adapt eval` wrote under scores/")


def _language_adapter_of(task_folder: Path, scores: _Artifact, replacement: str | None) -> Path | None:
    """The language adapter that a task adapter is stacked on: `replacement` if given, None for the bare base."""
    if replacement is not None:
        if replacement == NONE:
            return None
        base_of_adapter(Path(replacement))  # raises UserError unless it is a language adapter
        return Path(replacement)
    published = task_folder / LANGUAGE_ADAPTER
    if not scores.manifest and published.is_dir():
        return published
    if not scores.manifest and _published_max_length(task_folder):
        return None  # `push` uploads the language adapter where there is one
    if not scores.manifest:
        raise UserError(
            f"{task_folder} was copied out of its score folder, whose manifest names the language adapter that it is "
            "stacked on: give that with --language-adapter, or none"
        )
    adapter = scores.parent("adapters")
    system = scores.manifest["section"]["system"]
    if system != BASE and (adapter is None or not adapter.is_dir()):
        raise UserError(f"{task_folder} needs {adapter or system}, which is missing: give it with --language-adapter")
    return adapter


def _published_max_length(task_folder: Path) -> int | None:
    """The maximum length that `push` writes beside the labels; None in a folder that was not published."""
    with suppress(ValueError, AttributeError):  # damaged: the labels will be missed when the adapter is loaded
        return json.loads((task_folder / TASK_FILE).read_text(encoding="utf-8")).get("max_length")
    return None


def _base(folder: Path, artifact: _Artifact) -> BaseReference:
    """The base in the manifest, or else in PEFT's configuration in `folder`."""
    if artifact.base is not None:
        return artifact.base
    config = read_config(folder)
    if not config.base_model_name_or_path:
        raise UserError(f"{folder} does not name its base: give it with --base")
    return BaseReference(config.base_model_name_or_path, config.revision)
