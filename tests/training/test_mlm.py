"""The fast path against the standard full-logits loss, and masking by its own definition."""

import re

import numpy as np
import pytest
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.batches import to_device
from lrl_adapt.training.families import FAMILIES as KNOWN
from lrl_adapt.training.fast import fused_cross_entropy
from lrl_adapt.training.masking import IGNORE_INDEX, Masking, random_for
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.wordpiece import train_tokenizer

from ..tiny_tokenizers import FAMILIES as TOKENIZERS
from .models import FAMILIES, batch, shake, tiny


def masking(probability: float = 0.15) -> Masking:
    return Masking(mask_token_id=4, special_ids=np.arange(5), vocab_size=97, mlm_probability=probability)


def masked_rows(probability: float = 0.5, sizes=(9, 4, 6, 9, 2)) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(3)
    pairs = [masking(probability).apply(rng.integers(5, 97, size), random_for(0, n)) for n, size in enumerate(sizes)]
    return [ids for ids, _ in pairs], [labels for _, labels in pairs]


def padded(ids: list[np.ndarray], labels: list[np.ndarray]) -> dict[str, torch.Tensor]:
    longest = max(map(len, ids))
    fill = lambda rows, value: torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])  # noqa: E731
    mask = fill([np.ones_like(row) for row in ids], 0)
    return {"input_ids": fill(ids, 0), "attention_mask": mask, "labels": fill(labels, IGNORE_INDEX)}


