"""Figures of the adapters' training: loss against step, from the `metrics.jsonl` beside each adapter."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...training.plot_loss import read_losses
from ...workspace.formatting import format_number
from .figures import COLOURS, WIDTH, Panel, add_title, text_colour
from .runs import LOSS_FILE

MAX_POINTS = 200  # of a curve; more cannot be seen
TRAINING: Any = {"color": COLOURS[0], "linewidth": 1.2, "label": "training"}
VALIDATION: Any = {"color": COLOURS[1], "linewidth": 1.6, "marker": "o", "markersize": 4, "label": "validation"}
ONE_OF_SEVERAL: Any = {"color": COLOURS[1], "linewidth": 1.2, "alpha": 0.6}

Points = list[tuple[int, float]]


@dataclass(frozen=True)
class LossCurve:
    """The losses of an adapter's training, as (step, loss)."""

    name: str
    training: Points
    validation: Points


def read_loss_curve(name: str, folder: Path) -> LossCurve:
    """The losses in an adapter's `metrics.jsonl`; empty if it cannot be read."""
    losses = read_losses(folder / LOSS_FILE)
    return LossCurve(name, _thin(losses.training), _thin(losses.validation))


def loss_panel(name: str, title: str, curves: Sequence[LossCurve]) -> Panel:
    """Of one adapter its training and validation loss; of several the validation loss, a line each."""
    if len(curves) > 1:
        lines = [(f"{curve.name} validation", curve.validation, ONE_OF_SEVERAL) for curve in curves]
    else:
        (curve,) = curves
        lines = [("training", curve.training, TRAINING), ("validation", curve.validation, VALIDATION)]
    lines = [line for line in lines if line[1]]

    def draw() -> Figure:
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.subplots()
        for _, points, look in lines:
            axes.plot([step for step, _ in points], [loss for _, loss in points], **look)
        if len(curves) == 1:
            axes.legend(frameon=False, labelcolor=text_colour(), fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: format_number(step)))
        axes.set_xlabel("step")
        axes.set_ylabel("validation loss" if len(curves) > 1 else "loss")
        add_title(figure, title)
        return figure

    descriptions = [f"{line} loss {_at(points[0])}, {_at(points[-1])}" for line, points, _ in lines]
    return Panel(name, f"{title}: {'; '.join(descriptions)}", draw)


def _at(point: tuple[int, float]) -> str:
    step, loss = point
    return f"{format_number(loss, 2)} at step {step}"


def _thin(points: Points) -> Points:
    """At most MAX_POINTS of the points, evenly spaced, the last one among them."""
    step = math.ceil(len(points) / MAX_POINTS) or 1
    return points[::-1][::step][::-1]
