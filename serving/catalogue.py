"""Which adapters a server offers: those of a workspace, or named folders, that belong to one base.

Fully fine-tuned models (`full`), which are not on a base but take its place, are offered beside them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..eval.inference.choose_adapters import (
    TASK_ADAPTER,
    holds_task,
    language_adapters,
    made_at,
    tasks_of_scores,
)
from ..eval.inference.find_adapters import (
    BaseReference,
    TaskAdapter,
    base_of_adapter,
    base_of_full_model,
    find_task_adapter,
    is_full_model,
)
from ..eval.inference.published import LANGUAGE_ADAPTER, adapter_folder
from ..recipes.languages import UnknownLanguageError, find_language
from ..training.adapters.files import read_config
from ..workspace.artifacts import MANIFEST, read_manifest
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.progress import Progress


@dataclass(frozen=True)
class LanguageEntry:
    """A language adapter that fills masks."""

    name: str
    folder: Path
    base: BaseReference
    language: str | None
    """Code, `swh_Latn`; None for a folder that does not tell."""
    system: str | None = None
    """Type and source, `seq_bn/text`; None for a folder that does not tell."""
    seed: int | None = None
    """Of its training; None for a folder that does not tell."""

    @property
    def is_full(self) -> bool:
        """Whether it is a fully fine-tuned model, which is its own base."""
        return is_full_model(self.folder)


@dataclass(frozen=True)
class TaskEntry:
    """A task adapter that labels texts."""

    name: str
    adapter: TaskAdapter
    language: str | None
    """Code, `swh_Latn`; None for a folder that does not tell."""
    task: str | None
    """`topic`, `ner`; None for a folder that does not tell."""
    seed: int | None = None
    """Of its training; None for a folder that does not tell."""
    system: str | None = None
    """Type and source of the language adapter below, `seq_bn/text`; `base` if there is none; None if not known."""

    @property
    def base(self) -> BaseReference:
        """The base that it was trained on, or the fully fine-tuned model in its place."""
        return self.adapter.base

    @property
    def is_full(self) -> bool:
        """Whether it is on a fully fine-tuned model."""
        folder = Path(self.base.name)
        if folder == self.adapter.folder / LANGUAGE_ADAPTER:  # as published, without a manifest
            return True
        return (folder / MANIFEST).is_file() and read_manifest(folder)["kind"] == "adapter"


Entry = LanguageEntry | TaskEntry


@dataclass(frozen=True)
class Catalogue:
    """The adapters that a server offers, by their names; the newest first."""

    base: BaseReference
    languages: dict[str, LanguageEntry] = field(default_factory=dict)
    tasks: dict[str, TaskEntry] = field(default_factory=dict)

    @property
    def base_name(self) -> str:
        """Hub id of the base, or the name of its folder: paths of the machine are not shown to clients."""
        folder = Path(self.base.name)
        return folder.resolve().name if folder.is_dir() else str(self.base)


def make_catalogue(
    adapters: Sequence[str | Path] | None,
    base: str | None,
    workspace: Path,
    language: str | None,
    progress: Progress,
) -> Catalogue:
    """The adapters in the folders, or else every one in the workspace, in this language (`swh_Latn`) if given.

    `base` (hub id or folder) chooses those of a workspace that belong to it, and replaces the one that named folders
    were trained on. What a workspace has besides is left out, and `progress` says why. Raises UserError where nothing
    is left, where adapters belong to several bases, and for a named folder that cannot be served.
    """
    if adapters:
        entries = _named(adapters, base)
    else:
        entries = _in_workspace(workspace, language, progress)
        if base is not None:
            entries = _of_base(entries, BaseReference(base), progress)
    if not entries:
        where = f" for {language}" if language else ""
        raise UserError(
            f"{workspace} contains no adapter{where} that can be served: run `lrl-adapt train` and `lrl-adapt eval` "
            "first, or name folders with --adapter"
        )
    # of a workspace, the adapters' own reference, which also knows the revision
    on_base = [entry for entry in entries if not entry.is_full]
    if base is not None and (adapters or not on_base):
        chosen = BaseReference(base)
    else:
        chosen = _only_base(on_base) if on_base else _origin(entries[0]) or entries[0].base
    languages = {entry.name: entry for entry in entries if isinstance(entry, LanguageEntry)}
    return Catalogue(chosen, languages, {entry.name: entry for entry in entries if isinstance(entry, TaskEntry)})


def _in_workspace(workspace: Path, language: str | None, progress: Progress) -> list[Entry]:
    """What can be served of a workspace; notes on what cannot."""
    folders = language_adapters(workspace, language)
    scores = tasks_of_scores(workspace, language)
    entries: list[Entry] = []
    for folder in sorted([*folders, *scores], key=made_at, reverse=True):
        make_entry = _task_entry if folder in scores else _language_entry
        try:
            entries.append(make_entry(folder, f"{folder.parent.name}/{folder.name}", None))
        except UserError as error:
            progress.say(f"left out: {error}")
    return entries


def _named(adapters: Sequence[str | Path], base: str | None) -> list[Entry]:
    """The adapters in folders that the user named."""
    entries: list[Entry] = []
    for address in dict.fromkeys(map(Path, adapters)):
        folder = adapter_folder(address)
        is_task = holds_task(folder) or holds_task(folder / TASK_ADAPTER)
        name = folder.resolve().name if folder == address else str(address)  # as on the hub
        name = folder.resolve().parent.name if name == TASK_ADAPTER else name
        entries.append(_task_entry(folder, name, base) if is_task else _language_entry(folder, name, base))
    repeated = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if repeated:
        raise UserError(f"several adapters are called {repeated[0]}: copy or rename one of the folders")
    return entries


def _language_entry(folder: Path, name: str, base: str | None) -> LanguageEntry:
    section = _section(folder)
    about = (_language_of(folder), _system_of(section), section.get("training", {}).get("seed"))
    if is_full_model(folder):
        return LanguageEntry(name, folder, BaseReference(str(folder)), *about)
    read_config(folder)  # raises UserError unless the folder holds an adapter
    return LanguageEntry(name, folder, BaseReference(base) if base else base_of_adapter(folder), *about)


def _task_entry(folder: Path, name: str, base: str | None) -> TaskEntry:
    adapter = find_task_adapter(folder, base=base)
    scores = adapter.folder.parent if adapter.folder.name == TASK_ADAPTER else adapter.folder
    section = _section(scores)
    about = (section.get("task"), section.get("seed"), section.get("system"))
    return TaskEntry(name, adapter, _language_of(scores), *about)


def _section(folder: Path) -> dict[str, Any]:
    """The settings in an artifact's manifest; empty for a folder without one."""
    return read_manifest(folder)["section"] if (folder / MANIFEST).is_file() else {}


