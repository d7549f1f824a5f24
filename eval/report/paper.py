"""The numbers of arXiv 2502.10140 (Gurgurov et al. 2025), so that a report can show them beside one's own.

`paper.csv` has a row for each language, base, task and system, and names the table it stands in: pseudo-perplexity on
FLORES-200's devtest; macro-F1 of topic and sentiment, F1 of named entities by sub-word, in percent; 30 languages, as
printed. Sundanese topic on XLM-R is reckoned back from the printed means (within 0.15). See docs/paper.md.
"""

import csv
from functools import cache
from pathlib import Path

from ...recipes.languages import UnknownLanguageError, find_language

FILE = Path(__file__).with_name("paper.csv")
GIGABYTES = {"bert-base-multilingual-cased": "mbert_gb", "xlm-roberta-base": "xlmr_gb"}


def paper_score(language: str, base: str, task: str, system: str) -> float | None:
    """The paper's figure for a cell, F1 as a share; None where it has none.

    Named as in a `Score`: swh_Latn, xlm-roberta-base, topic, seq_bn/text.
    """
    return _scores().get((language, base, task, system))


def pretraining_gigabytes(language: str, base: str) -> float | None:
    """What a base read of a language before, as the paper counts it (Wikipedia for mBERT, CC100 for XLM-R), in GB.

    None where that is not known.
    """
    try:
        return getattr(find_language(language), GIGABYTES[base]) if base in GIGABYTES else None
    except UnknownLanguageError:  # scores may come from anywhere
        return None


@cache
def _scores() -> dict[tuple[str, str, str, str], float]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return {
            (row["language"], row["base"], row["task"], row["system"]): _as_share(row["task"], float(row["value"]))
            for row in csv.DictReader(file)
        }


def _as_share(task: str, value: float) -> float:
    return value if task == "mlm" else value / 100
