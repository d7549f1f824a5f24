"""Weighted averages of adapters: the numbers, what is refused, and the result as an adapter like any other."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.pipeline.merge import merge
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import fuse_adapters, language_adapter, load_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.workspace.artifacts import read_manifest
from lrl_adapt.workspace.errors import UserError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from ..cli.small import invoke
from ..training.models import batch, shake, tiny

KINDS = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3")
CLOSE = {"atol": 1e-6, "rtol": 1e-6}


@pytest.fixture
def base(folder: Path) -> Path:
    tiny("bert").save_pretrained(folder / "base")
    words = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1, "[MASK]": 2}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
    )
    tokenizer.save_pretrained(folder / "base")
    return folder / "base"


def made(base: Path, name: str, kind: str, seed: int, **settings) -> Path:
    """An adapter with random weights, in a folder beside the base."""
    model = language_adapter(load_masked_lm(str(base), None, "base"), Adapter(type=kind, **settings)).eval()
    shake(model, seed)
    folder = base.parent / name
    folder.mkdir()
    save_adapter(model, folder)
    if kind == "full":
        for file in base.glob("tokenizer*"):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    file = folder / "adapter_model.safetensors"
    return load_file(file if file.is_file() else folder / "model.safetensors")


def logits(base: Path, folder: Path) -> torch.Tensor:
    model = load_adapter(load_masked_lm(str(base), None, "base"), folder).eval()
    return model(**batch()).logits.detach()


@pytest.mark.parametrize("kind", [*KINDS, "full"])
def test_every_weight_is_averaged(base: Path, kind: str) -> None:
    first, second = made(base, "first", kind, 1), made(base, "second", kind, 2)
    merged = merge([first, second], base.parent / "merged", weights=[7, 3])
    assert merged.weights == pytest.approx([0.7, 0.3])
    parts, average = (weights_of(first), weights_of(second)), weights_of(merged.folder)
    assert average.keys() == parts[0].keys()
    assert kind == "full" or any("cls.predictions.transform.dense" in name for name in average)  # the LM head
    assert kind != "seq_bn_inv" or any("bottleneck_couplings" in name for name in average)
    for name, weight in average.items():
        torch.testing.assert_close(weight, 0.7 * parts[0][name] + 0.3 * parts[1][name], **CLOSE)
        assert not torch.equal(parts[0][name], parts[1][name])


@pytest.mark.parametrize("kind", [*KINDS, "full"])
def test_with_the_weights_1_and_0_it_is_the_first_adapter(base: Path, kind: str) -> None:
    first, second = made(base, "first", kind, 1), made(base, "second", kind, 2)
    merge([first, second], base.parent / "merged", weights=[1, 0])
    assert torch.equal(logits(base, base.parent / "merged"), logits(base, first))
    assert not torch.equal(logits(base, base.parent / "merged"), logits(base, second))


def test_weights_are_equal_by_default(base: Path) -> None:
    folders = [made(base, f"part{seed}", "ia3", seed) for seed in (1, 2, 3)]
    assert merge(folders, base.parent / "merged").weights == pytest.approx([1 / 3] * 3)
    parts = [weights_of(folder) for folder in folders]
    for name, weight in weights_of(base.parent / "merged").items():
        torch.testing.assert_close(weight, sum(part[name] for part in parts) / 3, **CLOSE)


def test_a_negative_weight_subtracts(base: Path) -> None:
    folders = [made(base, f"part{seed}", "seq_bn", seed) for seed in (1, 2, 3)]
    merged = merge(folders, base.parent / "merged", weights=[1, 0.5, -0.5])
    assert merged.notes == []
    one, two, three = map(weights_of, folders)
    for name, weight in weights_of(merged.folder).items():
        torch.testing.assert_close(weight, one[name] + 0.5 * two[name] - 0.5 * three[name], **CLOSE)


def test_subtracting_a_lora_says_what_is_averaged(base: Path) -> None:
    folders = [made(base, f"part{seed}", "lora", seed) for seed in (1, 2)]
    (note,) = merge(folders, base.parent / "merged", weights=[2, -1]).notes
    assert "A and B are averaged each" in note


@pytest.mark.parametrize("kind", [*KINDS, "full"])
def test_unnormalised_weights_add_the_changes_to_the_base(base: Path, kind: str) -> None:
    first, second = made(base, "first", kind, 1), made(base, "second", kind, 2)
    options = {"base": base} if kind == "full" else {}
    merged = merge([first, second], base.parent / "merged", weights=[1, -0.5], normalize=False, **options)
    assert merged.weights == [1, -0.5]
    one, two = weights_of(first), weights_of(second)
    own = load_masked_lm(str(base), None, "base").state_dict()
    for name, weight in weights_of(merged.folder).items():
        short = name.removeprefix("base_model.model.")
        start = own[short] if short in own else torch.tensor(1.0 if "ia3_l" in name else 0.0)
        torch.testing.assert_close(weight, start + (one[name] - start) - 0.5 * (two[name] - start), **CLOSE)


def test_weights_of_0_are_the_base(base: Path) -> None:
    folders = [made(base, f"part{seed}", "seq_bn_inv", seed) for seed in (1, 2)]
    merge(folders, base.parent / "merged", weights=[0, 0], normalize=False)
    plain = load_masked_lm(str(base), None, "base").eval()(**batch()).logits
    torch.testing.assert_close(logits(base, base.parent / "merged"), plain, atol=1e-5, rtol=1e-5)


def test_quantised_and_merged_adapters_can_be_merged_again(base: Path) -> None:
    first, second = made(base, "first", "seq_bn", 1), made(base, "second", "seq_bn", 2)
    export(first, base.parent / "small", bits=8)
    once = merge([base.parent / "small", second], base.parent / "once")
    twice = merge([once.folder, second], base.parent / "twice")
    parts = weights_of(once.folder), weights_of(second)
    for name, weight in weights_of(twice.folder).items():
        torch.testing.assert_close(weight, (parts[0][name] + parts[1][name]) / 2, **CLOSE)
    exported = export(twice.folder, base.parent / "hub", format="adapterhub")
    assert exported.bytes > 0


def test_card_and_manifest_name_the_adapters(base: Path) -> None:
    first, second = made(base, "first", "seq_bn", 1), made(base, "second", "seq_bn", 2)
    merged = merge([first, second], base.parent / "merged", weights=[0.75, 0.25])
    manifest = read_manifest(merged.folder)
    assert manifest["kind"] == "adapter"
    adapters = manifest["inputs"]["adapters"]
    assert [(adapter["name"], adapter["weight"]) for adapter in adapters] == [("first", 0.75), ("second", 0.25)]
    hashes = [adapter["files"]["adapter_model.safetensors"] for adapter in adapters]
    assert len(set(hashes)) == 2
    card = (merged.folder / "README.md").read_text(encoding="utf-8")
    assert f"- 0.75 × first: adapter_model.safetensors sha256 {hashes[0]}" in card
    assert "- base: base (a local folder)" in card
    assert str(base.parent) not in card
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "peft"


@pytest.mark.parametrize(
    ("kind", "other", "settings", "message"),
    [
        ("seq_bn", "lora", {}, "second is of type lora, .*first of type bottleneck: only adapters of one type"),
        ("full", "lora", {}, "second is of type lora, .*first of type full"),
        ("seq_bn", "double_seq_bn", {}, r"second differs from .*first in attention \(True, not False\)"),
        ("seq_bn", "seq_bn", {"reduction_factor": 8}, r"in reduction_factor \(8, not 16\): only adapters of one shape"),
        ("seq_bn", "seq_bn", {"train_head": False}, r"in modules_to_save \(none, not \["),
        ("lora", "lora", {"r": 4}, r"in r \(4, not 8\)"),
    ],
)
def test_other_types_and_shapes_are_refused(base: Path, kind: str, other: str, settings: dict, message: str) -> None:
    first, second = made(base, "first", kind, 1), made(base, "second", other, 2, **settings)
    with pytest.raises(UserError, match=message):
        merge([first, second], base.parent / "merged")
    assert not (base.parent / "merged").exists()


def test_dropout_does_not_matter(base: Path) -> None:
    first, second = made(base, "first", "lora", 1), made(base, "second", "lora", 2, dropout=0.5)
    assert merge([first, second], base.parent / "merged").parameters > 0


def test_another_base_is_refused(base: Path) -> None:
    first = made(base, "first", "seq_bn", 1)
    base.rename(base.parent / "copy")
    second = made(base.parent / "copy", "second", "seq_bn", 2)
    (base.parent / "copy").rename(base)
    with pytest.raises(UserError, match=r"second was trained on .*copy, .*first on .*base: .*name it with --base"):
        merge([first, second], base.parent / "merged")
    merge([first, second], base.parent / "merged", base=base)
    assert read_manifest(base.parent / "merged")["inputs"]["base"]["model.safetensors"]
    config = json.loads((base.parent / "merged" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == str(base)


def test_a_fusion_is_refused(base: Path) -> None:
    parts = {name: made(base, name, "seq_bn", seed) for seed, name in enumerate(("text", "graph"))}
    fusion = base.parent / "fused"
    fusion.mkdir()
    save_adapter(fuse_adapters(load_masked_lm(str(base), None, "base"), parts), fusion)
    with pytest.raises(UserError, match="fused is a fusion, which cannot be merged"):
        merge([fusion, fusion], base.parent / "merged")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["first", "nowhere", "--out", "x"], "no such folder: nowhere"),
        (["first", "second", "--weights", "0.7", "0.3", "--out", "x"], "0.3; give the weights as one list, --weights"),
        (["first", "--out", "x"], "give at least two adapters"),
        (["first", "second", "--weights", "1", "--out", "x"], "there are 2 adapters but 1 weight: give one"),
        (["first", "second", "--weights", "1,nan", "--out", "x"], "weights must be finite numbers"),
        (["first", "second", "--weights", "1,x", "--out", "x"], "--weights 1,x: expected numbers"),
        (["first", "second", "--weights", "1,-1", "--out", "x"], "the weights sum to 0"),
        (["first", "second", "--out", "base"], "--out base already exists"),
        (["first", "second"], "name the folder to write with --out"),
        (["first", "second", "--weights", "1,2", "--sweep", "1"], "give either --weights or --sweep"),
        (["first", "second", "first", "--sweep", "1"], "a sweep takes two adapters, got 3"),
        (["first", "second", "--sweep", "inf"], "a sweep takes finite weights"),
        (["base", "second", "--out", "x"], "is of type bottleneck, base of type full"),
    ],
)
def test_mistakes_are_told_in_one_line(base: Path, words: list[str], message: str) -> None:
    made(base, "first", "seq_bn", 1)
    made(base, "second", "seq_bn", 2)
    refused = invoke("merge", *words)
    assert refused.exit_code == 2, refused.output
    assert message in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert len(refused.stderr.splitlines()) == 1
    assert not (base.parent / "x").exists()
