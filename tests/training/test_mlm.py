"""The masked-only head against the standard full-logits loss, and masking by its own definition."""

import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training import mlm
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.data import IGNORED
from lrl_adapt.training.masking import Masking, generator_for

from .models import FAMILIES, batch, shake, tiny


def masking(probability: float = 0.15) -> Masking:
    return Masking(mask_id=4, special_ids=torch.arange(5), vocab_size=97, probability=probability)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_equal_those_of_full_logits(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlm, "HEAD_ROWS", 3)  # several pieces
    masked = masking(0.5).apply(batch(), generator_for(0))
    adapted = language_adapter(tiny(family), Adapter(reduction_factor=4)).eval()
    shake(adapted)
    trainable = [p for p in adapted.parameters() if p.requires_grad]
    loss = mlm.MaskedLM(adapted)(**masked)
    gradients = torch.autograd.grad(loss, trainable)
    standard = adapted(**masked).loss
    torch.testing.assert_close(loss, standard, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients, torch.autograd.grad(standard, trainable), atol=1e-5, rtol=1e-5)


def test_logits_are_those_at_the_asked_places() -> None:
    model, given = tiny("bert"), batch()
    asked = torch.zeros_like(given["input_ids"], dtype=torch.bool)
    asked[0, 2] = asked[2, 1] = True
    full = model(**given).logits
    torch.testing.assert_close(mlm.MaskedLM(model).logits(**given, places=asked), torch.stack([full[0, 2], full[2, 1]]))


def test_a_batch_without_masked_place_has_no_loss() -> None:
    given = batch()
    labels = torch.full_like(given["input_ids"], IGNORED)
    assert mlm.MaskedLM(tiny("bert"))(**given, labels=labels).item() == 0.0


def test_masking_takes_15_percent_and_splits_80_10_10() -> None:
    ids = torch.randint(5, 97, (200, 500), generator=torch.Generator().manual_seed(0))
    masked = masking().apply({"input_ids": ids}, generator_for(1))
    chosen = masked["labels"] != IGNORED
    assert torch.equal(masked["labels"][chosen], ids[chosen])
    assert torch.equal(masked["input_ids"][~chosen], ids[~chosen])
    assert float(chosen.float().mean()) == pytest.approx(0.15, abs=0.005)
    new, old = masked["input_ids"][chosen], ids[chosen]
    assert float((new == 4).float().mean()) == pytest.approx(0.8, abs=0.02)
    assert float((new == old).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_special_tokens_and_unknown_ones_are_never_masked() -> None:
    ids = torch.arange(97).repeat(50, 1)
    masked = masking(0.9).apply({"input_ids": ids}, generator_for(2))
    assert (masked["labels"][:, :5] == IGNORED).all()
    assert torch.equal(masked["input_ids"][:, :5], ids[:, :5])


def test_masks_depend_on_their_numbers_alone() -> None:
    torch.manual_seed(1)
    first = masking().apply(batch(), generator_for(7, 0, 3))
    torch.manual_seed(2)
    again, other = masking().apply(batch(), generator_for(7, 0, 3)), masking().apply(batch(), generator_for(7, 0, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["labels"], other["labels"])
