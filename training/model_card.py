"""Model cards: what an adapter is, what it was made from, and how to load it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from peft import PeftConfig

from ..recipes.hub_language import hub_language
from ..recipes.languages import find_language
from ..recipes.licences import recorded_sources, source_terms
from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact
from .adapters.bottleneck import BottleneckConfig

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")

# Cards are copied with their folder, so they call it "." and never by its path.
PEFT_CODE = """\
from peft import PeftModel
from transformers import AutoModelForMaskedLM
{registration}base = AutoModelForMaskedLM.from_pretrained({base}
model = PeftModel.from_pretrained(base, ".")  # this folder, or the adapter's hub id"""
REGISTRATION = "import lrl_adapt.training.adapters  # registers the adapter's type with PEFT\n"
FULL_CODE = """\
from transformers import AutoModelForMaskedLM
model = AutoModelForMaskedLM.from_pretrained(".")  # this folder, or the model's hub id"""
PEFTS = ("lora", "ia3")  # types that PEFT has itself
CONTROLS = {
    "untrained": "untrained, the adapter with its random initial weights; not meant for use",
    "head": "head, the LM head trained without an adapter, to show what the adapter adds",
    "text-fusion": "text-fusion, two adapters on the same text, to show what fusing text and graph adds",
}
NEW_PIECES_CODE = """\
import lrl_adapt
model, tokenizer = lrl_adapt.load_adapter("."{base})  # this folder; with the tokenizer of its text"""
QUANTISED_CODE = """\
from pathlib import Path
from transformers import AutoModelForMaskedLM
from lrl_adapt.training.adapters import load_adapter
base = AutoModelForMaskedLM.from_pretrained({base}
model = load_adapter(base, Path("."))  # this folder"""


@dataclass(frozen=True)
class CardBase:
    """The base of an adapter, as a card names it: by its hub id or its folder's name, never by a path."""

    name: str | None
    """Hub id or folder; None if unknown."""
    revision: str | None = None
    """Branch, tag or commit on the hub; None or "main" if not pinned."""

    @property
    def hub_id(self) -> str | None:
        """The id on the hub; None for a folder or an unknown base."""
        if self.name is None or Path(self.name).is_dir() or not HUB_ID.fullmatch(self.name):
            return None
        return self.name

    def __str__(self) -> str:
        if self.name is None:
            return "unknown"
        if self.hub_id is None:
            return f"{Path(self.name).name} (a local folder)"
        return f"{self.hub_id}, revision {self.revision}" if self._is_pinned else self.hub_id

    @property
    def argument(self) -> str:
        """The rest of the line `from_pretrained(`, with a comment if the reader has to fill something in."""
        if self.hub_id is not None:
            return f'"{self.hub_id}", revision="{self.revision}")' if self._is_pinned else f'"{self.hub_id}")'
        if self.name is None:
            return '"BASE")  # fill in: the hub id or folder of the base, which is unknown'
        folder = Path(self.name).name
        return f'"path/to/{folder}")  # fill in: the path of the base {folder}'

    def metadata(self, relation: str) -> dict[str, str]:
        """The hub's metadata on the base; empty for a base that is not on the hub, which the hub would refuse."""
        return {} if self.hub_id is None else {"base_model": self.hub_id, "base_model_relation": relation}

    @property
    def _is_pinned(self) -> bool:
        return self.revision not in (None, "main")


def trained_card(recipe: Recipe, facts: dict[str, Any], artifact: Artifact, base: str) -> str:
    """The card of a trained adapter: base, type, language, data with hashes and licences, loss, how to load it.

    `base` is the hub id or folder that the base was loaded from.
    """
    language = find_language(recipe.language)
    card_base = CardBase(base, recipe.base.revision)
    kind = recipe.adapter.type
    base_line = "a BERT with random weights, created by the recipe" if recipe.base.model is None else str(card_base)
    if card_base.hub_id and facts.get("base_commit"):
        base_line += f", commit {facts['base_commit']}"
    settings = ", ".join(f"{key} {value}" for key, value in recipe.adapter.settings().items() if key != "type")
    if recipe.control == "head":
        kind, settings = "head", "no adapter: the LM head's dense layer and LayerNorm"
    lines = [
        f"- base: {base_line}",
        *([f"- LM head: {facts['lm_head']} (the base has none)"] if "lm_head" in facts else []),
        f"- type: {kind}" + (f" ({settings})" if settings else ""),
        *([f"- control: {CONTROLS[recipe.control]}"] if isinstance(recipe.control, str) else []),
        f"- language: {language.name} ({language.code})",
        *([f"- text: romanised by {facts['romanised_by']} before it is tokenised"] if recipe.transliterates else []),
        f"- trainable parameters: {facts['trainable_parameters']:,}",
        f"- trained on: {recipe.source}, {facts['training_tokens']:,} tokens, {facts['steps']} steps, "
        f"recipe {recipe.name or 'unnamed'}",
        *(line for parent in artifact.parents for line in data_lines(parent)),
        f"- validation loss: {facts['validation_loss']:.4f} nats per masked token, at step {facts['best_step']}",
        *(
            [f"- training loss: over {facts['softmax_pieces']:,} pieces, those of the training text"]
            if "softmax_pieces" in facts
            else []
        ),
        *_drift_lines(facts),
        "- scores: `lrl-adapt eval` and `lrl-adapt report` with the same recipe",
        "- versions, settings and hashes: manifest.json; loss curve: metrics.jsonl",
    ]
    language_name = f"{language.name} ({language.code})"
    metadata = {"language": hub_language(language.code)}
    if kind == "full":
        metadata = {"library_name": "transformers", **card_base.metadata("finetune"), **metadata}
        return card(f"Model fine-tuned on {language_name}", metadata, lines, FULL_CODE)
    metadata = {"library_name": "peft", **card_base.metadata("adapter"), **metadata}
    return card(
        f"{kind} adapter for {language_name}"
        if recipe.control is None
        else f"Control {recipe.control} for {language_name}",
        metadata,
        lines,
        _new_pieces_code(card_base)
        if facts.get("new_pieces") or "trained_base_pieces" in facts or recipe.transliterates
        else _peft_code(card_base, own_type=kind not in PEFTS),
    )


def convert_card(
    title: str,
    lines: list[str],
    base: CardBase,
    config: PeftConfig,
    *,
    quantised: bool = False,
    new_pieces: bool = False,
) -> str:
    """The card of an adapter that was imported, exported or quantised, or brings new pieces to the vocabulary."""
    metadata = {"library_name": "peft", **base.metadata("adapter")}
    own_type = isinstance(config, BottleneckConfig)
    code = QUANTISED_CODE.format(base=base.argument) if quantised else _peft_code(base, own_type=own_type)
    return card(title, metadata, [f"- base: {base}", *lines], _new_pieces_code(base) if new_pieces else code)


def merged_card(title: str, lines: list[str], base: CardBase, config: PeftConfig | None, languages: list[str]) -> str:
    """The card of merged adapters for `languages` (`swh_Latn`), or of merged models where there is no `config`."""
    codes = list(dict.fromkeys(map(hub_language, languages)))
    of_languages = {"language": codes} if codes else {}
    lines = [f"- base: {base}", *lines]
    if config is None:
        return card(
            title, {"library_name": "transformers", **base.metadata("finetune"), **of_languages}, lines, FULL_CODE
        )
    metadata = {"library_name": "peft", **base.metadata("adapter"), **of_languages}
    return card(title, metadata, lines, _peft_code(base, own_type=isinstance(config, BottleneckConfig)))


def card(title: str, metadata: dict[str, Any], lines: list[str], code: str) -> str:
    """A card in the hub's format: metadata as YAML, facts, and Python code that loads the folder's content."""
    front = yaml.safe_dump({**metadata, "tags": ["lrl-adapt"]}, sort_keys=False, allow_unicode=True)
    return "\n".join(["---", f"{front}---", "", f"# {title}", "", *lines, "", "```python", code, "```", ""])


def _peft_code(base: CardBase, *, own_type: bool) -> str:
    """Code that loads an adapter with PEFT; `own_type`: of a type that this package registers."""
    return PEFT_CODE.format(registration=REGISTRATION if own_type else "", base=base.argument)


def _new_pieces_code(base: CardBase) -> str:
    """Code that loads an adapter with pieces of its own, which PEFT alone would leave out."""
    return NEW_PIECES_CODE.format(base="" if base.hub_id else ', base="path/to/the/base"')


def _drift_lines(facts: dict[str, Any]) -> list[str]:
    """The line on the drift; none for an adapter that was trained before drift was measured."""
    if "drift" not in facts:
        return []
    return [
        f"- drift: {facts['drift']:.4f}, the mean of 1 - cosine between a sentence's mean hidden state and the base's; "
        f"two different sentences of the base are {facts['base_sentence_distance']:.4f} apart"
    ]


def data_lines(parent: Artifact) -> list[str]:
    """Lines on one of the artifacts an adapter was trained on: its hash, and for data the source and licences."""
    if not parent.exists:
        return []
    facts = parent.manifest()["facts"]
    line = f"- {parent.kind} {parent.folder.name}, sha256 {parent.key}"
    if parent.kind == "graph":
        return [line, f"  - licences: {', '.join(facts['licenses']) or 'not stated'}"]
    if parent.kind == "corpus":
        return [line, *(_source_line(record) for record in recorded_sources(facts) if record.get("files"))]
    return [line]


def _source_line(record: Mapping[str, Any]) -> str:
    """A line on one of the sources of a corpus: the hub id or the names of the files, how much text, and its terms."""
    origin = record.get("repository") or ", ".join(record["files"])
    amount = f", {record['lines']:,} lines" if "lines" in record else ""
    licence = source_terms(record) if "repository" in record else "those of the files"
    return f"  - source: {origin}{amount}; licences: {licence}"
