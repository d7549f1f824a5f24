"""How tasks, metrics and their values are named and written for readers, on the terminal and in reports.

Plain numbers, percentages and p-values are written by workspace/formatting.py.
"""

import math

from ..workspace.formatting import MISSING, format_interval, format_number, format_percent, format_signed
from .metrics import CORRELATIONS, is_secondary, lower_is_better

TASK_NAMES = {
    "mlm": "Masked language modelling",
    "topic": "Topic classification",
    "sentiment": "Sentiment analysis",
    "ner": "Named entities",
}
OTHER_TASK_NAMES = {  # usual names of users' own tasks that are no words
    "pos": "Parts of speech",
    "nli": "Natural language inference",
}
METRIC_NAMES = {
    "pseudo_perplexity": "pseudo-perplexity",
    "pseudo_perplexity_l2r": "left-to-right pseudo-perplexity",
    "pseudo_perplexity_paper": "pseudo-perplexity as in the paper",
    "pseudo_perplexity_median": "pseudo-perplexity, median sentence",
    "bits_per_character_l2r": "left-to-right bits per character",
    "unknown_share": "unknown tokens",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "entity_f1": "entity F1",
    "spearman": "Spearman correlation",
    "pearson": "Pearson correlation",
    "r2": "R squared",
}

CONSTANT_NOTES = {  # by the names of `kinds.Constant`
    "majority class": "Majority class: the score of always predicting the most frequent class of the training data.",
    "every label": "Every label: the score of giving each text all labels.",
    "mean score": "Mean score: always predicting the mean of the training data, which correlates with nothing.",
}


def task_name(task: str) -> str:
    """A task's name for readers."""
    return (TASK_NAMES | OTHER_TASK_NAMES).get(task, task.replace("_", " ").capitalize())


def task_title(task: str, metric: str) -> str:
    """A task's name where the metric is not beside it: a secondary metric is named too."""
    return task_name(task) + (f", {metric_name(metric)}" if is_secondary(task, metric) else "")


def metric_name(metric: str) -> str:
    """A metric's name for readers."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def metric_with_direction(metric: str) -> str:
    """A metric with its unit or direction: "macro-F1, %", "pseudo-perplexity, lower is better"."""
    return f"{metric_name(metric)}, {metric_unit(metric) or 'lower is better'}"


def metric_unit(metric: str) -> str:
    """The unit of a metric's values as they are shown; correlations are multiplied by 100, as in GLUE."""
    if lower_is_better(metric):
        return ""
    return "× 100" if metric in CORRELATIONS else "%"


def task_order(task: str) -> tuple[int, str]:
    """Sort key of tasks: the four above first, then users' own by name."""
    return ([*TASK_NAMES, task].index(task), task)


def format_value(value: float | None, metric: str) -> str:
    """A metric's value: shares, accuracy and F1 in percent (63.4), correlations times 100, perplexity as it is."""
    if value is None or not math.isfinite(value):
        return MISSING
    if metric.startswith("bits_per_"):
        return format_number(value, 3)
    if metric.startswith("pseudo_perplexity"):
        return format_number(value, 1 if value >= 100 else 2)
    return format_percent(value)


def format_value_interval(interval: tuple[float, float] | None, metric: str) -> str:
    """The interval of a value: "[57.1, 69.7]"; empty for None."""
    return format_interval(*(format_value(end, metric) for end in interval)) if interval else ""


def format_change(change: float | None, metric: str, unit: str = " points") -> str:
    """A change with its sign and unit: "−50.5%" where lower is better, else "+1.8 points"; empty for None."""
    if change is None or not math.isfinite(change):
        return ""
    return format_signed(change) + ("%" if lower_is_better(metric) else unit)


def format_change_interval(interval: tuple[float, float] | None) -> str:
    """The interval of a change: "[−52.1, −49.0]"; empty for None."""
    return format_interval(*map(format_signed, interval)) if interval else ""
