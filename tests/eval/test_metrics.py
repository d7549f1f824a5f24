"""Metrics against scikit-learn and seqeval on random input."""

from typing import Any

import numpy as np
import pytest
from lrl_adapt.eval.kinds import kind_of
from lrl_adapt.eval.metrics import (
    SumMetric,
    classification_metrics,
    entities,
    entity_f1,
    entity_table,
    lower_is_better,
    word_accuracy,
)
from lrl_adapt.eval.predictions import class_details, metrics_of, values_of_constant
from seqeval.metrics import f1_score as seqeval_f1
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as seqeval_table
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]


@pytest.mark.parametrize("seed", range(20))
def test_classification_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 8))
    gold, guess = rng.integers(classes, size=(2, int(rng.integers(1, 60))))
    macro, accuracy = classification_metrics(gold, guess, classes)
    assert macro.value() == pytest.approx(f1_score(gold, guess, average="macro", zero_division=0))
    assert accuracy.value() == pytest.approx(accuracy_score(gold, guess))
    names = [str(label) for label in range(classes)]
    rows = [{"text": "", "gold": names[label], "guess": names[other]} for label, other in zip(gold, guess, strict=True)]
    details: Any = class_details(rows, names)
    want: Any = precision_recall_fscore_support(gold, guess, labels=range(classes), zero_division=0)
    for place, row in enumerate(details["classes"].values()):
        assert list(row.values()) == pytest.approx([column[place] for column in want])
    assert details["confusion"] == sklearn_confusion(gold, guess, labels=range(classes)).tolist()


def random_tags(seed: int) -> tuple[list[list[str]], list[list[str]]]:
    rng = np.random.default_rng(seed)
    gold = [[TAGS[n] for n in rng.integers(7, size=rng.integers(1, 15))] for _ in range(20)]
    guess = [[tag if rng.random() < 0.7 else TAGS[rng.integers(7)] for tag in tags] for tags in gold]
    return gold, guess


@pytest.mark.parametrize("seed", range(30))
def test_entities_agree_with_seqeval_on_tags_in_any_order(seed: int) -> None:
    gold, guess = random_tags(seed)
    assert entity_f1(gold, guess).value() == pytest.approx(seqeval_f1(gold, guess))
    table = entity_table(gold, guess)
    want: Any = seqeval_table(gold, guess, average=None, zero_division=0)
    for place, kind in enumerate(sorted(table)):
        assert list(table[kind].values()) == pytest.approx([column[place] for column in want])
    flat = [[tag for tags in sentences for tag in tags] for sentences in (gold, guess)]
    assert word_accuracy(gold, guess).value() == pytest.approx(accuracy_score(*flat))


@pytest.mark.parametrize("seed", range(5))
def test_a_resample_gives_the_metric_of_the_items_drawn(seed: int) -> None:
    gold, guess = random_tags(seed)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(20, size=20)
    want = seqeval_f1([gold[n] for n in drawn], [guess[n] for n in drawn])
    metric = entity_f1(gold, guess)
    assert float(metric.from_sums(np.bincount(drawn, minlength=20) @ metric.statistics)) == pytest.approx(want)
    true, result = rng.integers(4, size=(2, 20))
    macro = classification_metrics(true, result, 4)[0]
    want = f1_score(true[drawn], result[drawn], average="macro", zero_division=0)
    assert float(macro.from_sums(np.bincount(drawn, minlength=20) @ macro.statistics)) == pytest.approx(want)


def test_entities_have_type_and_both_ends() -> None:
    tags = ["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-ORG"]
    assert entities(tags) == {("PER", 0, 1), ("LOC", 3, 3), ("LOC", 4, 4), ("ORG", 5, 5)}


def test_no_entity_at_all_is_zero_and_no_division() -> None:
    assert entity_f1([["O", "O"]], [["O", "O"]]).value() == 0.0


def test_the_bootstrap_interval_covers_a_known_mean_and_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    metric = SumMetric("mean", np.stack([values, np.ones(400)], 1), lambda sums: sums[..., 0] / sums[..., 1])
    low, high = metric.interval()
    error = values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)
    assert (low, high) == metric.interval()


def test_tags_that_are_no_entities_have_figures_by_tag() -> None:
    rows = [{"words": ["a", "b"], "gold": ["NOUN", "VERB"], "guess": ["NOUN", "NOUN"]}]
    assert [metric.name for metric in metrics_of(rows, ["NOUN", "VERB"])] == ["accuracy"]
    details = class_details(rows, ["NOUN", "VERB"])
    assert details is not None
    assert details["confusion"] == [[1, 0], [1, 0]]


def test_lower_is_better_for_perplexities_and_bits() -> None:
    lower = ["pseudo_perplexity", "pseudo_perplexity_paper", "bits_per_byte", "unknown_share"]
    assert all(map(lower_is_better, lower))
    assert not any(map(lower_is_better, ["macro_f1", "accuracy", "entity_f1"]))


def test_the_majority_class_is_that_of_the_training_labels() -> None:
    rows = [{"text": str(n), "gold": gold, "guess": "c"} for n, gold in enumerate("aaabbbbbcc")]
    constant = kind_of(rows).constant(["b", "a", "a", "b", "c"], ["a", "b", "c"])  # a and b alike: the first by name
    assert constant is not None
    assert values_of_constant(constant, rows, ["a", "b", "c"]) == {
        "name": "majority class",
        "label": "a",
        "macro_f1": pytest.approx(f1_score(list("aaabbbbbcc"), ["a"] * 10, average="macro")),
        "accuracy": 0.3,
    }
