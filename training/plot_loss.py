"""The losses of a training run, read from `metrics.jsonl` and plotted."""

import json
from pathlib import Path
from typing import NamedTuple


class Losses(NamedTuple):
    """Training and validation loss, each as (step, loss)."""

    training: list[tuple[int, float]]
    validation: list[tuple[int, float]]


def read_losses(metrics: Path) -> Losses:
    """The losses in a `metrics.jsonl`; none if it cannot be read.

    Lines that are not JSON objects, such as the last one of a killed run, and losses that are null (NaN) are skipped.
    """
    losses = Losses([], [])
    try:
        lines = metrics.read_text(encoding="utf-8").split("\n")
    except OSError:
        return losses
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or "step" not in entry:
            continue
        if entry.get("loss") is not None:
            losses.training.append((entry["step"], entry["loss"]))
        if entry.get("validation_loss") is not None:
            losses.validation.append((entry["step"], entry["validation_loss"]))
    return losses


def plot_loss(metrics: Path, picture: Path) -> None:
    """Plot the training and validation loss in a `metrics.jsonl` over the steps into a PNG."""
    from matplotlib.figure import Figure

    losses = read_losses(metrics)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for points, label, style in ((losses.training, "training", "-"), (losses.validation, "validation", "o-")):
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    axes.set(xlabel="step", ylabel="loss (nats per masked token)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