def _system_of(section: Mapping[str, Any]) -> str | None:
    """A language adapter as reports call it, from its settings: `seq_bn/text`, `seq_bn+pieces/text`."""
    kind, source = section.get("adapter", {}).get("type"), section.get("source")
    if not kind or not source:
        return None
    reading = "+pieces" if "vocabulary" in section else "+latin" if "transliterate" in section else ""
    control = f"control:{section['control']} " if "control" in section else ""
    return f"{control}{kind}{reading}/{source}"


def _language_of(folder: Path) -> str | None:
    """The language of an artifact, whose parent folder is called by its code."""
    code = folder.resolve().parent.name
    if not (folder / MANIFEST).is_file():
        return None
    try:
        return find_language(code).code
    except UnknownLanguageError:
        return None


def _of_base(entries: Iterable[Entry], base: BaseReference, progress: Progress) -> list[Entry]:
    """The entries that belong to the base."""
    matches, others = [], 0
    for entry in entries:
        origin = _origin(entry)
        if origin is not None and origin.is_same_as(base):
            matches.append(entry)
        else:
            others += 1
    if others:
        progress.say(f"left out: {format_count(others, 'adapter')} of another base than {base}")
    return matches


def _origin(entry: Entry) -> BaseReference | None:
    """The base of an entry; of a fully fine-tuned model the one that it was trained from, or None if not recorded."""
    return base_of_full_model(Path(entry.base.name)) if entry.is_full else entry.base


def _only_base(entries: Sequence[Entry]) -> BaseReference:
    """The one base of all entries. Raises UserError for several."""
    bases: list[BaseReference] = []
    for entry in entries:
        if not any(entry.base.is_same_as(base) for base in bases):
            bases.append(entry.base)
    if len(bases) > 1:
        names = ", ".join(str(base) for base in bases)
        raise UserError(
            f"the adapters belong to several bases, and a server holds one: choose with --base from {names}"
        )
    return bases[0]
