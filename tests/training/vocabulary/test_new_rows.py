"""New rows beside a base's frozen ones: the same numbers as in one longer matrix, saved and loaded with an adapter."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter, load_adapters
from lrl_adapt.training.adapters import load_adapter as put_adapter_on
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.artifacts import TRAINED_ROWS
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.mlm import MaskedLM
from lrl_adapt.training.setup import freeze_in
from lrl_adapt.training.vocabulary.files import add_new_pieces, save_new_pieces, tokenizer_of
from lrl_adapt.training.vocabulary.layers import (
    ExtendedEmbedding,
    append_rows,
    split_vocabulary,
    trained_rows,
    unfreeze_trained_rows,
)
from lrl_adapt.workspace.errors import UserError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from ...eval.made import make_base
from ..models import FAMILIES, batch, shake, tiny
from .test_new_pieces import TIBETAN, learn

SIZE, NEW = 97, 6


def rows(width: int) -> torch.Tensor:
    return torch.randn(NEW, width, generator=torch.Generator().manual_seed(2)) * 0.2


def ids_with_new_ones() -> dict[str, torch.Tensor]:
    inputs = batch()
    inputs["input_ids"][0, 2:5] = torch.tensor([SIZE, SIZE + 3, SIZE + NEW - 1])
    return inputs


@pytest.mark.parametrize("family", FAMILIES)
def test_split_rows_are_those_of_one_longer_matrix(family: str) -> None:
    split, whole = tiny(family), tiny(family)
    width = whole.get_input_embeddings().weight.shape[1]
    split_vocabulary(split, SIZE, rows(width), trained=True)
    tensors = trained_rows(split)
    assert torch.equal(tensors["rows"], rows(width))
    append_rows(whole, SIZE, tensors)
    want = whole(**ids_with_new_ones()).logits
    assert want.shape[-1] == SIZE + NEW
    torch.testing.assert_close(split(**ids_with_new_ones()).logits, want, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(tensor, trained_rows(whole)[name]) for name, tensor in tensors.items())


def test_new_rows_in_fp32_beside_a_base_in_bf16() -> None:
    model: Any = tiny("bert")
    split_vocabulary(model, SIZE, rows(32), trained=True)
    embedding = model.get_input_embeddings()
    embedding.old.to(torch.bfloat16)
    ids = torch.tensor([0, SIZE + 1])
    want = torch.stack([embedding.old.weight[0], rows(32)[1].bfloat16()])
    assert torch.equal(embedding(ids), want)


def test_the_padding_rows_of_a_base_give_way_to_the_new_ones() -> None:
    split, whole = tiny("bert"), tiny("bert")
    split_vocabulary(split, SIZE - 10, rows(32), trained=False)
    append_rows(whole, SIZE - 10, trained_rows(split))
    inputs = batch()
    inputs["input_ids"] = inputs["input_ids"].clamp(max=SIZE - 10 + NEW - 1)
    torch.testing.assert_close(split(**inputs).logits, whole(**inputs).logits, atol=1e-5, rtol=1e-5)
    assert whole.get_input_embeddings().num_embeddings == SIZE - 10 + NEW


@pytest.mark.parametrize("kind", ["seq_bn", "seq_bn_inv", "lora"])
def test_the_loss_and_the_new_rows_gradients_are_those_of_one_longer_matrix(kind: str) -> None:
    labels = torch.full((3, 9), -100)
    labels[0, :6] = torch.tensor([SIZE + 1, 8, SIZE + 3, 50, SIZE, 96])
    losses, gradients = [], []
    for is_split in (True, False):
        base: Any = tiny("bert")
        if is_split:
            split_vocabulary(base, SIZE, rows(32), trained=True)
        else:
            bias = base.get_output_embeddings().bias.detach().mean()
            append_rows(base, SIZE, {"rows": rows(32), "bias": bias.expand(NEW)})
        embedding = base.get_input_embeddings()
        decoder = base.get_output_embeddings()
        torch.manual_seed(1)
        model = language_adapter(base, Adapter(type=kind, reduction_factor=4))
        shake(model)
        if is_split:
            unfreeze_trained_rows(model)
            embedding, decoder = embedding.new, decoder.new
        else:
            embedding.weight.requires_grad_(True)
            decoder.bias.requires_grad_(True)
        loss = MaskedLM(model).train(False)(**ids_with_new_ones(), labels=labels)
        loss.backward()
        losses.append(loss.detach())
        gradients.append([embedding.weight.grad[-NEW:], decoder.bias.grad[-NEW:]])
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        assert not is_split or not any(".old." in name for name in trained)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-5)
    assert gradients[0][0].abs().min(1).values.max() > 0


def test_new_rows_are_trained_beside_a_base_that_is_frozen_in_bf16() -> None:
    labels = torch.full((3, 9), -100)
    labels[0, :6] = torch.tensor([SIZE + 1, 8, SIZE + 3, 50, SIZE, 96])
    losses, gradients = [], []
    for dtype in (torch.float32, torch.bfloat16):
        base = tiny("bert")
        split_vocabulary(base, SIZE, rows(32), trained=True)
        of_base = list(base.parameters())
        model = language_adapter(base, Adapter(type="seq_bn", reduction_factor=4))
        unfreeze_trained_rows(model)
        freeze_in(of_base, dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = MaskedLM(model).train(False)(**ids_with_new_ones(), labels=labels)
        loss.backward()
        losses.append(loss.detach().float())
        embedding = next(module for module in model.modules() if isinstance(module, ExtendedEmbedding))
        gradients.append(embedding.new.weight.grad)
    torch.testing.assert_close(losses[1], losses[0], atol=0, rtol=0.02)
    assert torch.cosine_similarity(gradients[0].flatten(), gradients[1].flatten(), dim=0) > 0.99


@pytest.fixture(params=["seq_bn_inv", "lora", "full"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, torch.Tensor]:
    """An adapter with new Tibetan pieces in a folder, and its logits on Tibetan text."""
    base = make_base(tmp_path)
    model: Any = load_masked_lm(str(base.folder), None, "base")
    tokenizer = load_tokenizer(str(base.folder), None, "base")
    extended, pieces = learn(tokenizer, TIBETAN)
    new = torch.randn(len(pieces), 32, generator=torch.Generator().manual_seed(2))
    if request.param == "full":
        append_rows(model, len(tokenizer), {"rows": new, "bias": torch.zeros(len(pieces))})
    else:
        split_vocabulary(model, len(tokenizer), new, trained=True)
    adapted = language_adapter(model, Adapter(type=request.param, reduction_factor=4)).eval()
    unfreeze_trained_rows(adapted)
    shake(adapted)
    folder = tmp_path / "adapter"
    folder.mkdir()
    save_adapter(adapted, folder)
    save_new_pieces(adapted, extended, folder)
    return folder, adapted(**extended(TIBETAN[0], return_tensors="pt")).logits.detach()


def test_an_adapter_with_new_pieces_is_the_same_once_loaded(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    folder, want = adapter
    model, tokenizer = load_adapter(folder)
    inputs = tokenizer(TIBETAN[0], return_tensors="pt")
    assert tokenizer.unk_token_id not in inputs["input_ids"]
    torch.testing.assert_close(model(**inputs).logits, want, atol=1e-5, rtol=1e-5)
    base = make_base(tmp_path).folder
    again = put_adapter_on(load_masked_lm(str(base), None, "base"), folder)
    torch.testing.assert_close(again(**inputs).logits, want, atol=1e-5, rtol=1e-5)
    (prediction,) = fill_mask("བོད་[MASK]", adapters=[folder], top=1)
    with torch.no_grad():
        ids = tokenizer(f"བོད་{tokenizer.mask_token}", return_tensors="pt")
        best = int(model(**ids).logits[ids["input_ids"] == tokenizer.mask_token_id].argmax())
    assert prediction.candidates[0].token == tokenizer.convert_ids_to_tokens(best)
    if (folder / "adapter_config.json").is_file():
        assert json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["peft_type"]


@pytest.mark.parametrize("adapter", ["lora"], indirect=True)
def test_exports_keep_the_new_pieces(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    folder, want = adapter
    export(folder, tmp_path / "merged", format="merged")
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "merged")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    inputs = tokenizer(TIBETAN[0], return_tensors="pt")
    torch.testing.assert_close(model(**inputs).logits, want, atol=1e-4, rtol=1e-4)
    export(folder, tmp_path / "small", format="peft", bits=8)
    small, own = load_adapter(tmp_path / "small")
    assert small(**own(TIBETAN[0], return_tensors="pt")).logits.shape == want.shape
    assert (tmp_path / "small" / TRAINED_ROWS).read_bytes() == (folder / TRAINED_ROWS).read_bytes()


@pytest.mark.parametrize("adapter", ["seq_bn_inv"], indirect=True)
def test_new_pieces_that_cannot_be_used_are_refused(adapter: tuple[Path, torch.Tensor], tmp_path: Path) -> None:
    folder, _ = adapter
    base = load_masked_lm(str(make_base(tmp_path).folder), None, "base")
    with pytest.raises(UserError, match="so it cannot share a base with others"):
        load_adapters(base, {"one": folder, "two": folder})
    for separate in (False, True):
        base = load_masked_lm(str(make_base(tmp_path).folder), None, "base")
        add_new_pieces(base, folder, separate=separate)
        add_new_pieces(base, folder)  # has them already
        bias = base.get_output_embeddings().bias if not separate else base.get_output_embeddings().new.bias
        bias.data[-1] += 1
        with pytest.raises(UserError, match="the base has those of another adapter"):
            add_new_pieces(base, folder)
    with pytest.raises(UserError, match="its new pieces are for a base with"):
        add_new_pieces(tiny("electra"), folder)
    with pytest.raises(UserError, match="which AdapterHub's format cannot hold"):
        export(folder, tmp_path / "hub", format="adapterhub")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json is missing"):
        tokenizer_of(folder, None)
    (folder / TRAINED_ROWS).write_bytes(b"no tensors")
    with pytest.raises(UserError, match="cannot read"):
        add_new_pieces(tiny("bert"), folder)
