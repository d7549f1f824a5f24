"""Packed rows of ModernBERT, whose blocks attend to everything or to a window, against its own forward."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from lrl_adapt.training.fast.packing import Group, encode
from lrl_adapt.training.masking import IGNORE_INDEX
from lrl_adapt.training.mlm import MaskedLM
from transformers import ModernBertConfig, ModernBertForMaskedLM

SIZES = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 5, "num_attention_heads": 4, "intermediate_size": 48}
EDGES = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
LENGTHS = [3, 40, 64, 65, 66, 66, 129, 150, 300]  # around 64, the reach of a window of 128, and well beyond


def modernbert(**changes: Any) -> Any:
    torch.manual_seed(0)
    model = ModernBertForMaskedLM(ModernBertConfig(**SIZES, **EDGES, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def sequences() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(1)
    ids = [rng.integers(5, 97, length) for length in LENGTHS]
    return ids, [np.where(rng.random(len(row)) < 0.3, row, IGNORE_INDEX) for row in ids]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_row_has_the_loss_and_gradients_of_each_sequence_alone(attention: str) -> None:
    plain = modernbert()
    assert plain.config.layer_types[:2] == ["full_attention", "sliding_attention"]
    assert plain.config.sliding_window == 64
    model = MaskedLM(copy.deepcopy(plain)).eval()
    plain.set_attn_implementation(attention)
    ids, labels = sequences()
    expected = sum(
        torch.nn.functional.cross_entropy(
            plain(torch.tensor(row[None])).logits[0], torch.tensor(asked), reduction="sum"
        )
        for row, asked in zip(ids, labels, strict=True)
    )
    batch = model.layout.batch(ids, labels)
    assert batch["input_ids"].shape == (1, sum(LENGTHS))
    groups = batch["packing"].groups
    assert any(group.mask is not None and group.longest > 65 for group in groups)
    assert any(group.mask is None and group.longest > 65 for group in groups)
    result = model(**batch)
    torch.testing.assert_close(result / expected, torch.tensor(1.0), atol=1e-5, rtol=0)
    weights = dict(plain.named_parameters())
    gradients = torch.autograd.grad(expected, list(weights.values()))
    ours = torch.autograd.grad(result, list(model.model.parameters()))
    for (name, weight), own, other in zip(weights.items(), ours, gradients, strict=True):
        assert own.shape == weight.shape, name
        assert float((own - other).abs().max() / other.abs().max()) < 1e-5, name


def test_with_dropout_a_token_sees_as_far_as_its_windows_reach() -> None:
    layer_types = ["sliding_attention"] * SIZES["num_hidden_layers"]
    model = MaskedLM(modernbert(attention_dropout=0.1, local_attention=8, layer_types=layer_types)).train()
    ids, labels = sequences()
    batch = model.layout.batch(ids[-3:-1], labels[-3:-1])  # 129 and 150 tokens, in one group
    assert len(batch["packing"].groups) == 1
    embedded: list[torch.Tensor] = []
    model.encoder.embeddings.register_forward_hook(lambda _, __, output: embedded.append(output))
    hidden = encode(model.encoder, batch["input_ids"], position_ids=batch["position_ids"], packing=batch["packing"])
    (gradient,) = torch.autograd.grad(hidden[0, 120].square().sum(), embedded[0])
    reach = 5 * 4  # blocks, and tokens to either side
    seen = gradient[0].abs().sum(-1).nonzero().flatten().tolist()
    assert seen == list(range(120 - reach, 129))


def test_padding_has_something_to_attend_to() -> None:
    group = Group.from_lengths(np.array([2, 9]))
    mask = group.attention_mask(3, torch.device("cpu"))
    assert mask is not None
    assert mask.any(-1).all()
    near = [[abs(query - key) < 3 for key in range(9)] for query in range(9)]
    assert mask[1, 0].tolist() == near
    assert mask[0, 0, :2].tolist() == [[True, True, *[False] * 7]] * 2
    assert group.attention_mask(9, torch.device("cpu")) is group.attention_mask(None, torch.device("cpu")) is group.mask
