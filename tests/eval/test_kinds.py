"""Several labels per text against scikit-learn, the form of rows that tells the kinds apart, and constant answers."""

from typing import Any

import numpy as np
import pytest
from lrl_adapt.eval.kinds import KINDS, kind_of
from lrl_adapt.eval.metrics import multilabel_metrics
from lrl_adapt.eval.predictions import (
    class_details,
    label_names,
    metrics_of,
    same_items,
    values_of,
    values_of_constant,
)
from lrl_adapt.eval.seed_variance import difference_over_seeds, mean_over_seeds
from sklearn.dummy import DummyRegressor
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

LABELS = ["anger", "fear", "joy", "sadness"]


def multilabel_rows(seed: int, items: int = 40) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Rows, and what is in them as 0 and 1; nobody has "sadness"."""
    rng = np.random.default_rng(seed)
    gold, guess = (rng.random((items, 4)) < np.array([0.5, 0.3, 0.1, 0])).astype(int), rng.integers(2, size=(items, 4))
    guess[:, 3] = 0
    rows = [
        {"text": str(number)}
        | {
            key: [label for label, has in zip(LABELS, row, strict=True) if has]
            for key, row in zip(("gold", "guess"), pair, strict=True)
        }
        | {"probabilities": dict(zip(LABELS, pair[1].astype(float), strict=True))}
        for number, pair in enumerate(zip(gold, guess, strict=True))
    ]
    return rows, gold, guess


@pytest.mark.parametrize("seed", range(5))
def test_several_labels_are_scored_as_scikit_learn_does(seed: int) -> None:
    rows, gold, guess = multilabel_rows(seed)
    assert label_names([rows]) == LABELS  # "sadness" too, which nobody has
    assert values_of(rows, LABELS) == pytest.approx(
        {
            "macro_f1": f1_score(gold, guess, average="macro", zero_division=0),
            "micro_f1": f1_score(gold, guess, average="micro", zero_division=0),
            "accuracy": accuracy_score(gold, guess),
        }
    )
    details = class_details(rows, LABELS)
    assert details is not None
    want: Any = precision_recall_fscore_support(gold, guess, zero_division=0)
    for place, row in enumerate(details["classes"].values()):
        assert list(row.values()) == pytest.approx([column[place] for column in want])


def test_samples_of_texts_with_several_labels_are_scored_anew() -> None:
    rows, gold, guess = multilabel_rows(1)
    drawn = np.random.default_rng(0).integers(40, size=40)
    counts = np.bincount(drawn, minlength=40)[None].astype(float)
    macro, micro, accuracy = metrics_of(rows, LABELS)
    want = [f1_score(gold[drawn], guess[drawn], average=name, zero_division=0) for name in ("macro", "micro")]
    want.append(accuracy_score(gold[drawn], guess[drawn]))
    assert [metric.of_draws(counts)[0] for metric in (macro, micro, accuracy)] == pytest.approx(want)
    for item in (0, 17):
        without = f1_score(np.delete(gold, item, 0), np.delete(guess, item, 0), average="macro", zero_division=0)
        assert macro.without_each_item()[item] == pytest.approx(without)
    seeds = [metrics_of(multilabel_rows(1)[0], LABELS)[0] for _ in range(2)]
    low, high = mean_over_seeds(seeds).interval()
    assert low < macro.value() < high


def test_intervals_of_macro_f1_over_seeds_and_items_cover_no_difference() -> None:
    """300 studies of two alike systems with three seeds each; 0.91 is three standard errors below 0.95."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        gold = (rng.random((100, 4)) < 0.3).astype(int)
        hardness = rng.normal(size=gold.shape)
        systems = []
        for _ in range(2):
            own = hardness + rng.normal(size=gold.shape)
            flips = [own + rng.normal(size=gold.shape) > 1.5 for _ in range(3)]
            systems.append([multilabel_metrics(gold, np.where(flip, 1 - gold, gold))[0] for flip in flips])
        low, high = difference_over_seeds(*systems).interval()
        covered += low <= 0 <= high
    assert covered / 300 >= 0.91


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"text": "a", "gold": "x", "guess": "y"}, "classification"),
        ({"text": "a", "text_pair": "b", "gold": "x", "guess": "y"}, "classification"),
        ({"text": "a", "gold": [], "guess": ["x"], "probabilities": {"x": 0.9}}, "multilabel"),
        ({"text": "a", "gold": 0.0, "guess": 1.5}, "regression"),
        ({"words": ["a"], "gold": ["B-PER"], "guess": ["O"]}, "entities"),
        ({"words": ["a"], "gold": ["NOUN"], "guess": ["VERB"]}, "tagging"),
    ],
)
def test_the_form_of_the_rows_tells_their_kind(row: dict[str, Any], kind: Any) -> None:
    assert kind_of([row]) is KINDS[kind]


def test_items_with_another_second_text_are_others() -> None:
    rows = [{"text": "a", "text_pair": pair, "gold": "x", "guess": "x"} for pair in ("b", "c")]
    assert same_items(rows[:1], [rows[0] | {"guess": "y"}])
    assert not same_items(rows[:1], rows[1:])


def test_an_answer_holds_the_labels_from_a_probability_of_one_half_on() -> None:
    answer = KINDS["multilabel"].answer([0.5, 0.4999999, 0.9], ["a", "b", "c"])  # pyright: ignore[reportAttributeAccessIssue]
    assert answer == {"guess": ["a", "c"], "probabilities": {"a": 0.5, "b": 0.5, "c": 0.9}}


def test_constant_answers_are_scored() -> None:
    rows, gold, _ = multilabel_rows(2)
    constant = KINDS["multilabel"].constant([], LABELS)
    assert constant is not None
    assert values_of_constant(constant, rows, LABELS) == {
        "name": "every label",
        "label": "anger, fear, joy, sadness",
        "macro_f1": pytest.approx(f1_score(gold, np.ones_like(gold), average="macro", zero_division=0)),
        "micro_f1": pytest.approx(f1_score(gold, np.ones_like(gold), average="micro")),
        "accuracy": 0.0,
    }
    rows = [{"text": str(number), "gold": float(number), "guess": 0.0} for number in range(5)]
    constant = KINDS["regression"].constant([1.0, 2.0, 6.0], [])
    assert constant is not None
    values = values_of_constant(constant, rows, [])
    assert (values["name"], values["label"], values["spearman"], values["pearson"]) == ("mean score", "3", 0, 0)
    model = DummyRegressor().fit([[0]] * 3, [1.0, 2.0, 6.0])
    assert values["r2"] == pytest.approx(model.score([[0]] * 5, range(5)))
    rows = [{"words": ["a", "b"], "gold": ["NOUN", "VERB"], "guess": ["X", "X"]}]
    constant = KINDS["tagging"].constant([["NOUN", "VERB"], ["NOUN"]], [])
    assert constant is not None
    assert values_of_constant(constant, rows, []) == {"name": "majority class", "label": "NOUN", "accuracy": 0.5}
    assert KINDS["entities"].constant([["O"]], []) is None


def test_only_one_answer_to_texts_that_differ_is_noticed() -> None:
    rows = [{"text": gold, "gold": [gold], "guess": [], "probabilities": {"a": 0.1, "b": 0.1}} for gold in "ab"]
    assert kind_of(rows).only_answer(rows) == "no label"
    assert kind_of(rows).only_answer([*rows, rows[0] | {"guess": ["a"]}]) is None
