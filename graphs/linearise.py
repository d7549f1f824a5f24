"""Edges as text: a sentence per edge, or passages that walk over several edges; splits that no pair of terms straddles.

A linearisation (recipe: graph.linearisation) is a set of templates and a form:

    paper    the 33 English predicates of arXiv 2502.10140, from edges that start in the language, as there
    english  a correct English sentence for each of ConceptNet's relations
    native   sentences in the language itself, English where it has no template
    walk     the same templates; edges that share a term are joined into a passage, so that one line carries several
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any, Literal

import yaml

from ..recipes.loading import nearest, read_yaml
from ..recipes.schema import Graph
from ..workspace.errors import UserError
from ..workspace.text import clean_line, to_nfc
from .conceptnet import Edge

Split = Literal["train", "validation", "test"]
Rows = dict[Split, list[tuple[str, str]]]
"""(document, text) by split; the document stands for the pair of terms, or a walk's first pair."""
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ENGLISH, PAPER, PIVOT = "eng_Latn", "paper", "en"


def load_templates(graph: Graph, language: str) -> dict[str, str]:
    """Templates with {start} and {end} by relation, as the recipe and its language (`swh_Latn`) ask for.

    Relations that a language's own templates lack are said in English. Raises UserError when graph.templates cannot be
    read, or no templates are bundled for the language and `native` asks for them.
    """
    if graph.linearisation == "paper":
        return _bundled(PAPER)
    own = {} if graph.templates is None else _read(Path(graph.templates))
    if graph.linearisation == "english" or (graph.linearisation == "walk" and language not in _names()):
        return _bundled(ENGLISH) | own
    if language not in _names() and own:
        return _bundled(ENGLISH) | own
    if language not in _names():
        known = ", ".join(name for name in _names() if name not in (PAPER, ENGLISH))
        raise UserError(
            f"graph.linearisation: native has no templates for {language}, only for {known}: write a file of them and "
            "name it in graph.templates, or use english"
        )
    return _bundled(ENGLISH) | _bundled(language) | own


def select(edges: Iterable[Edge], graph: Graph, code: str) -> tuple[list[Edge], Counter[str]]:
    """The edges that graph.languages lets pass, and how many others there were; `code` is ConceptNet's language."""
    allowed = {"own": {code}, "own+pivot": {code, PIVOT}, "all": None}[graph.languages]
    kept: list[Edge] = []
    dropped: Counter[str] = Counter()
    for edge in edges:
        if allowed is not None and not allowed.issuperset((edge.start.language, edge.end.language)):
            dropped["leads to a language left out"] += 1
        elif graph.linearisation == "paper" and edge.start.language != code:
            dropped["starts in another language"] += 1
        else:
            kept.append(edge)
    return kept, dropped


def linearise(edges: Iterable[Edge], templates: dict[str, str], graph: Graph) -> tuple[Rows, Counter[str]]:
    """Rows by split, each text once, and how many edges gave none, by reason. The same for the same `graph.seed`."""
    said: dict[Split, list[tuple[Edge, str]]] = {split: [] for split in SPLITS}
    unused: Counter[str] = Counter()
    seen: set[str] = set()
    for edge in edges:
        text = sentence(edge, templates)
        if text is None:
            unused["no template"] += 1
        elif text in seen:  # two languages spell both words alike; the second might land in another split
            unused["same sentence"] += 1
        else:
            seen.add(text)
            said[split_of(edge)].append((edge, text))
    if graph.linearisation == "walk":
        return {split: list(_walks(pairs, graph)) for split, pairs in said.items()}, unused
    return {split: [(pair_id(edge), text) for edge, text in pairs] for split, pairs in said.items()}, unused


def sentence(edge: Edge, templates: dict[str, str]) -> str | None:
    """The edge as a sentence; None when its relation has no template."""
    template = templates.get(edge.relation)
    return None if template is None else to_nfc(template.format(start=edge.start.term, end=edge.end.term))


def pair_id(edge: Edge) -> str:
    """16 hex digits that stand for the unordered pair of terms.

    Languages and parts of speech do not count: the same two spellings, once as English and once as French, make the
    same sentence and must not fall on both sides of a split.
    """
    pair = "\t".join(sorted((edge.start.term, edge.end.term)))  # no term holds a tab
    return hashlib.sha256(pair.encode()).hexdigest()[:16]


def split_of(edge: Edge) -> Split:
    """80 % train, 10 % validation, 10 % test by the hash of the pair: stable, and the same for every edge of a pair."""
    tenth = int(pair_id(edge), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def _walks(said: list[tuple[Edge, str]], graph: Graph) -> Iterator[tuple[str, str]]:
    """Passages of up to graph.walk_length sentences, each edge in just one and sharing a term with one before it.

    Edges are walked in either direction, and each sentence keeps its edge's own.
    """
    at: dict[str, list[int]] = {}
    for index, (edge, _) in enumerate(said):
        for node in (edge.start, edge.end):
            at.setdefault(node.key, []).append(index)
    chance = random.Random(graph.seed)
    starts = list(range(len(said)))
    chance.shuffle(starts)
    for indices in at.values():
        chance.shuffle(indices)
    walked = [False] * len(said)
    for start in starts:
        if walked[start]:
            continue
        path, terms = [], []
        following: int | None = start
        while following is not None:
            walked[following] = True
            path.append(following)
            edge = said[following][0]
            terms += [node.key for node in (edge.start, edge.end) if node.key not in terms]
            if len(path) == graph.walk_length:
                break
            # on from the newest term, or back to one before it: most words of a dictionary are in one edge alone
            steps = (_unwalked(at[term], walked) for term in reversed(terms))
            following = next((step for step in steps if step is not None), None)
        yield pair_id(said[start][0]), " ".join(said[index][1] for index in path)


def _unwalked(indices: list[int], walked: list[bool]) -> int | None:
    """The last of `indices` that is not walked yet; those that are get thrown away: all walks take linear time."""
    while indices:
        if not walked[indices[-1]]:
            return indices.pop()
        indices.pop()
    return None


def _names() -> list[str]:
    """The templates that come with the package: paper, and languages such as swh_Latn."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))


def _bundled(name: str) -> dict[str, str]:
    return yaml.safe_load(_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files(__name__.rpartition(".")[0]).joinpath("templates")


def _read(path: Path) -> dict[str, str]:
    """A user's templates, checked."""
    try:
        templates = read_yaml(path)
    except UserError as error:
        raise UserError(f"graph.templates: {error}") from error
    if not isinstance(templates, dict):
        raise UserError(f'graph.templates: {path} must hold lines such as IsA: "{{start}} is a {{end}}."')
    for relation, template in templates.items():
        if not isinstance(relation, str) or relation not in _bundled(ENGLISH):
            near = nearest(str(relation), _bundled(ENGLISH))
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f"graph.templates: {path}, {relation}: ConceptNet has no such relation{hint}")
        if not _speaks(template):
            raise UserError(
                f"graph.templates: {path}, {relation}: a template is text with {{start}} and {{end}}, not {template!r}"
            )
    return {relation: clean_line(template) for relation, template in templates.items()}


def _speaks(template: object) -> bool:
    """Whether a template is one line with plain {start} and {end}, once each."""
    try:
        fields = [part[1:] for part in Formatter().parse(template)] if isinstance(template, str) else []
    except ValueError:
        return False
    found = sorted(name for name, *_ in fields if name is not None)
    plain = all(not spec and conversion is None for name, spec, conversion in fields if name is not None)
    return found == ["end", "start"] and plain and len(str(template).splitlines()) == 1
