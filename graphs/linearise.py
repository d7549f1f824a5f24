"""Edges as sentences: one template per relation, and a split that keeps an edge and its mirror together."""

import hashlib
from importlib.resources import files
from typing import Literal

import yaml

from ..recipes.errors import UserError
from .conceptnet import Edge

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def load_templates(name: str = "english") -> dict[str, str]:
    """Sentence templates with {start} and {end}, by relation. Raises UserError when none are called `name`."""
    folder = files(__name__.rpartition(".")[0]).joinpath("templates")
    file = folder.joinpath(f"{name}.yaml")
    if not file.is_file():
        known = sorted(other.name.removesuffix(".yaml") for other in folder.iterdir())
        raise UserError(f"no templates are called {name!r}; there are: {', '.join(known)}")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def linearise(edge: Edge, templates: dict[str, str]) -> str | None:
    """The edge as a sentence; None when its relation has no template."""
    template = templates.get(edge.relation)
    return None if template is None else template.format(start=edge.start.term, end=edge.end.term)


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
