"""A workspace as the commands leave it: a small base of random weights, language adapters, task adapters."""

import json
from pathlib import Path
from typing import Any

import torch
from lrl_adapt.eval.predictions import write_predictions
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter, stack_task_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.training.task_adapter import save_task
from lrl_adapt.training.task_model import TaskModel
from lrl_adapt.workspace.artifacts import Artifact, Draft
from transformers import BertConfig, BertForMaskedLM

from ..tiny_tokenizers import FAMILIES

TEXTS = ["Amina anaishi Nairobi na Juma anasoma Mombasa", "mvua kubwa inatarajiwa kesho mjini"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
POSITIONS = 40
TOPICS = ["afya", "michezo", "siasa"]
TAGS = ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]


def make_base(workspace: Path, seed: int = 0, kind: str = "WordPiece") -> Artifact:
    """A random BERT and its tokenizer."""

    def make(draft: Draft) -> None:
        tokenizer = FAMILIES[kind](TEXTS)
        torch.manual_seed(seed)
        sizes = {**SIZES, "max_position_embeddings": POSITIONS, "pad_token_id": tokenizer.pad_token_id}
        model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes))
        model.apply(_spread)
        model.save_pretrained(draft.folder)
        tokenizer.save_pretrained(draft.folder)

    artifact = Artifact(workspace / "bases" / "swh_Latn", "scratch", "base", {"seed": seed, "kind": kind})
    artifact.build(make)
    return artifact


def make_adapter(workspace: Path, base: Artifact, kind: str, seed: int = 1, language: str = "swh_Latn") -> Artifact:
    """A language adapter whose weights are random, not the identity."""

    def make(draft: Draft) -> None:
        model: Any = language_adapter(
            load_masked_lm(str(base.folder), None, "base"), Adapter(type=kind, reduction_factor=4)
        )
        _shake(model, seed)
        save_adapter(model, draft.folder)
        if kind == "full":
            for file in base.folder.glob("*token*"):
                (draft.folder / file.name).write_bytes(file.read_bytes())

    artifact = Artifact(
        workspace / "adapters" / language,
        f"scratch-text-{kind}",
        "adapter",
        {"type": kind, "seed": seed},
        {"base": {}},
        (base,),
    )
    artifact.build(make)
    return artifact


def make_scores(
    workspace: Path,
    base: Artifact,
    adapter: Artifact | None,
    task: str,
    labels: list[str],
    *,
    per_token: bool,
    predictions: list[dict[str, Any]] | None = None,
    **head: Any,
) -> Artifact:
    """A score folder with a task adapter and a head of random weights; `head` goes to `TaskModel`."""

    def make(draft: Draft) -> None:
        below = adapter.folder if adapter else None
        torch.manual_seed(3)
        stacked = stack_task_adapter(load_masked_lm(str(base.folder), None, "base"), below, 4)
        model = TaskModel(stacked, len(labels) or 1, per_token=per_token, **head)
        _shake(model, seed=4)
        save_task(model, labels, draft.folder / "task-adapter")
        if predictions is not None:
            write_predictions(draft.folder, predictions)

    section = {"task": task, "seed": 1, "system": "seq_bn/text" if adapter else "base", "max_length": 24}
    parents = (base, *([adapter] if adapter else []))
    artifact = Artifact(workspace / "scores" / "swh_Latn", f"{task}-scratch", "scores", section, {"base": {}}, parents)
    artifact.build(make)
    return artifact


def change_manifest(folder: Path, **fields: Any) -> None:
    """Put other values into a manifest."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def _spread(module: Any) -> None:
    for parameter in module.parameters(recurse=False):
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)


def _shake(model: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
