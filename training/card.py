"""Model cards: what an adapter is, what it was made from, and how to load it."""

from pathlib import Path
from typing import Any

from ..recipes.artifacts import Artifact
from ..recipes.languages import find_language
from ..recipes.schema import Recipe

PEFT_LINES = """\
from peft import PeftModel
from transformers import AutoModelForMaskedLM
import lrl_adapt.training.adapters  # makes the adapter's type known to PEFT
base = AutoModelForMaskedLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "{folder}")"""
WHOLE_LINES = """\
from transformers import AutoModelForMaskedLM
model = AutoModelForMaskedLM.from_pretrained("{folder}")"""
QUANTISED_LINES = """\
from pathlib import Path
from transformers import AutoModelForMaskedLM
from lrl_adapt.training.adapters import load_adapter
base = AutoModelForMaskedLM.from_pretrained("{base}")
model = load_adapter(base, Path("{folder}"))"""


def trained_card(recipe: Recipe, facts: dict[str, Any], artifact: Artifact, base: str) -> str:
    """The card of an adapter trained here: base, type, language, data with hashes and licences, loss, how to load."""
    language = find_language(recipe.language)
    name = recipe.base.model or "a BERT with random weights, made by the recipe"
    if recipe.base.model and facts.get("base_commit"):
        name += f", commit {facts['base_commit']}"
    sizes = ", ".join(f"{key} {value}" for key, value in recipe.adapter.settings().items() if key != "type")
    data = [line for parent in artifact.parents for line in _data_lines(parent)]
    lines = [
        f"- base: {name}",
        f"- type: {recipe.adapter.type}" + (f" ({sizes})" if sizes else ""),
        f"- language: {language.name} ({language.code})",
        f"- trainable parameters: {facts['trainable_parameters']:,}",
        f"- trained on: {recipe.source}, {facts['training_tokens']:,} tokens, {facts['steps']} steps, "
        f"recipe {recipe.name or 'unnamed'}",
        *data,
        f"- validation loss: {facts['validation_loss']:.4f} nats per masked token, at step {facts['best_step']}",
        "- scores: `lrl-adapt eval` and `lrl-adapt report` with the same recipe",
        "- versions, settings and hashes: manifest.json; loss curve: metrics.jsonl",
    ]
    lines_of = WHOLE_LINES if recipe.adapter.type == "full" else PEFT_LINES
    title = f"{recipe.adapter.type} adapter for {language.name} ({language.code})"
    return card(title, lines, lines_of.format(base=base, folder=artifact.folder), base, language.code[:3])


def card(title: str, lines: list[str], code: str, base: str, language: str | None = None) -> str:
    """A card in the hub's form: metadata on top, facts, and the Python lines that load the adapter."""
    metadata = ["library_name: peft", f"base_model: {base}", *([f"language: {language}"] if language else [])]
    return "\n".join(
        ["---", *metadata, "tags: [lrl-adapt]", "---", "", f"# {title}", "", *lines, "", "```python", code, "```", ""]
    )


def convert_card(title: str, lines: list[str], base: str, folder: Path, *, quantised: bool = False) -> str:
    """The card of an adapter that was imported, exported or quantised."""
    code = (QUANTISED_LINES if quantised else PEFT_LINES).format(base=base, folder=folder)
    return card(title, lines, code, base)


def _data_lines(parent: Artifact) -> list[str]:
    """One line for each thing an adapter was made from, with its hash, and its licences where there is data."""
    if not parent.exists:
        return []
    facts = parent.manifest()["facts"]
    line = f"- {parent.kind} {parent.folder.name}, sha256 {parent.key}"
    if parent.kind == "graph":
        return [line, f"  - licences: {', '.join(facts['licenses']) or 'none told'}"]
    if parent.kind == "corpus":
        source = facts["source"]
        where = source.get("glotcc") or ", ".join(source.get("files", ()))
        licence = "Common Crawl's terms of use" if "glotcc" in source else "those of the files"
        return [line, f"  - source: {where}; licences: {licence}"]
    return [line]
