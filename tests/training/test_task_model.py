"""Heads for several labels and for scores: their losses, shapes and answers; token types of pairs of texts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.task_kinds import ProblemType
from lrl_adapt.training.adapters import stack_task_adapter
from lrl_adapt.training.task_adapter import ScoreScale, load_task, predict, save_task, train_task
from lrl_adapt.training.task_model import Example, TaskModel, make_batch
from torch import nn

from .models import shake, tiny
from .test_task_adapter import FAST, examples

MULTI: ProblemType = "multi_label_classification"


def labelled(count: int = 40) -> list[Example]:
    """Two labels: whether the text has a token 10, and whether it has an 11."""
    plain = examples(per_token=False, count=count)
    return [
        replace(example, label=0, targets=(float(10 in example.input_ids), float(11 in example.input_ids)))
        for example in plain
    ]


def scored(count: int = 40) -> list[Example]:
    """A score far from 0: 500 and 10 for each token 10."""
    plain = examples(per_token=False, count=count)
    return [replace(example, label=0, targets=(500.0 + 10 * example.input_ids.count(10),)) for example in plain]


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_losses_are_pytorchs_and_head_shapes_adapterhubs(family: str) -> None:
    torch.manual_seed(0)
    losses = {MULTI: nn.BCEWithLogitsLoss(), "regression": nn.MSELoss()}
    for problem_type, unsorted, outputs in ((MULTI, labelled(8), 2), ("regression", scored(8), 1)):
        model = TaskModel(tiny(family), outputs, per_token=False, problem_type=problem_type).eval()
        data = sorted(unsorted, key=lambda example: len(example.input_ids))
        batch = make_batch(data, model.layout)
        logits = torch.cat(
            [model.logits(torch.tensor([one.input_ids]), torch.ones(1, len(one.input_ids))) for one in data]
        )
        want = losses[problem_type](logits, torch.tensor([one.targets for one in data]))
        torch.testing.assert_close(model(**batch) / 8, want, rtol=1e-4, atol=1e-4)
        layers = [(type(layer).__name__, getattr(layer, "out_features", None)) for layer in model.head]
        assert layers == [("Dropout", None), ("Linear", 32), ("Tanh", None), ("Dropout", None), ("Linear", outputs)]


def test_labels_are_learnt_each_by_itself(tmp_path: Path) -> None:
    data = labelled()
    model = train_task(tiny("bert"), None, data, data[:10], 2, FAST, problem_type=MULTI, precision="fp32", seed=1)
    probabilities = torch.tensor(predict(model, data))
    gold = torch.tensor([example.targets for example in data])
    assert ((probabilities >= 0.5) == gold.bool()).float().mean() > 0.8
    save_task(model, ["ten", "eleven"], tmp_path / "task")
    loaded, labels = load_task(tiny("bert"), None, tmp_path / "task")
    assert (loaded.problem_type, labels) == (MULTI, ["ten", "eleven"])
    torch.testing.assert_close(torch.tensor(predict(loaded, data)), probabilities)


def test_scores_are_learnt_and_given_on_the_scale_of_the_files(tmp_path: Path) -> None:
    data = scored()
    gold = torch.tensor([example.targets[0] for example in data])
    scores: ProblemType = "regression"
    model = train_task(
        tiny("bert"), None, data, data[:10], 1, FAST, problem_type="regression", precision="fp32", seed=1
    )
    answers = torch.tensor(predict(model, data))[:, 0]
    assert torch.corrcoef(torch.stack([gold, answers]))[0, 1] > 0.8
    assert (answers - gold).abs().mean() < gold.std()
    save_task(model, [], tmp_path / "task")
    loaded, _ = load_task(tiny("bert"), None, tmp_path / "task")
    torch.testing.assert_close(torch.tensor(predict(loaded, data))[:, 0], answers)
    head = train_task(
        tiny("bert"), None, data, data[:10], 1, FAST, problem_type=scores, precision="fp32", seed=1, head_only=True
    )
    assert (torch.tensor(predict(head, data))[:, 0].mean() - gold.mean()).abs() < gold.std()


def test_the_last_layer_takes_standardised_scores_back() -> None:
    data = scored(8)
    scale = ScoreScale.of(data, "regression")
    standardised = torch.tensor([example.targets[0] for example in scale.standardise(data)])
    assert standardised.mean().abs() < 1e-5
    assert standardised.std(correction=0) == pytest.approx(1, abs=1e-5)
    model = TaskModel(tiny("bert"), 1, per_token=False, problem_type="regression").eval()
    before = torch.tensor(predict(model, data))
    scale.restore(model)
    torch.testing.assert_close(torch.tensor(predict(model, data)), before * scale.deviation + scale.mean)


@pytest.mark.parametrize("family", ["bert", "electra", "xlm-roberta", "distilbert", "modernbert"])
def test_the_texts_of_a_pair_have_their_token_types_where_the_base_has_any(family: str) -> None:
    torch.manual_seed(0)
    model = TaskModel(stack_task_adapter(tiny(family), None, 4), 3, per_token=False, pairs=True).eval()
    shake(model.adapted)
    data = sorted(examples(per_token=False, count=6), key=lambda example: len(example.input_ids))
    pairs = [replace(one, token_types=(*[0] * 3, *[1] * (len(one.input_ids) - 3))) for one in data]
    encoder = model.adapted.get_base_model()
    assert model.layout.token_types == (family in ("bert", "electra", "xlm-roberta"))
    hidden = []
    for one in pairs:
        types = {"token_type_ids": torch.tensor([one.token_types])} if model.layout.token_types else {}
        out = encoder(torch.tensor([one.input_ids]), output_hidden_states=True, **types)
        hidden.append(out.hidden_states[-1][0, 0])
    logits = model.labelled_logits(**make_batch(pairs, model.layout))
    torch.testing.assert_close(logits, model.head(torch.stack(hidden)), atol=1e-5, rtol=1e-5)
    plain = model.labelled_logits(**make_batch(data, model.layout))
    assert torch.allclose(plain, logits) != model.layout.token_types
