"""Weighted averages of language adapters, written as an adapter of their own."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ..recipes.languages import find_language
from ..training.adapters.average import normalised
from ..training.adapters.files import CONFIG, WEIGHTS
from ..training.base import load_tokenizer
from ..training.conversion_checks import check_merge
from ..training.model_card import CardBase, data_lines, merged_card
from ..training.weights import load_weights
from ..workspace.artifacts import MANIFEST, Artifact, write_json
from ..workspace.library_logs import quiet_libraries
from ..workspace.new_folder import new_folder
from .merge_parents import Parents

LORA_NOTE = (
    "LoRA's matrices A and B are averaged each, so that the merged B A is not the average of the adapters' products; a "
    "negative weight acts on both factors, and the two signs cancel"
)


@dataclass(frozen=True)
class MergedAdapter:
    """The weighted average of adapters, as `merge` wrote it."""

    folder: Path
    weights: list[float]
    """What the adapters were multiplied by: the weights given, by default divided by their sum."""
    parameters: int
    """Numbers in the merged adapter."""
    notes: list[str] = field(default_factory=list)
    """What to know about the result, a sentence each."""


@quiet_libraries()
def merge(
    adapters: Sequence[str | Path],
    out: str | Path,
    *,
    weights: Sequence[float] | None = None,
    normalize: bool = True,
    base: str | Path | None = None,
) -> MergedAdapter:
    """Write the weighted average of language adapters of one type, shape and base.

    Every weight of the adapters is averaged: bottlenecks with their invertible coupling, (IA)³, whole models (`full`),
    and the LM heads. Of LoRA the matrices A and B are averaged each, as in AdapterHub's `average_adapter` with its
    default `combine_strategy="linear"`; the product of the averages is not the average of the products.

    Without `normalize`, weights that do not sum to 1 are task arithmetic (Ilharco et al. 2023): what is averaged is
    then the change that an adapter makes. (IA)³ counts from 1, LM heads and whole models count from the base's weights.

    Example:
        ```python
        lrl_adapt.merge(["javanese", "sundanese"], "java", weights=[0.7, 0.3])
        lrl_adapt.merge(["swahili", "formal", "informal"], "formal-swahili", weights=[1, 0.5, -0.5])
        ```

    Args:
        adapters: Folders of two or more language adapters that were trained, imported, or exported in PEFT's format.
        out: New folder to write.
        weights: One weight for each adapter, which may be negative; by default all are equal.
        normalize: Divide the weights by their sum.
        base: Hub id or folder of the base, where the adapters name it differently or not at all.

    Returns:
        The folder, the weights as they were used, and notes.

    Raises:
        UserError: The adapters have another type, shape or base, there are not as many weights as adapters, the
            weights sum to 0 and `normalize` is set, or `out` exists.
    """
    folders = [Path(folder) for folder in adapters]
    check_merge(folders, weights, Path(out))
    factors = list(weights) if weights is not None else [1 / len(folders)] * len(folders)
    if normalize:
        factors = normalised(factors)
    parents = Parents.read(folders, None if base is None else str(base))
    return write_merged(parents, factors, Path(out))


def write_merged(
    parents: Parents, factors: Sequence[float], out: Path, facts: dict[str, Any] | None = None
) -> MergedAdapter:
    """Write the sum of adapters with these factors into the new folder `out`, and `facts` into its manifest."""
    started = time.monotonic()
    averaged = parents.average(factors)
    parameters = sum(weight.numel() for weight in averaged.values())
    facts = {"parameters": parameters, **(facts or {})}
    with new_folder(out) as folder:
        _write_weights(parents, averaged, folder)
        artifact = _artifact(parents, factors, out)
        write_json(folder / MANIFEST, artifact.make_manifest(facts, time.monotonic() - started))
        (folder / "README.md").write_text(_card(parents, artifact, facts), encoding="utf-8")
    subtracts_lora = parents.type == "lora" and min(factors) < 0
    return MergedAdapter(out, list(factors), parameters, [LORA_NOTE] if subtracts_lora else [])


def _write_weights(parents: Parents, averaged: dict[str, Tensor], folder: Path) -> None:
    """The files of the first adapter, with the averaged weights."""
    first = parents.adapters[0]
    if first.config is None:
        model = load_weights(str(first.folder), None, "adapter")
        model.load_state_dict(averaged)
        model.save_pretrained(str(folder))
        load_tokenizer(str(first.folder), None, "adapter").save_pretrained(str(folder))
        return
    config = json.loads((first.folder / CONFIG).read_text(encoding="utf-8"))
    if parents.base is not None:  # in a workspace that was moved, the first adapter's file names its former path
        revision = None if parents.base.revision == "main" else parents.base.revision
        config |= {"base_model_name_or_path": parents.base.name, "revision": revision}
    write_json(folder / CONFIG, config)
    save_file(averaged, folder / WEIGHTS, metadata={"format": "pt"})


def _artifact(parents: Parents, factors: Sequence[float], out: Path) -> Artifact:
    """What the manifest describes; the adapters are among its inputs, by their names and hashes.

    Its parents are what they were trained on, or nothing: a part of it would be taken for all, as by `export --trim`.
    """
    languages = list(dict.fromkeys(language for adapter in parents.adapters for language in adapter.languages))
    adapters = [
        {"name": adapter.name, "weight": factor, "languages": adapter.languages, "files": adapter.hashes()}
        for adapter, factor in zip(parents.adapters, factors, strict=True)
    ]
    section = {"merged": True, "type": parents.type, "languages": languages}
    inputs = {"base": parents.recorded_base, "adapters": adapters}
    data = parents.data if all(adapter.has_all_data for adapter in parents.adapters) else ()
    return Artifact(out.parent, out.name, "adapter", section, inputs, data)


def _card(parents: Parents, artifact: Artifact, facts: dict[str, Any]) -> str:
    lines = [f"- type: {parents.type}", f"- parameters: {facts['parameters']:,}", "- merged from:"]
    for adapter in artifact.inputs["adapters"]:
        languages = "".join(f", {find_language(code).name} ({code})" for code in adapter["languages"])
        hashes = "; ".join(f"{file} sha256 {digest}" for file, digest in adapter["files"].items())
        lines.append(f"  - {adapter['weight']:g} × {adapter['name']}{languages}: {hashes}")
    lines += [line for data in parents.data for line in data_lines(data)]
    if "sweep" in facts:
        lines.append(
            f"- weights: of {len(facts['sweep'])} tried, those with the lowest validation loss, "
            f"{facts['validation_loss']:.4f} nats per masked token"
        )
    lines.append("- versions and hashes: manifest.json")
    base = CardBase(parents.base.name, parents.base.revision) if parents.base else CardBase(None)
    title = f"Weighted average of {len(parents.adapters)} adapters"
    return merged_card(title, lines, base, parents.adapters[0].config, artifact.section["languages"])
