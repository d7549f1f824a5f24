"""The scores of arXiv 2502.10140 (Gurgurov et al. 2025), so that a report can show them beside yours.

`paper.csv` has a row for each language, base, task and system, and names the paper's table that it is from:
pseudo-perplexity on FLORES-200 devtest; macro-F1 of topic and sentiment, and F1 of named entities by sub-word, in
percent; 30 languages, as printed. Topic classification in Sundanese on XLM-R is computed from the printed means (within
0.15). See docs/paper.md. To correct a value, edit `paper.csv`.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ...recipes.languages import UnknownLanguageError, find_language
from ..display import format_value
from ..metrics import is_secondary
from .task_results import TaskResult

PAPER_FILE = Path(__file__).with_name("paper.csv")
_PRETRAINING_FIELDS = {"bert-base-multilingual-cased": "mbert_gb", "xlm-roberta-base": "xlmr_gb"}

PaperValues = Callable[[TaskResult, str], str]


def paper_score(language: str, base: str, task: str, system: str) -> float | None:
    """The paper's value, F1 as a share from 0 to 1; None if the paper has none.

    Named as in a `Score`: swh_Latn, xlm-roberta-base, topic, seq_bn/text.
    """
    return _scores().get((language, base, task, system))


def paper_value(result: TaskResult, system: str) -> str:
    """The paper's value for a system as readers see it; empty if the paper has none."""
    name = system.partition(" (")[0]  # without what tells adapters of one name apart
    if result.transfer or result.limit or is_secondary(result.task, result.metric):
        return ""
    value = paper_score(result.language, result.base, result.task, name)
    if value is None:
        return ""
    ours = result.systems[system].paper_perplexity if system in result.systems else None
    return format_value(value, result.metric) + (
        f"; ours, computed as in the paper: {format_value(ours, result.metric)}" if ours else ""
    )


def no_paper(result: TaskResult, system: str) -> str:
    """Replaces `paper_value` in reports without the paper's scores."""
    return ""


def pretraining_gigabytes(language: str, base: str) -> float | None:
    """The size in GB of a base's pre-training data in a language, as the paper counts it; None if it is not known.

    Wikipedia for mBERT, CC100 for XLM-R.
    """
    try:
        return getattr(find_language(language), _PRETRAINING_FIELDS[base]) if base in _PRETRAINING_FIELDS else None
    except UnknownLanguageError:  # scores may come from anywhere
        return None


@cache
def _scores() -> dict[tuple[str, str, str, str], float]:
    with PAPER_FILE.open(encoding="utf-8", newline="") as file:
        return {
            (row["language"], row["base"], row["task"], row["system"]): float(row["value"])
            / (1 if row["task"] == "mlm" else 100)
            for row in csv.DictReader(file)
        }
