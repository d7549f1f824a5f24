"""Importing from and exporting to other forms, and few bits."""

import contextlib
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from lrl_adapt.eval.inference.find_adapters import BaseReference, base_of_adapter
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import fuse_adapters, language_adapter, load_adapter
from lrl_adapt.training.adapters.adapterhub import import_adapterhub
from lrl_adapt.training.adapters.files import LANGUAGE, WEIGHTS, save_adapter
from lrl_adapt.training.adapters.quantise import QUANTISED, code_book, dequantise, quantise, read_quantised
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.import_adapter import import_adapter
from lrl_adapt.workspace.errors import UserError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn
from transformers import PreTrainedTokenizerFast

from .. import bases
from ..hub import COMMIT, Hub, Repository
from ..training.models import batch, shake, tiny

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
@pytest.mark.slow
def test_to_adapterhub_and_back(base: Path, kind: str, tmp_path: Path) -> None:
    want = trained(base, tmp_path / "own", kind)
    exported = export(tmp_path / "own", tmp_path / "hub", format="adapterhub", name="sw")
    assert ("coupling" in "".join(exported.notes)) == (kind == "seq_bn_inv")
    assert json.loads((tmp_path / "hub" / "adapter_config.json").read_text())["name"] == "sw"
    assert import_adapter(tmp_path / "hub", str(base), tmp_path / "again") == []
    assert torch.equal(logits(base, tmp_path / "again"), want)


@pytest.mark.parametrize("coupling", ["text", None])
@pytest.mark.slow
def test_a_fusion_to_adapterhub_and_back(base: Path, coupling: str | None, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("text", "graph")}
    for folder in folders.values():
        trained(base, folder, "seq_bn_inv", train_head=False)
    model = fuse_adapters(base_model(str(base)), folders, coupling=coupling, train_head=False).eval()
    shake(model)
    (tmp_path / "own").mkdir()
    save_adapter(model, tmp_path / "own")
    export(tmp_path / "own", tmp_path / "hub", format="adapterhub")
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
    export(tmp_path / "own", tmp_path / "merged", format="merged")
    torch.testing.assert_close(
        base_model(str(tmp_path / "merged")).eval()(**batch()).logits, want, atol=1e-4, rtol=1e-4
    )


