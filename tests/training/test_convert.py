"""Importing from and exporting to other forms, and few bits."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import fuse_adapters, language_adapter, load_adapter
from lrl_adapt.training.adapters.quantise import code_book, dequantise, quantise
from lrl_adapt.training.adapters.saving import save_adapter
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.convert import export_adapter, import_adapter
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn
from transformers import PreTrainedTokenizerFast

from .models import batch, shake, tiny

FIXTURES = Path(__file__).parents[1] / "parity" / "fixtures"
KINDS = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3")


@pytest.fixture(params=["bert", "xlm-roberta", "distilbert"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tiny(request.param).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def base_model(name: str):
    return load_masked_lm(name, None, "--base")


def trained(base: Path, folder: Path, kind: str, **settings) -> torch.Tensor:
    """An adapter with random weights in `folder`, and its logits."""
    model = language_adapter(base_model(str(base)), Adapter(type=kind, **settings)).eval()
    shake(model)
    folder.mkdir()
    save_adapter(model, folder)
    return model(**batch()).logits.detach()


def logits(base: Path, folder: Path) -> torch.Tensor:
    return load_adapter(base_model(str(base)), folder).eval()(**batch()).logits


@pytest.mark.parametrize("kind", KINDS)
def test_to_adapterhub_and_back(base: Path, kind: str, tmp_path: Path) -> None:
    want = trained(base, tmp_path / "own", kind)
    facts = export_adapter(tmp_path / "own", tmp_path / "hub", form="adapterhub", name="sw")
    assert ("coupling" in "".join(facts["notes"])) == (kind == "seq_bn_inv")
    assert json.loads((tmp_path / "hub" / "adapter_config.json").read_text())["name"] == "sw"
    assert import_adapter(tmp_path / "hub", str(base), tmp_path / "again") == []
    assert torch.equal(logits(base, tmp_path / "again"), want)


@pytest.mark.parametrize("coupling", ["text", None])
def test_a_fusion_to_adapterhub_and_back(base: Path, coupling: str | None, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("text", "graph")}
    for folder in folders.values():
        trained(base, folder, "seq_bn_inv", train_head=False)
    model = fuse_adapters(base_model(str(base)), folders, coupling=coupling, train_head=False).eval()
    shake(model)
    (tmp_path / "own").mkdir()
    save_adapter(model, tmp_path / "own")
    export_adapter(tmp_path / "own", tmp_path / "hub", form="adapterhub")
    notes = import_adapter(tmp_path / "hub" / "fusion", str(base), tmp_path / "again", coupling=coupling)
    assert notes == []
    assert torch.equal(logits(base, tmp_path / "again"), model(**batch()).logits)


def test_weights_of_the_first_published_adapters_are_found(tmp_path: Path) -> None:
    """adapter-transformers 1 named modules and configuration otherwise."""
    source = Path(shutil.copytree(FIXTURES / "bert" / "seq_bn_inv" / "seq_bn_inv", tmp_path / "old"))
    weights = torch.load(source / "pytorch_adapter.bin", weights_only=True)
    renamed = {
        name.replace(".output.adapters.", ".output.layer_text_lang_adapters.").replace(
            "invertible_adapters", "invertible_lang_adapters"
        ): value
        for name, value in weights.items()
    }
    torch.save(renamed, source / "pytorch_adapter.bin")
    about = json.loads((source / "adapter_config.json").read_text())
    about["config"] = {
        **{key: about["config"][key] for key in ("ln_after", "ln_before", "mh_adapter", "output_adapter")},
        **{key: about["config"][key] for key in ("original_ln_before", "original_ln_after", "residual_before_ln")},
        "invertible_adapter": {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2},
        "non_linearity": "relu",
        "reduction_factor": 16,
    }
    (source / "adapter_config.json").write_text(json.dumps(about))
    where = FIXTURES / "bert" / "base"
    import_adapter(source, str(where), tmp_path / "new")
    import_adapter(FIXTURES / "bert" / "seq_bn_inv" / "seq_bn_inv", str(where), tmp_path / "want")
    ids = {"input_ids": torch.arange(5, 11).unsqueeze(0)}
    new, want = (load_adapter(base_model(str(where)), tmp_path / one).eval()(**ids).logits for one in ("new", "want"))
    assert torch.equal(new, want)


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_merged(base: Path, kind: str, tmp_path: Path) -> None:
    want = trained(base, tmp_path / "own", kind)
    words = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(base)
    export_adapter(tmp_path / "own", tmp_path / "merged", form="merged")
    torch.testing.assert_close(
        base_model(str(tmp_path / "merged")).eval()(**batch()).logits, want, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("bits", [8, 4, 1])
@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora"])
def test_few_bits(kind: str, bits: int, tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    trained(tmp_path / "base", tmp_path / "own", kind)
    facts = export_adapter(tmp_path / "own", tmp_path / "small", form="peft", bits=bits)
    assert 0 < facts["relative_error"] < {8: 0.02, 4: 0.2, 1: 0.8}[bits]
    assert facts["bytes"] < facts["bytes_before"]
    few = load_adapter(base_model(str(tmp_path / "base")), tmp_path / "small").eval()
    assert not any(parameter.requires_grad for parameter in few.parameters())
    export_adapter(tmp_path / "small", tmp_path / "plain", form="peft")
    assert torch.equal(few(**batch()).logits, logits(tmp_path / "base", tmp_path / "plain"))


def test_fewer_bits_are_smaller_and_worse(tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    want = trained(tmp_path / "base", tmp_path / "own", "seq_bn")
    facts = [export_adapter(tmp_path / "own", tmp_path / str(n), form="peft", bits=n) for n in (8, 4, 1)]
    assert facts[0]["bytes"] > facts[1]["bytes"] > facts[2]["bytes"]
    wrong = [float((logits(tmp_path / "base", tmp_path / str(n)) - want).abs().mean()) for n in (8, 4, 1)]
    assert wrong == sorted(wrong)


def test_the_code_book_is_the_best_for_a_normal_distribution() -> None:
    """Max 1960, table I: one bit ±0.7979, four bits to ±2.733; and scipy's integral gives the error."""
    assert code_book(1).tolist() == pytest.approx([-0.7979, 0.7979], abs=1e-4)
    assert code_book(4)[-1].item() == pytest.approx(2.733, abs=1e-3)
    assert torch.allclose(code_book(8), -code_book(8).flip(0), atol=1e-6)
    sample = torch.randn(400_000, generator=torch.Generator().manual_seed(0)).double()
    nearest = (sample[:, None] - code_book(4)).abs().min(1).values
    assert float(nearest.pow(2).mean()) == pytest.approx(0.009497, rel=0.02)


