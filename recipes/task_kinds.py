"""The kinds of labelled tasks, and the metrics of each. What a kind does with its data is in eval/kinds.py."""

from collections.abc import Mapping
from typing import Literal

KindName = Literal["classification", "multilabel", "regression", "entities", "tagging"]
ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What a head answers for a text or a word, in the words of transformers' configurations."""
MetricName = Literal["macro_f1", "micro_f1", "accuracy", "entity_f1", "spearman", "pearson", "r2"]

METRICS: Mapping[KindName, tuple[MetricName, ...]] = {
    "classification": ("macro_f1", "accuracy"),
    "multilabel": ("macro_f1", "micro_f1", "accuracy"),
    "regression": ("spearman", "pearson", "r2"),
    "entities": ("entity_f1", "accuracy"),
    "tagging": ("accuracy",),
}
"""The metrics of each kind; the first is its main one."""

WORD_KINDS = ("entities", "tagging")
"""Kinds that label every word of a text; the others label the text."""

PROBLEM_TYPES: Mapping[KindName, ProblemType] = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
    "entities": "single_label_classification",
    "tagging": "single_label_classification",
}


def kind_of_metric(metric: MetricName | None) -> KindName | None:
    """The kind that a metric belongs to; None for a metric of several kinds, and without a metric."""
    kinds: list[KindName] = [kind for kind, metrics in METRICS.items() if metric in metrics]
    return kinds[0] if len(kinds) == 1 else None
