"""The model card of a repository with several adapters, each in a folder of its own: a table with their scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import ModelCardData

from ...eval.display import task_name
from ...recipes.hub_language import hub_language
from ...recipes.licences import RolledUp
from .card import Card, licence_fields
from .loading import loading_code
from .training_data import Source


@dataclass(frozen=True)
class Collection:
    """What the card is written from."""

    repo: str
    cards: Mapping[str, Card]
    """The card of each adapter, by its folder in the repository."""
    licence: RolledUp

    @property
    def title(self) -> str:
        """The heading of the card."""
        languages = _distinct(card.subject.in_languages for card in self.cards.values())
        return f"{len(self.cards)} adapters" + (f" for {', '.join(languages)}" if languages else "")

    @property
    def sources(self) -> Sequence[Source]:
        """The training data of all of them."""
        return [source for card in self.cards.values() for source in card.sources]

    def text(self) -> str:
        """The whole README.md."""
        folder, first = next(iter(self.cards.items()))
        lines = ["---", self.metadata().to_yaml(), "---", "", f"# {self.title}", ""]
        lines += ["| folder | adapter | base | scores |", "|---|---|---|---|"]
        lines += [_row(name, card) for name, card in self.cards.items()]
        lines += [
            "",
            "The README.md of each folder has its scores beside the base's, its training data and its limits.",
        ]
        lines += ["", "## How to use one", "", "```python", loading_code(first.subject, f"{self.repo}/{folder}"), "```"]
        return "\n".join([*lines, "", "## Licence", "", self.licence.reason, ""])

    def metadata(self) -> ModelCardData:
        """The YAML at the head of the card."""
        of_cards = [card.metadata() for card in self.cards.values()]
        bases = _distinct(card.subject.base.hub_id for card in self.cards.values())
        more: dict[str, Any] = licence_fields(self.licence) | ({"base_model": bases} if bases else {})
        codes = _distinct(code for card in self.cards.values() for code in card.subject.languages)
        return ModelCardData(
            language=_distinct(map(hub_language, codes)) or None,
            license=self.licence.licence,
            library_name="peft",
            datasets=_distinct(name for one in of_cards for name in one.datasets or []) or None,
            tags=_distinct(tag for one in of_cards for tag in one.tags or []),
            **more,
        )


def _row(folder: str, card: Card) -> str:
    by_task = [f"{entry.task_name}: {entry.metric_name} {entry.metric_value:g}" for entry in card.index]
    task = card.subject.section.get("task")
    kind = task_name(task) if task and card.subject.task_settings is not None else card.subject.type
    about = ", ".join(filter(None, [kind, card.subject.in_languages]))
    return f"| [{folder}]({folder}/README.md) | {about} | {card.subject.base} | {'; '.join(by_task) or 'none'} |"


def _distinct(values: Iterable[str | None]) -> list[str]:
    """Without repetitions and empty ones, in their order."""
    return list(dict.fromkeys(filter(None, values)))
