import pytest
import torch
from lrl_adapt.recipes.schema import TaskTraining
from lrl_adapt.training.data import IGNORED
from lrl_adapt.training.task import Example, TaskModel, predict, train_task

from .models import tiny

FAST = TaskTraining(epochs=25, learning_rate=1e-2, batch_size=8, reduction_factor=4)


def examples(per_token: bool, count: int = 40) -> list[Example]:
    """Class = first real token; tag = parity of the token, asked at every second place."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(count):
        ids = [
            2,
            *torch.randint(10, 14, (int(torch.randint(3, 7, (), generator=generator)),), generator=generator).tolist(),
        ]
        tags = [IGNORED if place % 2 == 0 else id_ % 2 for place, id_ in enumerate(ids)]
        found.append(Example(ids, tags if per_token else int(ids.count(10) > 1)))
    return found


def train(data: list[Example], seed: int = 1) -> TaskModel:
    return train_task(tiny("bert"), None, data, data[:10], 2, FAST, precision="auto", pad_id=0, seed=seed)


def test_tags_are_learnt_and_told_for_asked_places_only() -> None:
    data = examples(per_token=True)
    guesses = predict(train(data), data, pad_id=0)
    gold = [[tag for tag in example.label if tag != IGNORED] for example in data]
    assert [len(guess) for guess in guesses] == [len(tags) for tags in gold]
    flat = [(g, t) for guess, tags in zip(guesses, gold, strict=True) for g, t in zip(guess, tags, strict=True)]
    assert sum(g == t for g, t in flat) / len(flat) > 0.9


def test_classes_are_learnt_and_predicted_in_order() -> None:
    data = examples(per_token=False)
    model = train(data)
    guesses = predict(model, data, pad_id=0, batch_size=7)
    assert sum(g == e.label for g, e in zip(guesses, data, strict=True)) / len(data) > 0.8
    assert guesses == [predict(model, [example], pad_id=0)[0] for example in data]


@pytest.mark.parametrize("same", [True, False])
def test_the_seed_decides_everything(same: bool) -> None:
    data = examples(per_token=False, count=16)
    first, second = (train(data, seed).head.state_dict() for seed in (1, 1 if same else 2))
    assert all(torch.equal(first[name], second[name]) for name in first) == same
