"""What a published adapter was trained on: each source with its terms, counts and hashes, from the manifests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...eval.report.provenance import name_and_terms
from ...eval.report.runs import manifest_of
from ...recipes.licences import CONCEPTNET, LOCAL_FILES, UNKNOWN, recorded_sources, source_terms
from ...workspace.artifacts import file_hash, parent_folders
from ...workspace.formatting import format_count, format_number, format_size
from .subject import Subject

TRAIN = "train.parquet"
COUNTED = ("documents", "lines")  # facts of a corpus, each a number by split
HUB = "hf://datasets/"
MAX_FILES = 5  # named; the rest are counted


@dataclass(frozen=True)
class Source:
    """Some of the data that an adapter was trained on."""

    name: str
    terms: str
    dataset: str | None = None
    """Its id on the hub, where it comes from there."""
    details: list[str] = field(default_factory=list)
    """Counts and hashes."""


def training_data(subject: Subject) -> list[Source]:
    """The sources of an adapter, each once; of a task adapter those of the language adapter under it too.

    Empty where nothing is recorded, as for an adapter that was imported.
    """
    sources = list(_of_task(subject) if subject.task_settings is not None else _of_adapter(subject))
    if subject.language_adapter is not None:
        sources += training_data(subject.language_adapter)
    return list({(source.name, *source.details): source for source in sources}.values())


def _of_adapter(subject: Subject) -> Iterator[Source]:
    for adapter in subject.manifest.get("inputs", {}).get("adapters", []):  # that it was merged from
        hashes = [f"{file} sha256 {digest}" for file, digest in adapter["files"].items()]
        yield Source(
            f"the adapter {adapter['name']}, with the weight {adapter['weight']:g}",
            "those of its own training data",
            details=hashes,
        )
    yield from _of_parents(subject.manifest, subject.workspace)


def _of_parents(manifest: Mapping[str, Any], workspace: Path) -> Iterator[Source]:
    """The corpora and graphs of an adapter; of a fusion those of the adapters that it combines."""
    for folder in parent_folders(manifest, workspace):
        parent = manifest_of(folder)
        if parent.get("kind") == "adapter":
            yield from _of_parents(parent, workspace)
        elif parent.get("kind") == "corpus":
            yield from _corpus(folder, parent)
        elif parent.get("kind") == "graph":
            yield _graph(folder, parent)
        elif not parent:
            yield Source(f"{folder.name}, which was deleted", UNKNOWN)


def _corpus(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Source]:
    """The local files of a corpus, and each of its sources on the hub; counts and hashes are of the whole corpus."""
    facts = manifest["facts"]
    counts = [format_count(facts[part]["train"], part.removesuffix("s")) for part in COUNTED if part in facts]
    size = [f"{format_size(facts['bytes']['train'])} of text in train"] if "bytes" in facts else []
    details = [", ".join([*counts, *size]), *_hashes(folder, manifest)]
    for record in recorded_sources(facts):
        if "lacks" in record or record.get("lines") == 0:  # nothing of it is in the corpus
            continue
        files = _listed(record.get("files", []))
        repository = record.get("repository")
        if repository:
            commit = record.get("commit") or record.get("revision")
            name = f"{record['title']} ({repository})" if "title" in record else repository
            yield Source(name, source_terms(record), repository, [f"{files}, commit {commit}", *details])
        else:
            hashes = [f"file sha256 {digest}" for digest in _file_hashes(manifest)]
            yield Source(f"text in {files}", source_terms(record), None, [*details, *hashes])


def _graph(folder: Path, manifest: Mapping[str, Any]) -> Source:
    facts = manifest["facts"]
    edges = ", ".join(f"{count:,} {licence}" for licence, count in facts.get("licenses", {}).items())
    sentences = facts.get("sentences", {}).get("train")
    counts = [f"{format_count(sentences, 'sentence')} in train"] if sentences is not None else []
    details = [", ".join([*counts, f"edges by licence: {edges}"]), *_hashes(folder, manifest)]
    return Source(f"ConceptNet ({facts.get('dump', 'dump')})", CONCEPTNET, None, details)


def _of_task(subject: Subject) -> Iterator[Source]:
    """The labelled data of a task adapter."""
    counts = subject.facts.get("examples", {})
    sizes = ", ".join(f"{format_number(count)} {split}" for split, count in counts.items())
    details = [f"examples: {sizes}"] if sizes else []
    task = subject.section.get("task", "task")
    data = subject.manifest.get("inputs", {}).get("data", {})
    addresses = subject.facts.get("files_on_hub") or {
        address: "" for address in data.values() if isinstance(address, str) and "://" in address
    }
    for address, licence in addresses.items():
        name, terms = name_and_terms(address)
        yield Source(f"{name} ({task})", licence or terms, _dataset(address), [*details, f"files: {_public(address)}"])
    local = {split: value for split, value in data.items() if isinstance(value, str) and "://" not in value}
    if local:
        names = _listed(subject.manifest.get("sources", []))
        hashes = [f"{split} sha256 {digest}" for split, digest in local.items()]
        yield Source(f"labelled texts in {names} ({task})", LOCAL_FILES, None, [*details, *hashes])


def _dataset(address: str) -> str | None:
    """OWNER/NAME of an address on the hub."""
    if not address.startswith(HUB):
        return None
    owner, name = address.removeprefix(HUB).split("/")[:2]
    return f"{owner}/{name.partition('@')[0]}"


def _public(address: str) -> str:
    return address.removeprefix(HUB)


def _hashes(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Of the sentences themselves where they still exist, and the key of settings and inputs."""
    of_file = [f"{TRAIN} sha256 {file_hash(folder / TRAIN)}"] if (folder / TRAIN).is_file() else []
    of_all = [f"settings and inputs sha256 {manifest['key']}"] if "key" in manifest else []
    return [*of_file, *of_all]


def _file_hashes(manifest: Mapping[str, Any]) -> list[str]:
    """SHA-256 of a corpus's local files."""
    files = manifest.get("inputs", {}).get("files", [])
    return [str(entry).rpartition(" ")[2] for entry in files if "://" not in str(entry)][:MAX_FILES]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_FILES} more" if len(names) > MAX_FILES else ""
    return ", ".join(names[:MAX_FILES]) + more
