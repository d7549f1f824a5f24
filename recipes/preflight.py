"""Check that everything a recipe needs is available, before anything is downloaded.

One row each for the base, the text, the graph and every task: found, cached, local, skipped, gated, missing or
unreachable, with its size and the licence on its card.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..workspace.artifacts import Artifact
from ..workspace.downloads import UnreachableError, download_path, public_address, remote_size
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.hub import Model, cached_file, check_access, check_online, describe_model, is_offline
from ..workspace.hub_errors import is_gated, is_unreachable
from ..workspace.hub_files import HubFiles, find_hub_files
from ..workspace.locations import NoSuchFileError, alternatives, expand_files, first_that_exists, folder_files
from .availability import skipped_tasks
from .corpus_files import DOCUMENTS
from .corpus_sources import NoTextError, Origin, no_text, origins
from .evaluation import PseudoPerplexity, Task
from .identify import GLOTLID, GLOTLID_BYTES, GLOTLID_COMMIT, GLOTLID_FILE, Identify
from .languages import find_language
from .schema import Base, Corpus, Recipe
from .splits import SPLITS
from .task_files import field_of, sentence_files

State = Literal["found", "cached", "local", "finished", "skipped", "gated", "missing", "unreachable"]
IDENTIFY = "corpus.identify"
UNUSABLE = ("gated", "missing", "unreachable")


@dataclass(frozen=True)
class Source:
    """One thing that a recipe needs."""

    part: str
    """Field of the recipe: base, corpus, graph, eval.mlm, eval.topic; of several sources of text, corpus fineweb2."""
    place: str
    """Address, repository or folder."""
    state: State
    size: int | None = None
    """Bytes to download or downloaded; None where unknown."""
    licence: str = ""
    note: str = ""
    """For a state in UNUSABLE, the reason and what to do."""

    @property
    def unusable(self) -> bool:
        """Whether the run would fail here."""
        return self.state in UNUSABLE


def check_sources(
    recipe: Recipe, workspace: Path, corpus: Artifact | None = None, finished: Collection[str] = ()
) -> list[Source]:
    """Check all sources of the recipe except those of the `finished` parts (base, corpus, graph, mlm, topic).

    `corpus` is the recipe's corpus, which may record the skipped tasks. Sends the hub and other servers a few requests
    each and downloads nothing. Offline, checks the cache.
    """
    downloads = workspace / "downloads"
    checks: dict[str, tuple[str, Callable[[], Source]]] = {}  # part -> place, check
    base, graph = recipe.base, recipe.graph
    if base.model is not None:
        name = base.model
        checks["base"] = (name, lambda: _base(base, name))
    identify = recipe.corpus.identify if recipe.corpus else None
    if identify is not None and "corpus" not in finished:
        place = "trusted and neighbours" if identify.uses_ngrams else GLOTLID
        checks[IDENTIFY] = (place, lambda: _identify(identify, downloads))
    if graph is not None:
        place = public_address(graph.conceptnet)
        checks["graph"] = (place, lambda: _file("graph", graph.conceptnet, downloads))
    checks |= _task_checks(recipe, corpus, downloads)
    rows = {
        part: Source(_field(part), place, "finished") if part in finished else _checked(part, place, check)
        for part, (place, check) in checks.items()
    }
    text = _corpus(recipe.corpus, recipe.language, finished="corpus" in finished) if recipe.corpus else []
    base_row = [rows.pop("base")] if "base" in rows else []
    return [*base_row, *text, *rows.values()]


def _task_checks(
    recipe: Recipe, corpus: Artifact | None, downloads: Path
) -> dict[str, tuple[str, Callable[[], Source]]]:
    settings = recipe.eval
    try:
        skipped = skipped_tasks(recipe, corpus)
    except UserError as error:
        refusal = error
        return {"tasks": ("", lambda: _refuse(refusal))}
    names = dict.fromkeys(settings.tasks or settings.configured)
    # preparing the corpus reads all task data, to drop their lines from the text
    read_names = settings.configured if recipe.corpus and recipe.corpus.drop_task_lines else names
    checks: dict[str, tuple[str, Callable[[], Source]]] = {}
    for name in dict.fromkeys([*names, *read_names]):
        section = settings.mlm if name == "mlm" else settings.with_data[name]
        if name in skipped:
            row = Source(field_of(name), section.dataset, "skipped", note=skipped[name].reason)
            checks[name] = (section.dataset, lambda row=row: row)
            continue
        task = settings.learnt(name) if name in names and name != "mlm" else section
        if files := task.files if isinstance(task, PseudoPerplexity) else _locations(task):
            place = public_address(alternatives(files[0])[0]).removeprefix("hf://datasets/")
            place = re.sub(r"@([0-9a-f]{8})[0-9a-f]{32}/", r" at \1, ", place)
            checks[name] = (place, lambda name=name, task=task: _task(name, _files_of(task), downloads))
    return checks


def _files_of(task: PseudoPerplexity | Task) -> Sequence[str | list[str]]:
    """The files of a task; folders and globs of sentence files are expanded."""
    return sentence_files(task) if isinstance(task, PseudoPerplexity) else _locations(task)


def _refuse(error: UserError) -> Source:
    raise error


def unusable_sources(sources: Iterable[Source]) -> str:
    """One line per unusable source, one for all sources of a server that does not answer; "" if there are none."""
    lines: list[str] = []
    parts_by_reason: dict[str, list[str]] = {}
    for source in sources:
        if source.state == "unreachable":
            parts_by_reason.setdefault(source.note.partition(": ")[2], []).append(source.part)
        elif source.unusable:
            lines.append(f"{source.part}: {source.note}")
    lines += [f"{', '.join(parts)}: {reason}" for reason, parts in parts_by_reason.items()]
    return "\n  ".join(lines)


def _checked(part: str, place: str, check: Callable[[], Source]) -> Source:
    """The row of a check, or of the error that it raises, except for a NoTextError."""
    try:
        return check()
    except NoTextError:
        raise
    except UserError as error:
        state: State = "missing"
        if isinstance(error, UnreachableError) or is_unreachable(error):
            state = "unreachable"
        elif is_gated(error):
            state = "gated"
        return Source(_field(part), place, state, note=str(error))


def _field(part: str) -> str:
    return part if part in ("base", "graph", "tasks") or part.startswith("corpus") else field_of(part)


def _base(base: Base, name: str) -> Source:
    if Path(name).is_dir():
        return Source("base", name, "local", _size_of_folder(Path(name)))
    if name.startswith(("/", ".")):
        raise UserError(f"no such folder: {name}")
    place = name if base.revision == "main" else f"{name} at {base.revision}"
    model: Model = describe_model(name, base.revision)
    if not model.weights:
        raise UserError(f"{name} has neither safetensors nor pytorch_model.bin: choose another base or revision")
    if not model.tokenizer:
        raise UserError(f"{name} has no tokenizer files: choose another base or revision")
    if not model.cached:
        check_online(name)
        if model.gated:
            check_access(name, "model")
    return Source("base", place, "cached" if model.cached else "found", model.size, model.licence)


def _corpus(corpus: Corpus, language: str, *, finished: bool) -> list[Source]:
    """A row for each thing that the text comes from. A source without the language is skipped if others have it."""
    rows: list[Source] = []
    lacking: dict[int, str] = {}  # number of the row -> reason
    corpus_origins = origins(corpus, language)
    for number, origin in enumerate(corpus_origins):
        part = "corpus" if len(corpus_origins) == 1 else f"corpus {origin.name}"
        if finished:
            rows.append(Source(part, origin.place, "finished"))
            continue
        try:
            rows.append(_checked(part, origin.place, lambda part=part, origin=origin: _origin(part, origin)))
        except NoTextError as error:
            lacking[number] = str(error)
            rows.append(Source(part, origin.place, "skipped", note=str(error)))
    if rows and len(lacking) == len(rows):
        advice = no_text(lacking.values(), find_language(language))
        rows = [replace(row, state="missing", note=advice) for row in rows]
    return rows


def _origin(part: str, origin: Origin) -> Source:
    """One thing that the text of a corpus comes from. Raises UserError if it is not available."""
    origin_files, corpus = origin.find(), origin.corpus
    if origin_files.hub is None:
        return Source(part, origin.place, "local", sum(file.stat().st_size for file in origin_files.local))
    files = origin_files.hub
    capped = corpus.max_bytes is not None or corpus.max_documents is not None
    first, *others = files.paths
    enough = first in files.cached_paths if capped else files.cached  # with a cap, the first may be all that is read
    if not files.cached:
        check_may_download(files.repo, files.card.gated, files.fresh, cached=enough)
    count = f"{format_count(len(files.paths), 'file')}{', enough for the cap' if capped and others else ''}"
    version = f" at {files.commit[:8]}" if files.commit else ""
    place = f"{files.repo}{version}, {first.rpartition('/')[0] or first} ({count})"
    size = sum(files.sizes) if files.sizes else None
    licence = files.card.licence or (origin.source.licence if origin.source else "")
    return Source(part, place, "cached" if files.cached else "found", size, licence)


def _identify(identify: Identify, downloads: Path) -> Source:
    """GlotLID, or the text that a model of n-grams is trained on."""
    if not identify.uses_ngrams:
        cached = cached_file(GLOTLID, GLOTLID_FILE, GLOTLID_COMMIT, "model") is not None
        if not cached:
            check_online(GLOTLID)
            check_access(GLOTLID, "model")
        return Source(IDENTIFY, GLOTLID, "cached" if cached else "found", GLOTLID_BYTES, "apache-2.0")
    sources: list[Source] = []  # without the corpus itself, which has its own row
    for entry in [*identify.trusted, *(entry for entries in identify.neighbours.values() for entry in entries)]:
        if "://" in entry:
            sources.append(_file(IDENTIFY, entry, downloads, several=True))
        else:
            files = expand_files([entry], IDENTIFY, also=DOCUMENTS)
            sources.append(Source(IDENTIFY, entry, "local", sum(file.stat().st_size for file in files)))
    return _together(IDENTIFY, sources)


def check_may_download(repo: str, gated: bool, fresh: bool, *, cached: bool) -> None:
    """Raise a UserError if files of a repository that are not cached cannot be downloaded.

    A stored listing does not show this, so the hub is asked; offline, the cached files must be enough.
    """
    if not cached:
        check_online(repo)
    elif is_offline():
        return
    if gated or not fresh:
        check_access(repo)


def _locations(task: Task) -> list[str | list[str]]:
    return [location for split in (*SPLITS, "file") if (location := getattr(task, split)) is not None]


def _task(name: str, locations: Sequence[str | list[str]], downloads: Path) -> Source:
    part = field_of(name)
    return _together(
        part, [first_that_exists(location, lambda place: _file(part, place, downloads)) for location in locations]
    )


def _together(part: str, files: Sequence[Source]) -> Source:
    """One row for several files: the state of the one that is least at hand, and the sum of the sizes."""
    places = list(dict.fromkeys(source.place for source in files))
    sizes = [source.size for source in files]
    order: list[State] = ["found", "cached", "local"]
    return Source(
        part,
        places[0] + (f" and {len(places) - 1} more" if len(places) > 1 else ""),
        min((source.state for source in files), key=order.index),
        None if None in sizes else sum(size or 0 for size in sizes),
        ", ".join(dict.fromkeys(source.licence for source in files if source.licence)),
    )


def _file(part: str, location: str, downloads: Path, *, several: bool = False) -> Source:
    """One file or its shards, or `several` files. Raises UserError if it is not available."""
    if location.startswith("hf://"):
        files: HubFiles = find_hub_files(location, several=several)
        if not files.cached:
            check_may_download(files.repo, files.card.gated, files.fresh, cached=False)
        place = f"{files.repo}{f' at {files.commit[:8]}' if files.commit else ''}, {files.paths[0]}"
        size = sum(files.sizes) if files.sizes else None
        return Source(part, place, "cached" if files.cached else "found", size, files.card.licence)
    if "://" in location:
        target, place = download_path(location, downloads), public_address(location)
        if target.is_file():
            return Source(part, place, "cached", target.stat().st_size)
        return Source(part, place, "found", remote_size(location))
    path = Path(location)
    if path.is_dir():
        return Source(part, location, "local", sum(file.stat().st_size for file in folder_files(path)))
    if not path.is_file():
        raise NoSuchFileError(f"no such file: {location}")
    return Source(part, location, "local", path.stat().st_size)


def _size_of_folder(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
