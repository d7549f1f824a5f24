"""The loss curve of a training run as a picture."""

import json
from pathlib import Path


def plot_loss(metrics: Path, picture: Path) -> None:
    """Plot the training and validation loss of a `metrics.jsonl` over the steps into a PNG."""
    from matplotlib.figure import Figure

    entries = [json.loads(line) for line in metrics.read_text(encoding="utf-8").split("\n") if line]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for key, label, style in (("loss", "training", "-"), ("validation_loss", "validation", "o-")):
        points = [(entry["step"], entry[key]) for entry in entries if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    axes.set(xlabel="step", ylabel="loss (nats per masked token)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
