"""The report's figures, drawn by matplotlib: as SVG inside the page, and as SVG and PNG files.

Every panel is a figure of its own, so that panels wrap on a narrow screen instead of shrinking. In the page, text and
axes take the page's text colour, so one figure can be read on a light and on a dark background.
"""

import html
import io
import math
import re
import textwrap
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

from ...workspace.formatting import MISSING, format_count, format_signed
from ..display import format_value, metric_name, metric_unit, task_name, task_title
from ..metrics import is_secondary, lower_is_better
from ..scores import BASE
from .comparison import gain
from .task_results import TaskResult, baseline_name
from .verdicts import Verdict

# Colours of the systems in their order, in loss curves too; the base has the colour of the text. Okabe and Ito's
# palette, which colour-blind readers can tell apart. Those that are faint on white come last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
PAGE_TEXT_COLOUR = "#7a7a7b"  # a colour used nowhere else, which becomes currentColor in the page's SVG
FILE_TEXT_COLOUR = "#222222"
WIDTH = 3.1  # inches; three panels fit side by side on a wide screen, one on a phone
MAX_LABEL = 46  # characters at 9 points that fit into the width
LABEL_LINE = 0.15  # inches that each further line of a label adds to the height
MAX_TITLE = 40
MAX_SYSTEM = 26
STYLE: Any = {  # matplotlib's key type is a closed list of names, which type checkers do not infer here
    "svg.fonttype": "none",  # real text: it can be selected, and is drawn in the page's own font
    "svg.hashsalt": "lrl-adapt",  # the same figure gives the same SVG
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
TEXT_COLOURED = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")
REFERENCE_LINE: Any = {"linewidth": 0.8, "linestyle": (0, (3, 3)), "alpha": 0.6}


@dataclass(frozen=True)
class Panel:
    """A figure: the stem of its files, what it shows in words, and a function that draws it in matplotlib's style."""

    name: str
    label: str
    draw: Callable[[], Figure]

    def svg(self) -> str:
        """An `<svg>` element with a label, whose ids are unique on the page."""
        buffer = io.StringIO()
        with mpl.rc_context(STYLE | dict.fromkeys(TEXT_COLOURED, PAGE_TEXT_COLOUR)):
            self.draw().savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        svg = buffer.getvalue()
        id_prefix = f"f{zlib.crc32((self.name + self.label + svg).encode()):08x}-"
        svg = svg[svg.index("<svg") :].replace(PAGE_TEXT_COLOUR, "currentColor")
        svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
        svg = re.sub(r"\s*<style.*?</style>", "", svg, flags=re.DOTALL)  # it would apply to the whole page
        svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{id_prefix}", svg)
        opening, _, rest = svg.partition(">")
        label = html.escape(self.label)
        return f'{opening} role="img" aria-label="{label}">\n <title>{label}</title>{rest}'

    def save(self, folder: Path) -> None:
        """Write NAME.svg and NAME.png, dark on white."""
        with mpl.rc_context(STYLE | dict.fromkeys(TEXT_COLOURED, FILE_TEXT_COLOUR)):
            figure = self.draw()
            figure.savefig(folder / f"{self.name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{self.name}.png", dpi=200)


def score_panel(result: TaskResult, systems: Sequence[str]) -> Panel:
    """One language: a dot with its 95% interval for each system, a dashed line at the baseline's value."""

    def draw() -> Figure:
        figure, axes = _systems_axes(systems)
        for position, name in enumerate(systems):
            _draw_score(axes, result, name, position)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, result.metric)))
        lower = lower_is_better(result.metric)
        unit, direction = ("", "lower") if lower else (f", {metric_unit(result.metric)}", "higher")
        add_x_label(figure, f"{metric_name(result.metric)}{unit} ({direction} is better)")
        add_title(figure, task_name(result.task))
        if result.note:
            axes.set_title(shorten(result.note, 45), fontsize=8, parse_math=False)
        return figure

    values = ", ".join(f"{name} {_value(result, name)}" for name in systems)
    note = f" [{result.note}]" if result.note else ""
    label = f"{task_name(result.task)}{note}, {metric_name(result.metric)}: {values}"
    return Panel(_stem("scores", result), label, draw)


def gains_panel(results: Sequence[TaskResult], systems: Sequence[str], distinct_metric: str = "") -> Panel:
    """Several languages: a faint dot for each at its gain over the baseline, a line at their mean.

    `distinct_metric` becomes part of the file name, for a task that has a panel for another metric too.
    """
    task, metric, baseline = results[0].task, results[0].metric, results[0].baseline
    gains = {name: _gains(results, name) for name in systems if name != baseline}

    def draw() -> Figure:
        figure, axes = _systems_axes(list(gains))
        axes.axvline(0, color=text_colour(), **REFERENCE_LINE)
        for position, values in enumerate(gains.values()):
            if not values:
                _draw_no_score(axes, position)
                continue
            colour = COLOURS[position % len(COLOURS)]
            dots: Any = {"marker": "o", "alpha": 0.35, "linestyle": "none", "markersize": 6}
            axes.plot(values, [position] * len(values), color=colour, **dots)
            axes.plot([fmean(values)], [position], color=colour, marker="|", markersize=15, markeredgewidth=2.5)
        add_x_label(figure, _gain_label(metric, baseline))
        add_title(figure, task_name(task))
        return figure

    unit = "%" if lower_is_better(metric) else " points"
    descriptions = [
        f"{name} {format_signed(fmean(values))}{unit} on {format_count(len(values), 'language')}"
        if values
        else f"{name} no score"
        for name, values in gains.items()
    ]
    label = f"{task_title(task, metric)}, mean gain over {baseline_name(baseline)}: {', '.join(descriptions)}"
    suffix = f"-{file_name(distinct_metric)}" if distinct_metric else ""
    return Panel(_stem("gains", results[0]) + suffix, label, draw)