@pytest.mark.parametrize("bits", [8, 4, 1])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (17, 3)])
def test_every_weight_gets_its_nearest_value(bits: int, shape: tuple[int, int]) -> None:
    weight = torch.randn(shape) * 3 + 1
    packed, scale = quantise(weight, bits)
    again = dequantise(packed, scale, bits, list(shape))
    assert packed.numel() == math.ceil(weight.numel() * bits / 8)
    values = code_book(bits) * scale[1].double() + scale[0].double()
    nearest = (weight.double().flatten()[:, None] - values).abs().min(1).values.view(shape)
    torch.testing.assert_close((again.double() - weight).abs(), nearest, atol=1e-5, rtol=1e-5)


def test_mistakes_are_told_and_leave_nothing(tmp_path: Path) -> None:
    where, source = str(FIXTURES / "bert" / "base"), FIXTURES / "bert" / "seq_bn" / "seq_bn"
    out = tmp_path / "out"
    with pytest.raises(UserError, match="no such folder"):
        import_adapter(tmp_path / "nothing", where, out)
    with pytest.raises(UserError, match=r"there is no adapter_config\.json"):
        import_adapter(tmp_path, where, out)
    with pytest.raises(UserError, match="for a base with model_type bert; this base has xlm-roberta"):
        import_adapter(source, str(FIXTURES / "xlm-roberta" / "base"), out)
    with pytest.raises(UserError, match="--base: no such folder"):
        import_adapter(source, "./nothing", out)
    for change, message in (
        ({"ln_before": True, "scaling": "learned"}, "without a counterpart here: ln_before: True, scaling: learned"),
        ({"inv_adapter": "glow"}, "inv_adapter: glow"),
        ({"architecture": "prefix_tuning"}, "'prefix_tuning' has no counterpart"),
        ({"reduction_factor": 8}, "weights and configuration disagree: size mismatch"),
        ({"mh_adapter": True}, "has no .*attention"),
    ):
        with pytest.raises(UserError, match=message):
            import_adapter(changed(source, tmp_path / "changed", change), where, out)
    wrong = Path(shutil.copytree(source, tmp_path / "pickle"))
    torch.save({"x": nn.Linear(2, 2)}, wrong / "pytorch_adapter.bin")
    with pytest.raises(UserError, match="cannot be read as tensors"):
        import_adapter(wrong, where, out)
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
    import_adapter(source, where, out)
    with pytest.raises(UserError, match="is there already"):
        import_adapter(source, where, out)
    for words, message in (
        ({"form": "onnx"}, "choose one of adapterhub, merged, peft"),
        ({"form": "peft", "bits": 3}, "8, 4, 1"),
        ({"form": "adapterhub", "bits": 8}, "with --format peft"),
        ({"form": "merged"}, "non-linearity"),
        ({"form": "adapterhub", "name": "../up"}, "letters, digits"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            export_adapter(out, tmp_path / "export", base=where, **words)
    with pytest.raises(UserError, match="import-adapter"):
        export_adapter(source, tmp_path / "export", form="peft")
    assert not (tmp_path / "export").exists()


def changed(source: Path, folder: Path, change: dict) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    about = json.loads((folder / "adapter_config.json").read_text())
    about["config"] |= change
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return folder