@pytest.mark.parametrize(("rows", "classes"), [(3, 40), (512, 97)], ids=["several blocks", "one block"])
@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_equal_those_of_full_logits(
    family: str, kind: str, rows: int, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_cross_entropy, "CPU_ROWS", rows)
    monkeypatch.setattr(fused_cross_entropy, "CPU_LOGITS_BYTES", 4 * rows * classes)
    ids, labels = masked_rows()
    adapted = language_adapter(tiny(family), Adapter(type=kind, reduction_factor=4)).eval()
    shake(adapted)
    trainable = [p for p in adapted.parameters() if p.requires_grad]
    full = padded(ids, labels)
    places = (full["labels"] != IGNORE_INDEX).sum()
    standard = adapted(**full).loss
    expected = torch.autograd.grad(standard, trainable, allow_unused=True, materialize_grads=True)
    model = MaskedLM(adapted)
    packed = model.layout.batch(ids, labels)
    assert ("packing" in packed) == KNOWN[family].supports_packing
    for given in (full, packed):
        loss = model(**given) / places
        result = torch.autograd.grad(loss, trainable, allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(loss, standard, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_a_packed_row_costs_no_padding_and_keeps_sequences_apart() -> None:
    model = MaskedLM(tiny("bert")).eval()
    ids, labels = masked_rows(sizes=(3, 40, 5))
    row = model.layout.batch(ids, labels)
    assert row["input_ids"].shape == (1, 48)
    alone = sum(model(**model.layout.batch([one], [asked])) for one, asked in zip(ids, labels, strict=True))
    torch.testing.assert_close(model(**row), alone)
    assert to_device(row, torch.device("cpu"))["packing"] == row["packing"]


def test_logits_are_those_at_the_asked_places() -> None:
    model, given = tiny("bert"), batch()
    asked = torch.zeros_like(given["input_ids"], dtype=torch.bool)
    asked[0, 2] = asked[2, 1] = True
    full = model(**given).logits
    torch.testing.assert_close(MaskedLM(model).logits(**given, positions=asked), torch.stack([full[0, 2], full[2, 1]]))


@pytest.mark.parametrize("kind", ["seq_bn_inv", "double_seq_bn", "par_bn", "lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_with_one_place_a_sequence_the_last_block_does_no_more_and_finds_the_same(family: str, kind: str) -> None:
    adapted = language_adapter(tiny(family), Adapter(type=kind, reduction_factor=4)).eval()
    shake(adapted)
    given = batch()
    full = adapted(**given).logits
    asked = torch.zeros_like(given["input_ids"], dtype=torch.bool)
    asked[range(3), [5, 0, 3]] = True
    model = MaskedLM(adapted)
    lengths = []
    for name, module in model.named_modules():
        if re.search(r"(encoder\.layer\.1\.intermediate|layers\.1\.mlp\.(base_layer\.)?Wi)$", name):
            module.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    torch.testing.assert_close(model.logits(**given, positions=asked), full[asked], atol=1e-5, rtol=1e-5)
    narrow = {"bert", "roberta", "xlm-roberta", "electra", "modernbert"}
    assert lengths == ([1] if family in narrow else [9] * len(lengths))
    asked[0, 1] = True
    torch.testing.assert_close(model.logits(**given, positions=asked), full[asked], atol=1e-5, rtol=1e-5)


def test_an_adapter_put_on_later_is_not_passed_by() -> None:
    base = tiny("bert")
    model = MaskedLM(base)
    adapted = language_adapter(base, Adapter(type="double_seq_bn", reduction_factor=4)).eval()
    shake(adapted)
    given = batch()
    asked = torch.zeros_like(given["input_ids"], dtype=torch.bool)
    asked[range(3), [5, 2, 3]] = True
    torch.testing.assert_close(
        model.logits(**given, positions=asked), adapted(**given).logits[asked], atol=1e-5, rtol=1e-5
    )


def test_a_batch_without_masked_place_has_no_loss() -> None:
    given = batch()
    labels = torch.full_like(given["input_ids"], IGNORE_INDEX)
    assert MaskedLM(tiny("bert"))(**given, labels=labels).item() == 0.0


def test_the_loss_under_bf16_autocast_is_near_that_in_fp32() -> None:
    model, rows = MaskedLM(tiny("bert")).eval(), masked_rows()
    exact = model(**model.layout.batch(*rows))
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**model.layout.batch(*rows))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.03, atol=0.03)


def test_masking_takes_15_percent_and_splits_80_10_10() -> None:
    ids = np.random.default_rng(0).integers(5, 97, 100_000)
    masked, labels = masking().apply(ids, random_for(1))
    chosen = labels != IGNORE_INDEX
    assert np.array_equal(labels[chosen], ids[chosen])
    assert np.array_equal(masked[~chosen], ids[~chosen])
    assert chosen.mean() == pytest.approx(0.15, abs=0.005)
    assert (masked[chosen] == 4).mean() == pytest.approx(0.8, abs=0.02)
    assert (masked[chosen] == ids[chosen]).mean() == pytest.approx(0.1, abs=0.02)


def test_special_tokens_and_unknown_ones_are_never_masked() -> None:
    ids = np.tile(np.arange(97), 50)
    masked, labels = masking(0.9).apply(ids, random_for(2))
    assert (labels[ids < 5] == IGNORE_INDEX).all()
    assert np.array_equal(masked[ids < 5], ids[ids < 5])


def test_masks_depend_on_their_numbers_alone() -> None:
    ids = np.random.default_rng(0).integers(5, 97, 300)
    first, again, other = (masking().apply(ids, random_for(7, 0, number)) for number in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[1], other[1])


def test_whole_words_are_masked_with_all_their_pieces_or_not_at_all() -> None:
    texts = ["mwanafunzi anasoma kitabu", "wanafunzi wanasoma vitabu vikubwa"] * 30
    tokenizer = train_tokenizer(texts, 24)
    ids = np.concatenate([tokenizer(text)["input_ids"] for text in texts])
    masking = Masking.from_tokenizer(tokenizer, 0.3, whole_word_mask=True)
    _, labels = masking.apply(ids, random_for(0))
    pieces = tokenizer.convert_ids_to_tokens(ids.tolist())
    chosen = labels != IGNORE_INDEX
    goes_on = np.array([piece.startswith("##") for piece in pieces])
    assert goes_on.sum() > len(ids) / 4
    assert (chosen[1:][goes_on[1:]] == chosen[:-1][goes_on[1:]]).all()
    starts = ~goes_on & ~np.isin(ids, tokenizer.all_special_ids)
    assert chosen[starts].mean() == pytest.approx(0.3, abs=0.1)
    assert not chosen[np.isin(ids, tokenizer.all_special_ids)].any()


@pytest.mark.parametrize("family", ["byte-level BPE", "byte-fallback BPE"])
def test_the_first_word_of_a_line_is_masked_apart_from_the_line_before(family: str) -> None:
    tokenizer = TOKENIZERS[family](["leo mvua kesho jua"] * 20)
    ids = np.tile(tokenizer("leo\nmvua", add_special_tokens=False)["input_ids"], 2000)
    masking = Masking.from_tokenizer(tokenizer, 0.5, whole_word_mask=True)
    _, labels = masking.apply(ids, random_for(0))
    chosen = (labels != IGNORE_INDEX).reshape(2000, -1)
    before, after = chosen[:, 0], chosen[:, -1]
    assert (before == after).mean() == pytest.approx(0.5, abs=0.05)  # by chance only
