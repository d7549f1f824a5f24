"""The adapter that is published: its folder, manifest, base, and for a task adapter the language adapter under it."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from peft import PeftConfig

from ...eval.inference.choose_adapters import TASK_ADAPTER, TASK_FILE, holds_task
from ...eval.inference.find_adapters import (
    BaseReference,
    base_of_adapter,
    base_of_full_model,
    find_task_adapter,
    is_full_model,
    require_language_adapter,
)
from ...eval.report.runs import language_name, manifest_of
from ...recipes.languages import SEVERAL
from ...training.adapters.files import read_config
from ...training.model_card import CardBase


@dataclass(frozen=True)
class Subject:
    """A language adapter, a whole model (`full`) or a task adapter, in a workspace or copied out of it."""

    folder: Path
    """With the weights."""
    artifact_folder: Path
    """With the manifest: of a task adapter the folder of its scores."""
    config: PeftConfig | None
    """None for a whole model."""
    base: CardBase
    max_length: int | None = None
    """Of a task adapter, the longest input that it was trained on, in tokens."""
    language_adapter: "Subject | None" = None
    """Of a task adapter, what it is stacked on; None for the bare base."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The artifact's manifest; empty for an adapter that was imported or copied without it."""
        return manifest_of(self.artifact_folder)

    @property
    def section(self) -> dict[str, Any]:
        """The settings that it was made with, by the manifest."""
        return self.manifest.get("section", {})

    @property
    def facts(self) -> dict[str, Any]:
        """What was counted and measured while it was made."""
        return self.manifest.get("facts", {})

    @property
    def workspace(self) -> Path:
        """The workspace that its artifact is in; of a copy the folder around it."""
        parents = self.artifact_folder.absolute().parents
        in_workspace = len(parents) > 2 and parents[1].name in ("adapters", "scores")
        return parents[2] if in_workspace else parents[0]

    @cached_property
    def task_settings(self) -> dict[str, Any] | None:
        """What `task.json` says of labels and head; None for a language adapter."""
        if not holds_task(self.folder):
            return None
        return json.loads((self.folder / TASK_FILE).read_text(encoding="utf-8"))

    @property
    def is_full(self) -> bool:
        """Whether it is a whole model (`full`)."""
        return self.config is None

    @property
    def type(self) -> str:
        """The type that the recipe names, else PEFT's name of it; of a control that of the adapter it controls."""
        if self.config is None:
            return "full"
        recorded = self.section.get("adapter") or {}
        return str(recorded.get("type") or getattr(self.config.peft_type, "value", self.config.peft_type)).lower()

    @property
    def control(self) -> Any:
        """The kind of control that it is, by the manifest; None for an adapter that is meant for use."""
        return self.section.get("control")

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that it was trained on (`swh_Latn`); empty if that is not recorded."""
        if "languages" in self.section:
            return list(self.section["languages"])
        trained_in = self.section.get("transfer_from") or self.section.get("language")
        if trained_in:
            return [trained_in]
        return self.language_adapter.languages if self.language_adapter else []

    @property
    def in_languages(self) -> str:
        """The languages for a sentence: "Swahili (swh_Latn)"; empty if none is recorded."""
        names = (SEVERAL.name if code == SEVERAL.code else language_name(code) for code in self.languages)
        return " and ".join(f"{name} ({code})" for name, code in zip(names, self.languages, strict=True))


def find_subject(folder: Path, base: str | None = None) -> Subject:
    """The adapter in a folder: a language adapter, or a task adapter in the folder of its scores or in its own.

    `base` is the base's id on the hub, where the adapter names a local folder. Raises UserError where there is no
    adapter, or where what it is stacked on is missing.
    """
    if not (holds_task(folder) or holds_task(folder / TASK_ADAPTER)):
        return _language_adapter(folder, base)
    task = find_task_adapter(folder, base=base)
    below = task.language_adapter
    if below is None and is_full_model(Path(task.base.name)) and _is_adapter(Path(task.base.name)):
        below = Path(task.base.name)  # a whole model takes the place of the base
    scores = task.folder.parent if task.folder.name == TASK_ADAPTER else task.folder
    stacked_on = _language_adapter(below, base) if below is not None else None
    reference = CardBase(base or task.base.name, None if base else task.base.revision)
    return Subject(
        task.folder,
        scores,
        read_config(task.folder),
        stacked_on.base if stacked_on is not None and stacked_on.is_full else reference,
        task.max_length,
        stacked_on,
    )


def _language_adapter(folder: Path, base: str | None) -> Subject:
    require_language_adapter(folder)
    whole = is_full_model(folder)
    subject = Subject(folder, folder, None if whole else read_config(folder), CardBase(base))
    if base is not None:
        return subject
    reference: BaseReference | None = base_of_full_model(folder) if whole else base_of_adapter(folder)
    return replace(subject, base=CardBase(reference.name, reference.revision) if reference else CardBase(None))


def _is_adapter(folder: Path) -> bool:
    return manifest_of(folder).get("kind") == "adapter"
