"""Metrics against scikit-learn and seqeval on random input."""

import numpy as np
import pytest
from lrl_adapt.eval.metrics import accuracy, bootstrap, entities, entity_counts, entity_f1, macro_f1
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import accuracy_score, f1_score

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]


@pytest.mark.parametrize("seed", range(20))
def test_classification_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 8))
    gold, guess = rng.integers(classes, size=(2, int(rng.integers(1, 60))))
    assert macro_f1(gold, guess, classes) == pytest.approx(f1_score(gold, guess, average="macro", zero_division=0))
    assert accuracy(gold, guess) == pytest.approx(accuracy_score(gold, guess))


@pytest.mark.parametrize("seed", range(30))
def test_entity_f1_agrees_with_seqeval_on_tags_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gold = [[TAGS[n] for n in rng.integers(7, size=rng.integers(1, 15))] for _ in range(20)]
    guess = [[tag if rng.random() < 0.7 else TAGS[rng.integers(7)] for tag in tags] for tags in gold]
    counts = np.array([entity_counts(g, p) for g, p in zip(gold, guess, strict=True)])
    assert entity_f1(counts) == pytest.approx(seqeval_f1(gold, guess))


def test_entities_have_type_and_both_ends() -> None:
    tags = ["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-ORG"]
    assert entities(tags) == {("PER", 0, 1), ("LOC", 3, 3), ("LOC", 4, 4), ("ORG", 5, 5)}


def test_no_entity_at_all_is_zero_and_no_division() -> None:
    assert entity_f1(np.array([entity_counts(["O", "O"], ["O", "O"])])) == 0.0


def test_the_bootstrap_interval_covers_a_known_mean_and_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 400)
    low, high = bootstrap(lambda chosen: float(values[chosen].mean()), 400)
    error = values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)
    assert (low, high) == bootstrap(lambda chosen: float(values[chosen].mean()), 400)