def pretraining_panel(task: str, metric: str, points: dict[str, list[tuple[float, float]]], name: str) -> Panel:
    """Gain over the base against the size of its pre-training data in a language (in GB); a dot for each language.

    `points`: (gigabytes, gain) by system. Languages that the base has not seen (0 GB) are on the left.
    """
    sizes_seen = [size for pairs in points.values() for size, _ in pairs if size > 0] or [1.0]
    unseen = min(sizes_seen) / 4  # where 0 is drawn on the logarithmic axis
    has_unseen = any(size == 0 for pairs in points.values() for size, _ in pairs)

    def draw() -> Figure:
        figure = Figure(figsize=(WIDTH, 2.4 + 0.1 * len(points)), layout="constrained")
        axes = figure.subplots()
        axes.axhline(0, color=text_colour(), **REFERENCE_LINE)
        for index, (system, pairs) in enumerate(points.items()):
            sizes, gains = [size or unseen for size, _ in pairs], [gained for _, gained in pairs]
            dots: Any = {"marker": "os^Dv<>"[index % 7], "linestyle": "none", "markersize": 4.5, "alpha": 0.75}
            axes.plot(sizes, gains, color=COLOURS[index % len(COLOURS)], label=system, **dots)
        axes.set_xscale("log")
        powers = [10.0**power for power in range(-3, 5)]
        ticks = {power: f"{power:g}" for power in powers if unseen * 2 < power < max(sizes_seen) * 2}
        if has_unseen:
            ticks[unseen] = "unseen"
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.minorticks_off()
        legend: Any = {"frameon": False, "labelcolor": text_colour(), "fontsize": 7.5, "handletextpad": 0}
        axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1), ncols=2, columnspacing=1, borderpad=0, **legend)
        axes.set_ylabel("gain, %" if lower_is_better(metric) else "gain, points")
        add_x_label(figure, "pre-training data, GB")
        add_title(figure, task_name(task))
        return figure

    return Panel(name, f"{task_name(task)}: gain over the base against the size of its pre-training data", draw)


def text_colour() -> Any:
    """The colour of text in the current style."""
    return mpl.rcParams["text.color"]


def add_title(figure: Figure, text: str) -> None:
    """Set a panel's title."""
    figure.suptitle(shorten(text, MAX_TITLE), x=0.02, ha="left", fontsize=10.5, fontweight="bold", parse_math=False)


def add_x_label(figure: Figure, text: str) -> None:
    """Set the x label, over the figure's whole width: long names of systems leave little to the axes themselves.

    A label of several lines makes the figure higher, so the axes keep their size.
    """
    lines = textwrap.wrap(text, MAX_LABEL, break_on_hyphens=False)
    figure.set_figheight(figure.get_figheight() + LABEL_LINE * (len(lines) - 1))
    figure.supxlabel("\n".join(lines), x=0.98, ha="right", fontsize=9, parse_math=False)


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def file_name(text: str) -> str:
    """Text as part of a file name."""
    return re.sub(r"[^\w.+-]+", "-", text)


def _systems_axes(systems: Sequence[str]) -> tuple[Figure, Axes]:
    """An empty panel with a line for each system, the first on top."""
    figure = Figure(figsize=(WIDTH, 0.95 + 0.28 * len(systems)), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(systems)), [shorten(system, MAX_SYSTEM) for system in systems], parse_math=False)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.08)
    return figure, axes


def _draw_score(axes: Axes, result: TaskResult, name: str, position: int) -> None:
    system = result.systems.get(name)
    if system is None or not math.isfinite(system.mean):
        _draw_no_score(axes, position)
        return
    colour = text_colour() if name == BASE else COLOURS[(position - 1) % len(COLOURS)]
    if name == result.baseline:
        axes.axvline(system.mean, color=text_colour(), **REFERENCE_LINE)
    if system.interval:
        axes.plot(system.interval, [position, position], color=colour, linewidth=2, solid_capstyle="round")
    face = "none" if system.verdict == Verdict.TOO_MANY_UNKNOWN else colour  # hollow: not comparable
    dot: Any = {"marker": "o", "markersize": 7, "linestyle": "none", "markerfacecolor": face}
    axes.plot([system.mean], [position], color=colour, **dot)


def _draw_no_score(axes: Axes, position: int) -> None:
    axes.text(0.03, position, "no score", transform=axes.get_yaxis_transform(), va="center", alpha=0.7)


def _gains(results: Iterable[TaskResult], name: str) -> list[float]:
    gains = [gain(result, name) for result in results if name in result.systems]
    return [value for value in gains if value is not None and math.isfinite(value)]


def _gain_label(metric: str, baseline: str) -> str:
    direction, unit = ("below", "%") if lower_is_better(metric) else ("above", "points")
    owner = shorten(baseline_name(baseline), MAX_SYSTEM)
    return f"{metric_name(metric)} {direction} {owner}'s, {unit}"


def _tick(value: float, metric: str) -> str:
    return f"{value:,g}" if lower_is_better(metric) else f"{value * 100:g}"


def _value(result: TaskResult, name: str) -> str:
    system = result.systems.get(name)
    return MISSING if system is None else format_value(system.mean, result.metric)


def _stem(kind: str, result: TaskResult) -> str:
    """The name of a panel's files; a secondary metric and the note's checksum tell results of one task apart."""
    metric = f"-{file_name(result.metric)}" if is_secondary(result.task, result.metric) else ""
    note = f"-{zlib.crc32(result.note.encode()):08x}" if result.note else ""
    return f"{kind}-{file_name(result.base)}-{file_name(result.task)}{metric}{note}"
