"""From a recipe to what is ready to train."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.training import device_batch_tokens, setup
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import Layout, MaskedSteps, Sampler
from lrl_adapt.training.masking import Masking
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.precision import make_accelerator
from lrl_adapt.workspace.errors import UserError

from .models import tiny
from .test_batches import Counting
from .test_mlm import masked_rows


def recipe(**training) -> Recipe:
    given = {"language": "swh", "base": {"from_scratch": {}}, "corpus": {}, "training": training}
    return Recipe.model_validate(given)


def feed(*sizes: int) -> MaskedSteps:
    sampler = Sampler(Counting([*sizes]), 400, None, 0)
    return MaskedSteps([sampler], Masking(4, np.arange(5), 97, 0.3), Layout(0, True), 0)


class Narrow:
    """A GPU's model with room for so many tokens."""

    def __init__(self, room: int) -> None:
        self.room, self.tried = room, []

    def __call__(self, input_ids, **_):
        self.tried.append(input_ids.numel())
        if input_ids.numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros((), requires_grad=True)

    def train(self) -> None: ...

    def zero_grad(self, set_to_none: bool) -> None: ...

    def parameters(self) -> list:
        return []


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    import contextlib

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(device_batch_tokens, "to_device", lambda batch, device: batch)
    device = SimpleNamespace(type="cuda")
    return SimpleNamespace(
        device=device, num_processes=1, autocast=contextlib.nullcontext, gather=lambda found: torch.tensor([found, 999])
    )


def test_the_longest_sequences_are_tried_first_and_the_batch_halved_until_it_fits(
    gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "tensor", lambda values, device=None: torch.as_tensor(values))
    monkeypatch.setattr(torch, "empty", lambda size, dtype=None, device=None: None)
    model = Narrow(120)
    assert device_batch_tokens.find_device_tokens(model, feed(10, 40, 20), gpu) == 110  # of 440
    assert model.tried == [440, 200, 80]
    with pytest.raises(UserError, match="not even one sequence of 40 tokens"):
        device_batch_tokens.find_device_tokens(Narrow(30), feed(10, 40, 20), gpu)


def test_graph_share_divides_the_batch() -> None:
    data = [Counting([10] * 300), Counting([10] * 100)]
    by_size = setup._samplers(data, recipe(batch_tokens=400).training)
    assert [sampler.batch_tokens for sampler in by_size] == [300, 100]
    stated = setup._samplers(data, recipe(batch_tokens=400, graph_share=0.5, batch_sequences=16).training)
    assert [(sampler.batch_tokens, sampler.batch_sequences) for sampler in stated] == [(200, 8), (200, 8)]


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3", "full"])
def test_a_base_in_bf16_trains_every_type_with_its_own_weights_in_fp32(kind: str) -> None:
    base = tiny("bert")
    of_base = list(base.parameters())
    adapted = language_adapter(base, recipe().adapter.model_copy(update={"type": kind, "reduction_factor": 4}))
    setup.freeze_in(of_base, torch.bfloat16)
    model = MaskedLM(adapted).train()
    accelerator, _ = make_accelerator("bf16")
    with accelerator.autocast():
        loss = model(**model.layout.batch(*masked_rows()))
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert loss.isfinite()
    assert {p.dtype for p in trained} == {p.grad.dtype for p in trained if p.grad is not None} == {torch.float32}
    assert sum(p.grad is not None for p in trained) > len(trained) / 2
    if kind != "full":
        assert base.get_input_embeddings().weight.dtype == torch.bfloat16


def test_activation_checkpointing_changes_no_gradient() -> None:
    def gradients(checkpointed: bool) -> list[torch.Tensor]:
        base = tiny("xlm-roberta")
        adapted = language_adapter(base, recipe().adapter.model_copy(update={"reduction_factor": 4}))
        if checkpointed:
            setup.checkpoint_activations(base)
        model = MaskedLM(adapted).train()
        torch.manual_seed(0)
        model(**model.layout.batch(*masked_rows())).backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    torch.testing.assert_close(gradients(True), gradients(False))


class Ears:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


@pytest.mark.parametrize(("unknown", "warned"), [(2, False), (30, True)])
def test_a_script_that_the_base_cannot_read_is_told(unknown: int, warned: bool) -> None:
    facts = {"train": {"words": 80, "pieces": 100, "unknown_pieces": unknown}}
    ears = Ears()
    result = setup._report_reading([SimpleNamespace(manifest=lambda: {"facts": facts})], ears)
    assert result == {"tokens_per_word": 1.25, "unknown_share": unknown / 100}
    assert ears.heard[0] == f"the base's tokenizer: 1.25 tokens per word, {unknown / 100:.1%} of them unknown"
    assert any("its vocabulary lacks the script" in line for line in ears.heard[1:]) == warned


def test_the_key_leaves_out_what_only_the_machine_cares_for(tmp_path: Path) -> None:
    same = recipe(logging_steps=3, save_steps=7, device_batch_tokens=9, report_to="tensorboard").training.settings()
    assert same == recipe().training.settings()
    assert recipe(early_stopping_patience=3).training.settings() != recipe().training.settings()


class Line:
    """A validation set of a single sequence."""

    def __init__(self, ids: list[int]) -> None:
        self.ids, self.lengths = np.array(ids), np.array([len(ids)])

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        return [self.ids for _ in numbers]


def test_even_a_short_validation_line_asks_for_something() -> None:
    model = SimpleNamespace(layout=Layout(0, True))
    masking = Masking(4, np.arange(5), 97, 0.15)
    for word in range(5, 90):
        (batch,) = setup.validation_batches([Line([1, word, 2])], masking, model, recipe().training)
        assert (batch["labels"] == torch.tensor([[-100, word, -100]])).all()
    with pytest.raises(UserError, match=r"no tokens to predict in the validation text: all of it is \[UNK\]"):
        setup.validation_batches([Line([1, 3, 3, 2])], masking, model, recipe().training)


class Lines(Counting):
    """Sequences of one id each, as long as `lengths` say."""

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        return [np.full(self.lengths[number], 7) for number in numbers]


def test_validation_batches_are_as_large_as_the_recipe_says() -> None:
    model, masking = SimpleNamespace(layout=Layout(0, True)), Masking(4, np.arange(5), 97, 0.15)
    for tokens, count in ((400, 1), (100, 4)):
        settings = recipe(validation_batch_tokens=tokens).training
        batches = setup.validation_batches([Lines([10] * 40)], masking, model, settings)
        assert [batch["input_ids"].numel() for batch in batches] == [tokens] * count
