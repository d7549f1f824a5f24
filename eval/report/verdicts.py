"""The verdicts on a comparison: their wording, and when each one is given."""

from enum import StrEnum

from ..metrics import lower_is_better

ALPHA = 0.05  # significance level, of p values after Holm's correction
MAX_UNKNOWN_SHARE = 0.05  # [UNK] is easy to predict: with more of them a perplexity says nothing


class Verdict(StrEnum):
    """What a comparison with the baseline shows, as readers see it."""

    BETTER = "better"
    WORSE = "worse"
    NO_CLEAR_DIFFERENCE = "no clear difference"
    ONE_SEED = "one seed, no verdict"
    """A system of a trained task has one seed, so the variation between seeds is not known."""
    TOO_MANY_UNKNOWN = "not comparable: more than 5% [UNK]"
    NOT_COMPARABLE = "not comparable"
    """Scored on different items, or without predictions to compare."""

    @property
    def is_clear(self) -> bool:
        """Whether the difference is significant."""
        return self in (Verdict.BETTER, Verdict.WORSE)


def verdict_on(difference: float, p: float, metric: str) -> Verdict:
    """The verdict on a difference of a metric whose corrected p value is `p`."""
    if p >= ALPHA or difference == 0:
        return Verdict.NO_CLEAR_DIFFERENCE
    return Verdict.BETTER if (difference < 0) == lower_is_better(metric) else Verdict.WORSE
