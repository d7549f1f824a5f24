"""What the language adapters of a report cost: parameters, steps, tokens and training time.

The section "costs" of report.html shows the table; csv_files.py writes it to costs.csv.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .runs import Run, language_name, manifest_of, short_path


@dataclass(frozen=True)
class Cost:
    """What one language adapter costs; None where its manifest does not say. A column of costs.csv for each field."""

    language: str
    base: str
    system: str
    name: str
    parameters: int | None
    """Trainable parameters."""
    share: float | None
    """The same as a share of all parameters of base and adapter."""
    steps: int | None
    tokens: int | None
    seconds: float | None
    devices: str | None
    loss: float | None
    """On the validation split, in nats per masked token."""
    energy_joules: float | None
    """Of the last session of training; what it covers depends on `energy_source`."""
    energy_source: str | None
    """nvml: the GPUs that were trained on; rapl: the processor packages, with all else that ran on them."""


def costs(runs: Iterable[Run]) -> list[Cost]:
    """The cost of each language adapter that still exists, by base, language and system."""
    by_folder: dict[Path, Cost] = {}
    for run in runs:
        for folder in run.adapters:
            manifest = manifest_of(folder)
            if folder not in by_folder and manifest:
                by_folder[folder] = _cost(run, folder, manifest)
    return sorted(by_folder.values(), key=lambda cost: (cost.base, language_name(cost.language), cost.system))


def _cost(run: Run, folder: Path, manifest: Mapping[str, Any]) -> Cost:
    facts = manifest.get("facts", {})
    trainable, total = facts.get("trainable_parameters"), facts.get("parameters")
    return Cost(
        language=run.about.language,
        base=run.about.base,
        system=run.system,
        name=short_path(folder, run.workspace),
        parameters=trainable,
        share=trainable / total if trainable and total else None,
        steps=facts.get("steps"),
        tokens=facts.get("tokens_seen"),
        seconds=_own_seconds(manifest),
        devices=facts.get("devices"),
        loss=facts.get("validation_loss"),
        energy_joules=manifest.get("energy_joules"),
        energy_source=manifest.get("energy_source"),
    )


def _own_seconds(manifest: Mapping[str, Any]) -> float | None:
    """The time that training took; of adapters that were trained together an equal share of it."""
    seconds = manifest.get("wall_seconds")
    return seconds / (manifest.get("trained_together") or 1) if seconds is not None else None
