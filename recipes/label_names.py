"""Names of numeric labels: from the file itself, from the data set's card, or assumed from the recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..workspace.errors import UserError
from ..workspace.hub import Card
from ..workspace.hub_files import find_hub_files
from ..workspace.tables import class_names, read_rows
from ..workspace.text import clean_line
from .labels import label_name


@dataclass(frozen=True)
class LabelNames:
    """Names of the labels in the order of their numbers, and where they come from."""

    names: list[str] | None
    origin: Literal["names", "file", "card", "recipe", "none"]
    """names: the column holds no numbers; recipe: only the recipe says which number stands for which name."""


def label_names(path: Path, column_name: str, labels: list[str] | None, location: str) -> LabelNames:
    """The names of the numbers in a file's label column; `location` is the address or path of the file.

    Raises UserError if the file or its card name other labels than the recipe's `labels`.
    """
    if not _holds_numbers(path, column_name, labels):
        return LabelNames(labels, "names")
    names, origin = class_names(path, column_name), "file"
    if names is None:
        names, origin = _names_in_card(column_name, location), "card"
    if names is None:
        return LabelNames(labels, "none" if labels is None else "recipe")
    names = [clean_line(name) for name in names]
    if labels is not None and set(names) != set(labels):
        owner = f"{path.name} itself" if origin == "file" else "the data set's card"
        theirs, ours = ", ".join(names), ", ".join(labels)
        raise UserError(f"{path}: {owner} names the labels {theirs}, the recipe {ours}; correct or remove `labels`")
    return LabelNames(names, origin)


def _holds_numbers(path: Path, column_name: str, labels: list[str] | None) -> bool:
    """Whether the first label or tag of the file is a number, and not the name of a label."""
    values = (row.get(column_name) for row in read_rows(path))
    label = next((value for value in values if value != []), None)
    while isinstance(label, list) and label:
        label = label[0]
    name = label_name(label)
    return name.isdecimal() and name not in (labels or ())


def _names_in_card(column: str, address: str) -> list[str] | None:
    if not address.startswith("hf://"):
        return None
    try:
        files = find_hub_files(address)
    except UserError:
        return None
    return _names_in_configuration(files.card, column, files.paths[0])


def _names_in_configuration(card: Card, column: str, path: str) -> list[str] | None:
    """The names in the configuration that is part of the path, or those that all configurations agree on."""
    by_configuration = {config: columns[column] for config, columns in card.class_names.items() if column in columns}
    parts = {part.split(".")[0] for part in path.split("/")}
    for config, names in by_configuration.items():
        if config in parts:
            return names
    distinct = {tuple(names) for names in by_configuration.values()}
    return list(distinct.pop()) if len(distinct) == 1 else None
