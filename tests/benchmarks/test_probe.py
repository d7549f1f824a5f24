"""The linear classifier on sentence vectors: its vectors and its scores."""

import numpy as np
import pytest
import torch
from lrl_adapt.benchmarks.real.probe import load, mean_vectors, probe
from lrl_adapt.recipes.loading import bundled_recipes

TEXTS = ["Habari za asubuhi", "Maji", "Watoto wanakwenda shule kila siku ya juma"]


def test_mean_vectors_are_those_of_each_text_by_itself() -> None:
    model, tokenizer = load(bundled_recipes()["quickstart"].parent / "base" / "base-mini")
    vectors = mean_vectors(model, tokenizer, TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
        assert vector == pytest.approx(states[0].mean(0).numpy(), abs=1e-5)


def test_the_classifier_learns_what_the_vectors_tell_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    labels = [["a", "b"] * 20 for _ in range(3)]
    telling = [np.stack([rng.normal([4 * (label == "a"), 0], 0.1) for label in split]) for split in labels]
    assert probe(telling, labels) == (1.0, 1.0)
    silent = [np.zeros((40, 2)) + np.arange(2) + 1e-9 * rng.normal(size=(40, 2)) for _ in range(3)]
    assert probe(silent, labels)[1] < 0.8