def trained_on_hub(folder: Path, revision: str | None) -> None:
    """An adapter for owner/base on the hub at a revision."""
    model = language_adapter(load_masked_lm("owner/base", revision, "base"), Adapter(type="lora"))
    folder.mkdir()
    save_adapter(model, folder)


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_an_adapter_notes_the_revision_of_its_base(hub: Hub, revision: str | None, tmp_path: Path) -> None:
    bases.write_mmbert(hub.folder / "models/owner/base")
    trained_on_hub(tmp_path / "own", revision)
    pinned = COMMIT if revision == COMMIT else None
    config = json.loads((tmp_path / "own" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/base", pinned)
    assert base_of_adapter(tmp_path / "own") == BaseReference("owner/base", pinned)
    export(tmp_path / "own", tmp_path / "small", format="peft", bits=8)
    card = (tmp_path / "small" / "README.md").read_text(encoding="utf-8")
    assert (f'"owner/base", revision="{COMMIT}")' in card) == (pinned is not None)
    hub.requests.clear()
    export(tmp_path / "own", tmp_path / "merged", format="merged")
    assert {path.split("/")[4] for path in hub.fetched()} <= {pinned or "main", COMMIT}


def test_an_adapter_is_merged_into_the_revision_that_it_was_trained_on_or_not_at_all(hub: Hub, tmp_path: Path) -> None:
    bases.write_mmbert(hub.folder / "models/owner/base")
    trained_on_hub(tmp_path / "own", COMMIT)
    hub.known["models/owner/base"] = Repository(commit="f" * 40)  # main has moved, and the old commit is not there
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(UserError, match=r"^--base owner/base: no such revision"):
        export(tmp_path / "own", tmp_path / "merged", format="merged")
    assert not (tmp_path / "merged").exists()
    export(tmp_path / "own", tmp_path / "merged", format="merged", base=str(hub.folder / "models/owner/base"))


def test_the_manifest_tells_the_revision_where_an_earlier_version_saved_the_adapter(hub: Hub, tmp_path: Path) -> None:
    bases.write_mmbert(hub.folder / "models/owner/base")
    trained_on_hub(tmp_path / "own", None)
    manifest = {"kind": "adapter", "inputs": {"base": {"model": "owner/base", "revision": "refs/pr/3"}}}
    (tmp_path / "own" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(UserError, match=r"^--base owner/base: no such revision"):
        export(tmp_path / "own", tmp_path / "merged", format="merged")


@pytest.mark.parametrize("bits", [8, 4, 1])
@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora"])
@pytest.mark.slow
def test_few_bits(kind: str, bits: int, tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    trained(tmp_path / "base", tmp_path / "own", kind)
    exported = export(tmp_path / "own", tmp_path / "small", format="peft", bits=bits)
    assert exported.relative_error is not None
    assert 0 < exported.relative_error < {8: 0.02, 4: 0.2, 1: 0.8}[bits]
    assert exported.bytes < exported.bytes_before
    few = load_adapter(base_model(str(tmp_path / "base")), tmp_path / "small").eval()
    assert not any(parameter.requires_grad for parameter in few.parameters())
    export(tmp_path / "small", tmp_path / "plain", format="peft")
    assert torch.equal(few(**batch()).logits, logits(tmp_path / "base", tmp_path / "plain"))


def test_fewer_bits_are_smaller_and_worse(tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    want = trained(tmp_path / "base", tmp_path / "own", "seq_bn")
    sizes = [export(tmp_path / "own", tmp_path / str(n), format="peft", bits=n).bytes for n in (8, 4, 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
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


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (17, 3)])
def test_every_weight_gets_its_nearest_value(bits: int, shape: tuple[int, int]) -> None:
    weight = torch.randn(shape) * 3 + 1
    packed, scale = quantise(weight, bits)
    again = dequantise(packed, scale, bits, list(shape))
    assert packed.numel() == math.ceil(weight.numel() * bits / 8)
    values = code_book(bits) * scale[1].double() + scale[0].double()
    nearest = (weight.double().flatten()[:, None] - values).abs().min(1).values.view(shape)
    torch.testing.assert_close((again.double() - weight).abs(), nearest, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("bits", "most"), [(8, 0.1), (4, 0.8)])
def test_weights_far_from_the_mean_are_not_clipped(bits: int, most: float) -> None:
    """As in a trained LM head, of which some weights have 10 standard deviations; compared with the plain code book."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(100, 100, generator=generator)
    weight.flatten()[::500] = 12.0
    again = dequantise(*quantise(weight, bits), bits, [100, 100])
    values = code_book(bits) * weight.double().std() + weight.double().mean()
    clipped = (weight.double().flatten()[:, None] - values).abs().min(1).values.norm()
    assert (again - weight).norm() < most * clipped


def test_mistakes_are_told_and_leave_nothing(tmp_path: Path) -> None:
    where, source = str(FIXTURES / "bert" / "base"), FIXTURES / "bert" / "seq_bn" / "seq_bn"
    out = tmp_path / "out"
    with pytest.raises(UserError, match="no such folder"):
        import_adapter(tmp_path / "nothing", where, out)
    with pytest.raises(UserError, match=r"adapter_config\.json is missing"):
        import_adapter(tmp_path, where, out)
    with pytest.raises(UserError, match="for a base with model_type 'bert'; this base has 'xlm-roberta'"):
        import_adapter(source, str(FIXTURES / "xlm-roberta" / "base"), out)
    with pytest.raises(UserError, match="--base: no such folder"):
        import_adapter(source, "./nothing", out)
    for change, message in (
        ({"ln_before": True, "scaling": "learned"}, "not supported: ln_before: True, scaling: 'learned'"),
        ({"inv_adapter": "glow"}, "inv_adapter: 'glow'"),
        ({"architecture": "prefix_tuning"}, "'prefix_tuning' is not supported"),
        ({"reduction_factor": 8}, "weights do not match the configuration: size mismatch"),
        ({"mh_adapter": True}, "weights are missing: .*attention"),
    ):
        with pytest.raises(UserError, match=message):
            import_adapter(changed(source, tmp_path / "changed", change), where, out)
    wrong = Path(shutil.copytree(source, tmp_path / "pickle"))
    torch.save({"x": nn.Linear(2, 2)}, wrong / "pytorch_adapter.bin")
    with pytest.raises(UserError, match="could run code and is not loaded"):
        import_adapter(wrong, where, out)
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
    import_adapter(source, where, out)
    with pytest.raises(UserError, match="already exists"):
        import_adapter(source, where, out)
    for words, message in (
        ({"format": "pickle"}, "choose one of peft, adapterhub, transformers, onnx, merged"),
        ({"format": "peft", "bits": 3}, "8, 4, 1"),
        ({"format": "adapterhub", "bits": 8}, "with --format peft"),
        ({"format": "merged"}, "non-linearity"),
        ({"format": "adapterhub", "name": "../up"}, "letters, digits"),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            export(out, tmp_path / "export", base=where, **words)
    with pytest.raises(UserError, match="import-adapter"):
        export(source, tmp_path / "export", format="peft")
    assert not (tmp_path / "export").exists()


ODD = (None, "x", [2], {}, -1, 0, 2.5, math.nan, True)


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora", "ia3"])
@pytest.mark.slow
def test_odd_configurations_are_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    source = FIXTURES / "bert" / kind / kind
    about = json.loads((source / "adapter_config.json").read_text())
    message, folder = 0, tmp_path / "odd"
    for key in about["config"]:
        for value in ODD:
            changed(source, folder, {key: value})
            try:
                import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)
            except UserError as error:
                assert "\n" not in str(error)
                message += 1
    assert message > 20
    for key in about:
        (folder / "adapter_config.json").write_text(json.dumps({**about, key: None}))
        with contextlib.suppress(UserError):
            import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "something other than named tensors"),
        ({"x": 3}, "something other than named tensors"),
        ({3: torch.ones(2)}, "something other than named tensors"),
        ({"x": torch.tensor([math.nan])}, "'x' has NaN or infinite values"),
        ({}, "weights are missing"),
    ],
)
def test_odd_weights_are_refused(weights, message: str, tmp_path: Path) -> None:
    folder = changed(FIXTURES / "bert" / "seq_bn" / "seq_bn", tmp_path / "odd", {})
    torch.save(weights, folder / "pytorch_adapter.bin")
    with pytest.raises(UserError, match=message):
        import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)
    (folder / "pytorch_adapter.bin").write_bytes(b"")
    with pytest.raises(UserError, match="as tensors"):
        import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)


def test_heads_of_another_form_are_told(tmp_path: Path) -> None:
    folder = changed(FIXTURES / "bert" / "seq_bn" / "seq_bn", tmp_path / "odd", {})
    head = torch.load(folder / "pytorch_model_head.bin", weights_only=True)
    bias = {key: torch.ones(7).double() if key.endswith("predictions.bias") else value for key, value in head.items()}
    torch.save(bias, folder / "pytorch_model_head.bin")
    _, notes = import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)
    assert len(notes) == 1
    assert "decoder bias" in notes[0]
    torch.save({key: value for key, value in head.items() if "dense" not in key}, folder / "pytorch_model_head.bin")
    model, notes = import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), folder)
    assert notes[0] == "skipped the head: its dense layer or LayerNorm is missing"
    assert model.peft_config[LANGUAGE].modules_to_save is None


@pytest.mark.parametrize("change", [{"adapter_names": ["../text", "graph"]}, {"adapter_names": [3]}, {"config": None}])
def test_odd_fusions_are_refused(change: dict, tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "bert" / "fusion", tmp_path / "odd")
    file = tmp_path / "odd" / "fusion" / "adapter_fusion_config.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, **change}))
    with pytest.raises(UserError):
        import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), tmp_path / "odd" / "fusion")
    file.write_text(json.dumps(about))
    with pytest.raises(UserError, match="no adapter nope with a coupling"):
        import_adapterhub(base_model(str(FIXTURES / "bert" / "base")), tmp_path / "odd" / "fusion", coupling="nope")


def test_adapters_that_are_not_whole_or_not_for_the_base_are_refused(tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    tiny("xlm-roberta").save_pretrained(tmp_path / "other")
    for kind in ("seq_bn", "lora"):
        own = tmp_path / kind
        trained(tmp_path / "base", own, kind)
        with pytest.raises(UserError):
            load_adapter(base_model(str(tmp_path / "other")), own)
        weights = load_file(own / WEIGHTS)
        weights.pop(next(key for key in weights if key.endswith(("down.weight", "lora_B.weight"))))
        save_file(weights, own / WEIGHTS)
        with pytest.raises(UserError, match="weights are missing"):
            load_adapter(base_model(str(tmp_path / "base")), own)
        (own / WEIGHTS).write_bytes(b"nonsense")
        with pytest.raises(UserError, match="cannot read"):
            export(own, tmp_path / "out", format="peft")
        (own / WEIGHTS).unlink()
        with pytest.raises(UserError, match="contains no weights"):
            load_adapter(base_model(str(tmp_path / "base")), own)


def test_a_damaged_quantised_file_is_refused(tmp_path: Path) -> None:
    tiny("bert").save_pretrained(tmp_path / "base")
    trained(tmp_path / "base", tmp_path / "own", "seq_bn")
    export(tmp_path / "own", tmp_path / "small", format="peft", bits=4)
    file = tmp_path / "small" / QUANTISED
    with safe_open(str(file), framework="pt") as stored:
        about, tensors = stored.metadata(), {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    shapes = json.loads(about["shapes"])
    name = next(iter(shapes))
    for wrong in ({key: shapes[key] for key in shapes if key != name}, {**shapes, name: [99, 99]}):
        save_file(tensors, file, metadata={**about, "shapes": json.dumps(wrong)})
        with pytest.raises(UserError, match="is not a quantised adapter"):
            read_quantised(file)
    file.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="is not a quantised adapter"):
        read_quantised(file)


def test_names_that_would_be_lost_in_saving_are_refused() -> None:
    model = language_adapter(tiny("bert"), Adapter())
    for name in ("query", "down", "fused_text"):
        with pytest.raises(ValueError, match="cannot be named"):
            model.add_adapter(name, model.peft_config[LANGUAGE])


def changed(source: Path, folder: Path, change: dict) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    about = json.loads((folder / "adapter_config.json").read_text())
    about["config"] |= change
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return folder
