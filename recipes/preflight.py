"""Whether everything that a recipe needs from elsewhere can be had, asked before anything is downloaded.

One row for the base, the text, the graph and each task: found, cached, local, skipped, gated, missing or unreachable,
with its size and the licence that its card states.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .availability import skipped_tasks
from .downloads import UnreachableError, download_path, public_address, remote_size
from .errors import UserError
from .evaluation import Task
from .hub import Model, cached_file, check_access, check_online, describe_model, is_gated, is_unreachable, list_folder
from .hub_files import HubFiles, find_hub_files
from .labelled import field_of
from .languages import find_language
from .schema import Base, Corpus, Recipe
from .sources import NoSuchFileError, alternatives, expand_files

State = Literal["found", "cached", "local", "finished", "skipped", "gated", "missing", "unreachable"]
UNUSABLE = ("gated", "missing", "unreachable")


@dataclass(frozen=True)
class Source:
    """One thing that a recipe needs."""

    part: str
    """Field of the recipe: base, corpus, graph, eval.mlm, eval.topic."""
    place: str
    """Address, repository or folder."""
    state: State
    size: int | None = None
    """Bytes to download or downloaded; None where unknown."""
    licence: str = ""
    note: str = ""
    """For a state in UNUSABLE, why, and what to do about it."""

    @property
    def unusable(self) -> bool:
        """Whether the run would stop here."""
        return self.state in UNUSABLE


def check_sources(recipe: Recipe, workspace: Path, finished: Iterable[str] = ()) -> list[Source]:
    """Ask for all that the recipe needs, except for the parts that are `finished` (base, corpus, graph, mlm, topic).

    Asks the hub and other servers, a few requests each, and downloads nothing. Offline, the same from the cache.
    """
    finished, downloads = set(finished), workspace / "downloads"
    checks: dict[str, Callable[[], Source]] = {}
    if recipe.base.model is not None:
        checks["base"] = lambda: _base(recipe.base, str(recipe.base.model))
    if recipe.corpus is not None:
        checks["corpus"] = lambda: _corpus(recipe.corpus, recipe.language)  # type: ignore[arg-type]
    if recipe.graph is not None:
        checks["graph"] = lambda: _graph(recipe.graph.conceptnet, downloads)  # type: ignore[union-attr]
    checks |= _task_checks(recipe, downloads)
    sources = []
    for part, check in checks.items():
        source = _checked(part, check)
        sources.append(replace(source, state="finished", note="") if part in finished and source.unusable else source)
    return sources


def _task_checks(recipe: Recipe, downloads: Path) -> dict[str, Callable[[], Source]]:
    settings = recipe.eval
    names = dict.fromkeys(settings.tasks or settings.configured)
    # all task sets are read: their lines are dropped from the text
    everything = settings.configured if recipe.corpus and recipe.corpus.drop_task_lines else names
    files: dict[str, list[str | list[str]]] = {}
    for name in [*names, *(name for name in everything if name not in names)]:
        if name != "mlm":
            files[name] = _locations(settings.learnt(name) if name in names else settings.with_data[name])
        elif settings.mlm.files:
            files[name] = list(settings.mlm.files)
    return {name: lambda name=name: _task(recipe, name, files[name], downloads) for name in files}


def unusable_sources(sources: Iterable[Source]) -> str:
    """One line for each source that cannot be had, those of a server that does not answer together; "" if none."""
    lines: list[str] = []
    waiting: dict[str, list[str]] = {}
    for source in sources:
        if source.state == "unreachable":
            waiting.setdefault(source.note.partition(": ")[2], []).append(source.part)
        elif source.unusable:
            lines.append(f"{source.part}: {source.note}")
    lines += [f"{', '.join(parts)}: {reason}" for reason, parts in waiting.items()]
    return "\n  ".join(lines)


def _checked(part: str, check: Callable[[], Source]) -> Source:
    """What a check says, or the row for what it raises."""
    try:
        return check()
    except UserError as error:
        state: State = "missing"
        if isinstance(error, UnreachableError) or is_unreachable(error):
            state = "unreachable"
        elif is_gated(error):
            state = "gated"
        return Source(_field(part), getattr(error, "place", ""), state, note=str(error))


def _field(part: str) -> str:
    return part if part in ("base", "corpus", "graph") else field_of(part)


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
    if model.gated and not model.cached:
        check_access(name, "model")
    return Source("base", place, "cached" if model.cached else "found", model.size, model.licence)


def _corpus(corpus: Corpus, language: str) -> Source:
    if corpus.files:
        files = expand_files(corpus.files)
        place = ", ".join(corpus.files)
        return Source("corpus", place, "local", sum(file.stat().st_size for file in files))
    label = find_language(language).glotcc
    listing = list_folder(corpus.glotcc, f"v1.0/{label}", corpus.revision)
    shards = {path: size for path, size in listing.files.items() if path.endswith(".parquet")}
    if not shards:
        raise UserError(f"GlotCC has no text for {label}: name local files in corpus.files")
    cached = all(cached_file(corpus.glotcc, path, listing.commit) for path in shards)
    if not cached:
        check_online(corpus.glotcc)
    if listing.card.gated and not cached:
        check_access(corpus.glotcc)
    count = "1 file" if len(shards) == 1 else f"{len(shards)} files"
    place = f"{corpus.glotcc} at {listing.commit[:8]}, v1.0/{label} ({count})"
    state: State = "cached" if cached else "found"
    return Source("corpus", place, state, sum(shards.values()), listing.card.licence)


def _graph(location: str, downloads: Path) -> Source:
    return _file("graph", location, downloads)


def _locations(task: Task) -> list[str | list[str]]:
    splits = ("train", "validation", "test", "file")
    return [location for split in splits if (location := getattr(task, split)) is not None]


def _task(recipe: Recipe, name: str, locations: list[str | list[str]], downloads: Path) -> Source:
    section = recipe.eval.mlm if name == "mlm" else recipe.eval.with_data[name]
    part = field_of(name)
    if skipped := skipped_tasks(recipe).get(name):
        return Source(part, section.dataset, "skipped", note=skipped.reason)
    files = [_first_that_exists(part, location, downloads) for location in locations]
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


def _first_that_exists(part: str, location: str | list[str], downloads: Path) -> Source:
    *first, last = alternatives(location)
    for candidate in first:
        try:
            return _file(part, candidate, downloads)
        except UserError:
            continue
    return _file(part, last, downloads)


def _file(part: str, location: str, downloads: Path) -> Source:
    """One file, or the shards of one. Raises UserError where it cannot be had."""
    if location.startswith("hf://"):
        files: HubFiles = find_hub_files(location)
        if not files.cached:
            check_online(f"{files.repo}: {files.paths[0]}")
        if files.card.gated and not files.cached:
            check_access(files.repo)
        place = f"{files.repo}{f' at {files.commit[:8]}' if files.commit else ''}, {files.paths[0]}"
        size = sum(files.sizes) if files.sizes else None
        return Source(part, place, "cached" if files.cached else "found", size, files.card.licence)
    if "://" in location:
        target, place = download_path(location, downloads), public_address(location)
        if target.is_file():
            return Source(part, place, "cached", target.stat().st_size)
        return Source(part, place, "found", remote_size(location))
    paths = expand_files([location])
    if not paths:
        raise NoSuchFileError(f"no such file: {location}")
    return Source(part, location, "local", sum(path.stat().st_size for path in paths))


def _size_of_folder(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
