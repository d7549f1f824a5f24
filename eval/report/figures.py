"""The report's pictures, drawn by matplotlib: as SVG inside the page, and as SVG and PNG files.

Every panel is a picture of its own, so that panels wrap on a narrow screen instead of shrinking. In the page, text and
axes take the page's text colour, which is how one picture reads on light and dark ground.
"""

import html
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..scores import BASE, MISSING, lower_is_better, metric_name, show_value, task_name
from .comparison import UNREADABLE, Row, gain, named, show_change
from .results import CURVE

# Okabe and Ito's colours, told apart by colour-blind readers; those that are faint on white come last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
PAGE_INK = "#7a7a7b"  # stands for the page's text colour until the SVG is written
FILE_INK = "#222222"
WIDTH = 3.1  # inches; three stand beside each other on a wide screen, one on a phone
LONGEST_LABEL = 46  # characters of 9 points that fit into the width
MOST_POINTS = 200  # of a curve; more cannot be seen
STYLE: Any = {  # matplotlib's key type is a closed list of names, which checkers do not infer here
    "svg.fonttype": "none",  # real text: it can be selected, and is drawn in the page's own font
    "svg.hashsalt": "lrl-adapt",  # the same picture gives the same text
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
INKED = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")


@dataclass(frozen=True)
class Panel:
    """A picture: the stem of its files, what it shows in words, and how it is drawn in matplotlib's current style."""

    name: str
    label: str
    draw: Callable[[], Figure]

    def svg(self) -> str:
        """An `<svg>` element with a label, whose ids are its own among other pictures on the page."""
        buffer = io.StringIO()
        with mpl.rc_context(STYLE | dict.fromkeys(INKED, PAGE_INK)):
            self.draw().savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        text = buffer.getvalue()
        own = f"f{zlib.crc32((self.name + self.label + text).encode()):08x}-"
        text = text[text.index("<svg") :].replace(PAGE_INK, "currentColor")
        text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"\s*<style.*?</style>", "", text, flags=re.DOTALL)  # would style the whole page
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}", text)
        opening, _, rest = text.partition(">")
        name = html.escape(self.label)
        return f'{opening} role="img" aria-label="{name}">\n <title>{name}</title>{rest}'

    def save(self, folder: Path) -> None:
        """Write NAME.svg and NAME.png, dark on white."""
        with mpl.rc_context(STYLE | dict.fromkeys(INKED, FILE_INK)):
            figure = self.draw()
            figure.savefig(folder / f"{self.name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{self.name}.png", dpi=200)


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
        lines = (folder / CURVE).read_text(encoding="utf-8").split("\n")
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
    return Curve(name, _thinned(curve.training), _thinned(curve.validation))


def score_panel(row: Row, systems: Sequence[str]) -> Panel:
    """One language: a dot with its 95 % interval per system, a dashed line at what is compared with."""

    def draw() -> Figure:
        figure, axes = _systems_axes(systems)
        for place, system in enumerate(systems):
            _dot(axes, row, system, place)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, row.metric)))
        direction = "lower" if lower_is_better(row.metric) else "higher"
        unit = "" if lower_is_better(row.metric) else ", %"
        _label(figure, f"{metric_name(row.metric)}{unit} ({direction} is better)")
        _title(figure, task_name(row.task))
        if row.note:
            axes.set_title(row.note if len(row.note) < 45 else f"{row.note[:44]}…", fontsize=8, parse_math=False)
        return figure

    values = ", ".join(f"{system} {_value(row, system)}" for system in systems)
    note = f" [{row.note}]" if row.note else ""
    return Panel(_stem("scores", row), f"{task_name(row.task)}{note}, {metric_name(row.metric)}: {values}", draw)


