"""The report's pictures, drawn by matplotlib and returned as SVG text that can stand inside a page.

Every panel is an `<svg>` of its own, so that panels wrap on a narrow screen instead of shrinking. Text and axes take
the page's text colour, which is how one picture reads on light and dark ground.
"""

import html
import io
import json
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .scores import BASE, LOWER_IS_BETTER, METRIC_NAMES, MISSING, TASK_NAMES, Row, in_order, show_value

# Okabe and Ito's colours, told apart by colour-blind readers; those that are faint on white come last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
METRICS = "metrics.jsonl"
INK = "#7a7a7b"  # stands for the page's text colour until the SVG is written
WIDTH = 3.1  # inches; three stand beside each other on a wide screen, one on a phone
STYLE: Any = {  # matplotlib's key type is a closed list of names, which checkers do not infer here
    "svg.fonttype": "none",  # real text: it can be selected, and is drawn in the page's own font
    "svg.hashsalt": "lrl-adapt",  # the same picture gives the same text
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(["axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"], INK),
}


@dataclass(frozen=True)
class Curve:
    """The losses of an adapter's training, as (step, loss)."""

    name: str
    training: list[tuple[int, float]]
    validation: list[tuple[int, float]]


def read_curve(name: str, folder: Path) -> Curve:
    """The losses in an adapter's `metrics.jsonl`; lines that are no JSON objects (a killed run's last) are skipped."""
    curve = Curve(name, [], [])
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return curve
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or "step" not in entry:
            continue
        for key, points in (("loss", curve.training), ("validation_loss", curve.validation)):
            if entry.get(key) is not None:
                points.append((entry["step"], entry[key]))
    return curve


def scores_figure(rows: Sequence[Row]) -> str:
    """A panel per task: a dot with its 95 % interval per system, a dashed line at the base."""
    systems = in_order(system for row in rows for system in row.systems)
    return "\n".join(_scores_panel(row, systems) for row in rows)


def curves_figure(curves: Sequence[Curve]) -> str:
    """A panel per adapter: training and validation loss over steps."""
    return "\n".join(_curve_panel(curve) for curve in curves)


def _scores_panel(row: Row, systems: Sequence[str]) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.95 + 0.28 * len(systems)), layout="constrained")
        axes = figure.subplots()
        for place, system in enumerate(systems):
            _dot(axes, row, system, place)
        axes.set_yticks(range(len(systems)), systems, parse_math=False)
        axes.set_ylim(len(systems) - 0.5, -0.5)  # the base on top
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, row.metric)))
        axes.margins(x=0.08)
        better = "lower" if row.metric in LOWER_IS_BETTER else "higher"
        metric = METRIC_NAMES.get(row.metric, row.metric)
        axes.set_xlabel(f"{metric} ({better} is better)", parse_math=False)
        task = TASK_NAMES.get(row.task, row.task)
        _title(figure, task)
        if row.note:
            axes.set_title(row.note if len(row.note) < 45 else f"{row.note[:44]}…", fontsize=8, parse_math=False)
        values = ", ".join(f"{name} {_value(row, name)}" for name in systems)
        return _svg(figure, f"{task}{row.note and f' [{row.note}]'}, {metric}: {values}")


def _dot(axes: Axes, row: Row, system: str, place: int) -> None:
    cell = row.systems.get(system)
    if cell is None or not math.isfinite(cell.mean):
        axes.text(0.03, place, "no score", transform=axes.get_yaxis_transform(), va="center", alpha=0.7)
        return
    colour = INK if system == BASE else COLOURS[(place - 1) % len(COLOURS)]
    if system == BASE:
        axes.axvline(cell.mean, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    if cell.interval:
        axes.plot(cell.interval, [place, place], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot([cell.mean], [place], color=colour, marker="o", markersize=7, linestyle="none")


def _tick(value: float, metric: str) -> str:
    return f"{value:,g}" if metric in LOWER_IS_BETTER else f"{value * 100:g}"


def _value(row: Row, system: str) -> str:
    cell = row.systems.get(system)
    return MISSING if cell is None else show_value(cell.mean, row.metric)


def _curve_panel(curve: Curve) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.subplots()
        training = {"color": COLOURS[0], "linewidth": 1.2, "label": "training"}
        validation = {"color": COLOURS[1], "linewidth": 1.6, "marker": "o", "markersize": 4, "label": "validation"}
        for points, look in ((curve.training, training), (curve.validation, validation)):
            if points:
                axes.plot([step for step, _ in points], [loss for _, loss in points], **look)
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        _title(figure, curve.name)
        ends = [
            f"{name} loss {points[0][1]:.2f} at step {points[0][0]}, {points[-1][1]:.2f} at step {points[-1][0]}"
            for name, points in (("training", curve.training), ("validation", curve.validation))
            if points
        ]
        return _svg(figure, f"{curve.name}: {'; '.join(ends)}")


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.02, ha="left", fontsize=10.5, fontweight="bold", parse_math=False)


def _svg(figure: Figure, label: str) -> str:
    """The figure as an `<svg>` element with a label, whose ids are its own among other pictures on the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    own = f"f{zlib.crc32((label + text).encode()):08x}-"
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<style.*?</style>", "", text, flags=re.DOTALL)  # would style the whole page
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}", text)
    opening, _, rest = text.partition(">")
    name = html.escape(label)
    return f'{opening} role="img" aria-label="{name}">\n <title>{name}</title>{rest}'
