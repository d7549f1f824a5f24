from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.recipes.training import TaskTraining
from lrl_adapt.training.adapters import fuse_adapters, language_adapter, stack_task_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.batches import collate
from lrl_adapt.training.families import FAMILIES as KNOWN
from lrl_adapt.training.loop import LoopSettings, training_loop
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.memory import peak_memory
from lrl_adapt.training.task_adapter import load_task, predict, save_task, train_task
from lrl_adapt.training.task_model import Example, TaskModel, make_batch
from lrl_adapt.workspace.progress import Quiet

from .models import FAMILIES, batch, shake, tiny

FAST = TaskTraining(num_train_epochs=25, learning_rate=1e-2, batch_size=8, reduction_factor=4)


def examples(per_token: bool, count: int = 40) -> list[Example]:
    """Class = first real token; tag = parity of the token, asked at every second place."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for _ in range(count):
        ids = [
            2,
            *torch.randint(10, 14, (int(torch.randint(3, 7, (), generator=generator)),), generator=generator).tolist(),
        ]
        tags = [IGNORE_INDEX if place % 2 == 0 else id_ % 2 for place, id_ in enumerate(ids)]
        result.append(Example(ids, tags if per_token else int(ids.count(10) > 1)))
    return result


def train(data: list[Example], seed: int = 1) -> TaskModel:
    return train_task(tiny("bert"), None, data, data[:10], 2, FAST, precision="auto", seed=seed)


def test_tags_are_learnt_and_told_for_asked_places_only() -> None:
    data = examples(per_token=True)
    guesses = predict(train(data), data)
    gold = [[tag for tag in example.label if tag != IGNORE_INDEX] for example in data]
    assert [len(guess) for guess in guesses] == [len(tags) for tags in gold]
    flat = [(g, t) for guess, tags in zip(guesses, gold, strict=True) for g, t in zip(guess, tags, strict=True)]
    assert sum(g == t for g, t in flat) / len(flat) > 0.9


def test_classes_are_learnt_and_predicted_in_order() -> None:
    data = examples(per_token=False)
    model = train(data)
    guesses = predict(model, data, batch_size=7)
    assert sum(g == e.label for g, e in zip(guesses, data, strict=True)) / len(data) > 0.8
    assert guesses == [predict(model, [example])[0] for example in data]


@pytest.mark.parametrize("family", ["bert", "distilbert", "deberta-v2"])
def test_mean_pooling_is_the_mean_over_each_texts_tokens(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TaskModel(stack_task_adapter(tiny(family), None, 4), 3, per_token=False, pooling="mean").eval()
    shake(model.adapted)
    data = sorted(examples(per_token=False, count=8), key=lambda example: len(example.input_ids))
    encoder = model.adapted.get_base_model()
    texts = [torch.tensor([example.input_ids]) for example in data]
    means = [encoder(text, output_hidden_states=True).hidden_states[-1][0].mean(0) for text in texts]
    expected = model.head(torch.stack(means))
    assert not torch.allclose(expected, model.head(torch.zeros_like(torch.stack(means))))
    padded = collate([example.input_ids for example in data], 0)
    torch.testing.assert_close(model.logits(**padded), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.labelled_logits(**make_batch(data, model.layout)), expected, atol=1e-5, rtol=1e-5)
    assert predict(model, data) == expected.argmax(-1).tolist()
    save_task(model, ["a", "b", "c"], tmp_path / "task")
    loaded, _ = load_task(tiny(family), None, tmp_path / "task")
    assert predict(loaded, data) == predict(model, data)
    torch.testing.assert_close(loaded.logits(**padded), expected, atol=1e-5, rtol=1e-5)


def test_pooling_enters_the_key_of_texts_alone_where_it_is_set() -> None:
    mean = TaskTraining(pooling="mean")
    assert mean.settings(tags=False)["pooling"] == "mean"
    assert mean.settings(tags=True) == TaskTraining().settings(tags=True)
    assert "pooling" not in TaskTraining().settings(tags=False)


@pytest.mark.parametrize("per_token", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_side_by_side_or_padded_the_answers_are_the_same(family: str, per_token: bool) -> None:
    torch.manual_seed(0)
    model = TaskModel(stack_task_adapter(tiny(family), None, 4), 3, per_token=per_token).eval()
    shake(model.adapted)
    data = sorted(examples(per_token, count=8), key=lambda example: len(example.input_ids))
    packed = make_batch(data, model.layout)
    assert ("packing" in packed) == KNOWN[family].supports_packing
    padded = collate([example.input_ids for example in data], 0)
    want = model.logits(**padded)
    if per_token:
        asked = [
            (row, place) for row, one in enumerate(data) for place, tag in enumerate(one.label) if tag != IGNORE_INDEX
        ]
        want = torch.stack([want[row, place] for row, place in asked])
    torch.testing.assert_close(model.labelled_logits(**packed), want, atol=1e-5, rtol=1e-5)
    labels = torch.tensor(
        [tag for one in data for tag in (one.label if per_token else [one.label]) if tag != IGNORE_INDEX]
    )
    loss = torch.nn.functional.cross_entropy(want, labels, reduction="sum")
    torch.testing.assert_close(model(**packed), loss, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [None, "seq_bn_inv", "lora", "full", "fusion"])
@pytest.mark.parametrize("per_token", [True, False])
def test_a_saved_task_adapter_with_its_head_predicts_the_same(
    kind: str | None, per_token: bool, tmp_path: Path
) -> None:
    below = language(tmp_path, kind) if kind else None
    data = examples(per_token, count=8)
    quick = FAST.model_copy(update={"num_train_epochs": 1})
    model = train_task(tiny("bert"), below, data, data, 2, quick, precision="auto", seed=1)
    save_task(model, ["hapana", "ndiyo"], tmp_path / "task")
    again, labels = load_task(tiny("bert"), below, tmp_path / "task")
    assert labels == ["hapana", "ndiyo"]
    want = model.eval().logits(**batch())
    assert torch.equal(again.logits(**batch()), want)
    assert not any(parameter.requires_grad for parameter in again.parameters())
    names = {"adapter_config.json", "adapter_model.safetensors", "head.safetensors", "task.json"}
    assert {file.name for file in (tmp_path / "task").iterdir()} == names


def language(folder: Path, kind: str) -> Path:
    """A saved language adapter with random weights."""
    if kind == "fusion":
        parts = {name: language(folder / name, "seq_bn") for name in ("text", "graph")}
        model = fuse_adapters(tiny("bert"), parts)
    else:
        model = language_adapter(tiny("bert"), Adapter(type=kind))
    shake(model)
    (folder / "language").mkdir(parents=True)
    save_adapter(model, folder / "language")
    return folder / "language"


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.slow
def test_the_seed_decides_everything(same: bool) -> None:
    data = examples(per_token=False, count=16)
    first, second = (train(data, seed).head.state_dict() for seed in (1, 1 if same else 2))
    assert all(torch.equal(first[name], second[name]) for name in first) == same


def test_schedule_clipping_and_dropout_are_the_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(model: TaskModel, feed: Any, schedule: LoopSettings, *more: Any) -> Any:
        seen.append((model, schedule))
        return training_loop(model, feed, schedule, *more)

    monkeypatch.setattr("lrl_adapt.training.task_adapter.training_loop", record)
    data = examples(per_token=False, count=8)
    settings = FAST.model_copy(
        update={"num_train_epochs": 1, "dropout": 0.25, "max_grad_norm": 3.0, "lr_scheduler_type": "cosine"}
    )
    train_task(tiny("bert"), None, data, data, 2, settings, precision="auto", seed=1)
    ((model, schedule),) = seen
    assert (schedule.lr_scheduler_type, schedule.max_grad_norm) == ("cosine", 3.0)
    assert {module.p for module in model.head if isinstance(module, torch.nn.Dropout)} == {0.25}


class Table(Quiet):
    """Keeps what a live table would show."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def status(self, facts: Mapping[str, str]) -> None:
        self.shown.append(dict(facts))


def test_the_live_table_shows_the_memory_that_training_takes() -> None:
    table, data = Table(), examples(per_token=False, count=8)
    settings = FAST.model_copy(update={"num_train_epochs": 2})
    train_task(tiny("bert"), None, data, data, 2, settings, precision="auto", seed=1, progress=table)
    assert len(table.shown) == 2
    memory = [float(facts["memory"].removesuffix(" GB")) for facts in table.shown]
    assert min(memory) > 0.1  # PyTorch alone takes more
    if not torch.cuda.is_available():
        assert memory[-1] == pytest.approx(peak_memory(torch.device("cpu")) / 1e9, abs=0.06)
