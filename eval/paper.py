"""The reference paper's numbers (arXiv 2502.10140)."""

from ..recipes.languages import find_language

_SIZES = {"bert-base-multilingual-cased": "mbert_gb", "xlm-roberta-base": "xlmr_gb"}


def paper_score(language: str, base: str, task: str, system: str) -> float | None:
    """The paper's score of a system, F1 as a share; None where the paper has none."""
    return None


def pretraining_gigabytes(language: str, base: str) -> float | None:
    """Size of the language's part in a base's pre-training data, 0 where it was unseen; None where unknown."""
    return getattr(find_language(language), _SIZES[base]) if base in _SIZES else None
