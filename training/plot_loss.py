"""The loss of a run as a picture."""

import json
from pathlib import Path


def draw_curve(metrics: Path, picture: Path) -> None:
    """Draw training and validation loss over the steps of a `metrics.jsonl` into a PNG."""
    from matplotlib.figure import Figure

    entries = [json.loads(line) for line in metrics.read_text(encoding="utf-8").split("\n") if line]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for key, label, style in (("loss", "training", "-"), ("validation_loss", "validation", "o-")):
        points = [(entry["step"], entry[key]) for entry in entries if key in entry]
        axes.plot(*zip(*points, strict=True), style, label=label) if points else None
    axes.set(xlabel="step", ylabel="loss, nats per masked token")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