def gains_panel(rows: Sequence[Row], systems: Sequence[str], distinct_metric: str = "") -> Panel:
    """Several languages: a faint dot per language at its gain over what is compared with, a line at their mean.

    `distinct_metric` goes into the files' names, for a task that has a panel for another metric too.
    """
    task, metric = rows[0].task, rows[0].metric
    gains = {system: _gains(rows, system) for system in systems if system != rows[0].against}

    def draw() -> Figure:
        figure, axes = _systems_axes(list(gains))
        axes.axvline(0, color=mpl.rcParams["text.color"], linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
        for place, found in enumerate(gains.values()):
            colour = COLOURS[place % len(COLOURS)]
            if not found:
                axes.text(0.03, place, "no score", transform=axes.get_yaxis_transform(), va="center", alpha=0.7)
                continue
            axes.plot(found, [place] * len(found), color=colour, marker="o", alpha=0.35, linestyle="none", markersize=6)
            axes.plot([fmean(found)], [place], color=colour, marker="|", markersize=15, markeredgewidth=2.5)
        _label(figure, _gain_label(metric, rows[0].against))
        _title(figure, task_name(task))
        return figure

    told = ", ".join(
        f"{system} {show_change(fmean(found), 'points')} on {len(found)} languages" if found else f"{system} no score"
        for system, found in gains.items()
    )
    label = f"{task_name(task)}, mean gain over {named(rows[0].against)}: {told}"
    stem = _stem("gains", rows[0]) + (f"-{safe(distinct_metric)}" if distinct_metric else "")
    return Panel(stem, label.replace(" points", " %") if lower_is_better(metric) else label, draw)


def curve_panel(name: str, title: str, curves: Sequence[Curve]) -> Panel:
    """Losses over the steps: training and validation of one adapter, of several the validation loss, a line each."""
    several = len(curves) > 1
    validation = {"color": COLOURS[1], "linewidth": 1.6, "marker": "o", "markersize": 4, "label": "validation"}
    looks = [("training", {"color": COLOURS[0], "linewidth": 1.2, "label": "training"}), ("validation", validation)]
    if several:
        looks = [("validation", {"color": COLOURS[1], "linewidth": 1.2, "alpha": 0.6})]

    def draw() -> Figure:
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        axes = figure.subplots()
        for curve in curves:
            for kind, look in looks:
                points = getattr(curve, kind)
                if points:
                    axes.plot([step for step, _ in points], [loss for _, loss in points], **look)
        if not several:
            axes.legend(frameon=False, labelcolor=mpl.rcParams["text.color"], fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
        axes.set_xlabel("step")
        axes.set_ylabel("validation loss" if several else "loss")
        _title(figure, title)
        return figure

    ends = [
        f"{curve.name + ' ' if several else ''}{kind} loss {points[0][1]:.2f} at step {points[0][0]}, "
        f"{points[-1][1]:.2f} at step {points[-1][0]}"
        for curve in curves
        for kind, _ in looks
        if (points := getattr(curve, kind))
    ]
    return Panel(name, f"{title}: {'; '.join(ends)}", draw)


def pretraining_panel(task: str, metric: str, points: dict[str, list[tuple[float, float]]], name: str) -> Panel:
    """Gain over the base against the gigabytes of a language that the base was trained on; a dot per language.

    Languages that the base has not seen (0) stand on the left.
    """
    seen = [size for some in points.values() for size, _ in some if size > 0] or [1.0]
    zero = min(seen) / 4

    def draw() -> Figure:
        figure = Figure(figsize=(WIDTH, 2.4 + 0.1 * len(points)), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color=mpl.rcParams["text.color"], linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
        for place, (system, some) in enumerate(points.items()):
            sizes = [size or zero for size, _ in some]
            look: Any = {"marker": "os^Dv<>"[place % 7], "linestyle": "none", "markersize": 4.5, "alpha": 0.75}
            axes.plot(sizes, [gained for _, gained in some], color=COLOURS[place % len(COLOURS)], label=system, **look)
        axes.set_xscale("log")
        ticks = {10.0**power: f"{10.0**power:g}" for power in range(-3, 5) if zero * 2 < 10.0**power < max(seen) * 2}
        if any(size == 0 for some in points.values() for size, _ in some):
            ticks[zero] = "unseen"
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.minorticks_off()
        look = {"frameon": False, "labelcolor": mpl.rcParams["text.color"], "fontsize": 7.5, "handletextpad": 0}
        axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1), ncols=2, columnspacing=1, borderpad=0, **look)
        axes.set_ylabel("gain, %" if lower_is_better(metric) else "gain, points")
        _label(figure, "pre-training data, GB")
        _title(figure, task_name(task))
        return figure

    return Panel(name, f"{task_name(task)}: gain over the base against the size of its pre-training data", draw)


def _systems_axes(systems: Sequence[str]) -> tuple[Figure, Axes]:
    """An empty panel with a line for each system, the first on top."""
    figure = Figure(figsize=(WIDTH, 0.95 + 0.28 * len(systems)), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(systems)), [_shortened(system) for system in systems], parse_math=False)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.08)
    return figure, axes


def _dot(axes: Axes, row: Row, system: str, place: int) -> None:
    cell = row.systems.get(system)
    if cell is None or not math.isfinite(cell.mean):
        axes.text(0.03, place, "no score", transform=axes.get_yaxis_transform(), va="center", alpha=0.7)
        return
    ink = mpl.rcParams["text.color"]
    colour = ink if system == BASE else COLOURS[(place - 1) % len(COLOURS)]
    if system == row.against:
        axes.axvline(cell.mean, color=ink, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.6)
    if cell.interval:
        axes.plot(cell.interval, [place, place], color=colour, linewidth=2, solid_capstyle="round")
    face = "none" if cell.verdict == UNREADABLE else colour
    axes.plot([cell.mean], [place], color=colour, marker="o", markersize=7, linestyle="none", markerfacecolor=face)


def _gains(rows: Iterable[Row], system: str) -> list[float]:
    found = [gain(row, system) for row in rows if system in row.systems]
    return [value for value in found if value is not None and math.isfinite(value)]


def _gain_label(metric: str, against: str) -> str:
    lower = lower_is_better(metric)
    whose = _shortened(f"{named(against)}'s", LONGEST_LABEL - len(metric_name(metric)) - len(" above , points"))
    return f"{metric_name(metric)} {'below' if lower else 'above'} {whose}, {'%' if lower else 'points'}"


def _tick(value: float, metric: str) -> str:
    return f"{value:,g}" if lower_is_better(metric) else f"{value * 100:g}"


def _value(row: Row, system: str) -> str:
    cell = row.systems.get(system)
    return MISSING if cell is None else show_value(cell.mean, row.metric)


def _label(figure: Figure, text: str) -> None:
    """The x label, over the figure's whole width and not the axes' alone, which long names of systems leave little."""
    figure.supxlabel(text[:LONGEST_LABEL], x=0.98, ha="right", fontsize=9, parse_math=False)


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(_shortened(text, 40), x=0.02, ha="left", fontsize=10.5, fontweight="bold", parse_math=False)


def _shortened(text: str, most: int = 26) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _stem(kind: str, row: Row) -> str:
    """The name of a panel's files; the note's checksum tells rows of one task apart."""
    note = f"-{zlib.crc32(row.note.encode()):08x}" if row.note else ""
    return f"{kind}-{safe(row.base)}-{safe(row.task)}{note}"


def safe(text: str) -> str:
    """Text as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "-", text)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most MOST_POINTS of the points, the last among them."""
    step = math.ceil(len(points) / MOST_POINTS) or 1
    return points[::-1][::step][::-1]
