"""Make the fixtures of the parity tests with AdapterHub's own library; run by hand, in an environment of its own.

    python -m venv ../adapterhub
    ../adapterhub/bin/pip install torch==2.13.0 adapters==1.3.0     # brings transformers 4.57
    ../adapterhub/bin/python tests/parity/make_fixture.py

For a tiny BERT and a tiny XLM-R with random weights it writes, under fixtures/FAMILY/: the base, and per case the
adapters as AdapterHub saves them (flexible/: with its flexible head, in safetensors; fusion/: the fusion's own weights)
and expected.safetensors:

    input_ids, attention_mask, labels   a batch; labels are -100 where nothing is asked
    hidden.0 .. hidden.N                hidden states: embeddings' output, then each block's
    logits, loss                        of the model's own LM head, which leaves a coupling as it is
    logits_flexible                     of AdapterHub's flexible head, which undoes the coupling
    grad.NAME                           gradients of the loss for the adapter's weights, by AdapterHub's names

average/KIND/ holds two adapters of the tiny BERT, and their `average_adapter` with the weights AVERAGE.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import adapters  # pyright: ignore[reportMissingImports]
import torch
from adapters import AutoAdapterModel, Fuse, Stack  # pyright: ignore[reportMissingImports]
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM

FIXTURES = Path(__file__).resolve().parent / "fixtures"
SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
    "initializer_range": 0.2,
}
FAMILIES = {"bert": (BertConfig, BertForMaskedLM), "xlm-roberta": (XLMRobertaConfig, XLMRobertaForMaskedLM)}
TYPES = ("seq_bn", "seq_bn_inv", "double_seq_bn", "par_bn", "lora", "ia3")
WITH_HEAD = ("seq_bn", "seq_bn_inv")
SHAKE = 0.2
AVERAGE = (0.7, -0.2)  # AdapterHub divides them by their sum
ASKED = ((0, 2), (0, 5), (1, 1), (2, 3))


def main() -> None:
    shutil.rmtree(FIXTURES, ignore_errors=True)
    FIXTURES.mkdir()
    os.chdir(FIXTURES)  # the files tell the base's path
    for family, (config, model) in FAMILIES.items():
        torch.manual_seed(0)
        base = Path(family, "base")
        made = model(config(**SIZES))
        for parameter in made.parameters():  # LayerNorms and biases too, which start as ones and zeros
            parameter.data += torch.randn_like(parameter) * 0.05
        made.save_pretrained(base, safe_serialization=True)
        for kind in TYPES:
            make_case(model, base, Path(family, kind), {kind: kind}, kind)
        two = {"below": "seq_bn", "above": "seq_bn"}
        make_case(model, base, Path(family, "stack"), two, Stack("below", "above"))
        parts = {"text": "seq_bn_inv", "graph": "seq_bn"}
        make_case(model, base, Path(family, "fusion"), parts, Fuse("text", "graph"))
        three = {**parts, "task": "seq_bn"}
        make_case(model, base, Path(family, "fusion_stack"), three, Stack(Fuse("text", "graph"), "task"))
    for kind in TYPES:
        make_average(kind)


def make_average(kind: str) -> None:
    """Two adapters of a kind with random weights and their weighted average, as AdapterHub saves them."""
    torch.manual_seed(2)
    model: Any = BertForMaskedLM.from_pretrained(Path("bert", "base"))
    adapters.init(model)
    parts = ("first", "second")
    for name in parts:
        model.add_adapter(name, config=kind)
    for name, parameter in model.named_parameters():
        if _is_adapters(name, dict.fromkeys(parts, kind)):
            parameter.data += torch.randn_like(parameter) * SHAKE
    # Called on the model with a head, adapters 1.3.0 leaves the invertible adapter out.
    model.base_model.average_adapter("average", list(parts), weights=list(AVERAGE))
    folder = Path("average", kind)
    folder.mkdir(parents=True)
    for name in (*parts, "average"):
        model.save_adapter(str(folder / name), name, with_head=False, use_safetensors=True)


def make_case(model_class: Any, base: Path, folder: Path, types: dict[str, str], setup: Any) -> None:
    """Adapters of `types` by name with random weights, active as `setup` says; their files and what they give."""
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    model = model_class.from_pretrained(base)
    adapters.init(model)
    for name, kind in types.items():
        model.add_adapter(name, config=kind)
    fused = [part for part in (setup, *getattr(setup, "children", ())) if isinstance(part, Fuse)]
    for part in fused:
        model.add_adapter_fusion(part)
    model.train_adapter_fusion(setup) if fused else model.train_adapter(list(types))
    model.set_active_adapters(setup)
    ours = {name: p for name, p in model.named_parameters() if _is_adapters(name, types)}
    for parameter in ours.values():
        parameter.requires_grad_(True)
        parameter.data += torch.randn_like(parameter) * SHAKE
    for name in types:
        model.save_adapter(str(folder / name), name, with_head=name in WITH_HEAD)
    for part in fused:
        model.save_adapter_fusion(str(folder / "fusion"), part)
    save_file(_expected(model, base, folder, types, setup, ours), folder / "expected.safetensors")


def _expected(
    model: Any, base: Path, folder: Path, types: dict[str, str], setup: Any, ours: dict[str, Any]
) -> dict[str, torch.Tensor]:
    batch = _batch()
    model.eval()
    output = model(**batch, output_hidden_states=True)
    output.loss.backward()
    result = {**batch, "logits": output.logits, "loss": output.loss}
    result |= {f"hidden.{number}": state for number, state in enumerate(output.hidden_states)}
    if len(types) < 3:  # of a stack on a fusion the gradients say nothing new, and are large
        result |= {f"grad.{name}": p.grad for name, p in ours.items() if p.grad is not None}
    if next(iter(types)) in WITH_HEAD:
        flexible = AutoAdapterModel.from_pretrained(base)
        name = next(iter(types))
        flexible.load_adapter(str(folder / name), with_head=True, set_active=True)
        flexible.save_adapter(str(folder / "flexible"), name, with_head=True, use_safetensors=True)
        flexible.eval()
        result["logits_flexible"] = flexible(**{key: batch[key] for key in ("input_ids", "attention_mask")}).logits
    return {name: tensor.detach().clone().contiguous() for name, tensor in result.items()}


def _batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, SIZES["vocab_size"], (3, 7), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[-1, 5:] = 0
    labels = torch.full_like(ids, -100)
    for row, column in ASKED:
        labels[row, column] = ids[row, column]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _is_adapters(name: str, types: dict[str, str]) -> bool:
    return any(f".{adapter}." in name for adapter in types) or "adapter_fusion_layer" in name


if __name__ == "__main__":
    main()
