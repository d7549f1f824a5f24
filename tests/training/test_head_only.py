"""The head alone on a frozen base."""

import pytest
import torch
from lrl_adapt.training.head_only import head_inputs
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.precision import make_accelerator
from lrl_adapt.training.task_adapter import predict, train_task
from lrl_adapt.training.task_model import TaskModel, make_batch

from .models import FAMILIES, tiny
from .test_task_adapter import FAST, examples


@pytest.mark.parametrize("per_token", [True, False], ids=["tags", "classes"])
@pytest.mark.parametrize("pooling", ["first", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_computed_once_is_what_the_head_reads_of_each_example(
    family: str, pooling: str, per_token: bool
) -> None:
    data = examples(per_token, 7)
    model = TaskModel(tiny(family), 2, per_token=per_token, pooling="mean" if pooling == "mean" else "first").eval()
    for example, row in zip(data, head_inputs(model, data, 3, make_accelerator("fp32")[0]), strict=True):
        alone = model.labelled_logits(**make_batch([example], model.layout))
        torch.testing.assert_close(model.head(row["inputs"]), alone, atol=1e-5, rtol=1e-5)
        tags = example.label if isinstance(example.label, list) else [example.label]
        assert row["labels"].tolist() == [tag for tag in tags if tag != IGNORE_INDEX]


def test_the_head_learns_and_the_base_stays() -> None:
    data = examples(per_token=False)
    base = tiny("bert")
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = train_task(base, None, data, data[:10], 2, FAST, precision="auto", seed=1, head_only=True)
    assert all(torch.equal(weight, before[name]) for name, weight in base.state_dict().items())
    guesses = predict(model, data)
    most_frequent = max(sum(example.label == label for example in data) for label in (0, 1))
    assert sum(guess == example.label for guess, example in zip(guesses, data, strict=True)) > most_frequent
    again = train_task(tiny("bert"), None, data, data[:10], 2, FAST, precision="auto", seed=1, head_only=True)
    torch.testing.assert_close(again.head.state_dict(), model.head.state_dict())
