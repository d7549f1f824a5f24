"""A workspace with adapters to publish, for a base on the stand-in of the hub."""

import json
from pathlib import Path
from typing import Any

import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter, stack_task_adapter
from lrl_adapt.training.adapters.files import save_adapter
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.training.task_adapter import TaskModel, save_task
from lrl_adapt.training.vocabulary.extend import vocabulary_size
from lrl_adapt.training.vocabulary.files import save_new_pieces
from lrl_adapt.training.vocabulary.layers import split_vocabulary

from ..eval.made import TEXTS, change_manifest, make_base
from ..eval.report.made_results import add_adapter, add_mlm, add_topic_seeds
from ..hub import Hub
from ..training.models import shake
from ..training.vocabulary.test_new_pieces import learn

BASE = "owner/small-base"
TOKEN = "hf_secret_token"
RECORDED_BASE = {"base": {"model": BASE, "revision": "main"}}
LABELS = ["health", "politics", "sports", "travel"]
FACTS = {"validation_loss": 3.21, "best_step": 900, "training_tokens": 12345, "base_commit": "abc"}


def put_base(hub: Hub, workspace: Path) -> None:
    """A small BERT and its tokenizer, as the model BASE on the hub."""
    base = make_base(workspace)
    for file in base.folder.iterdir():
        if file.name != "manifest.json":
            hub.put(f"models/{BASE}/{file.name}", "").write_bytes(file.read_bytes())


def put_adapter(workspace: Path, kind: str, **manifest: Any) -> Path:
    """A language adapter with random weights, trained on GlotCC and a graph."""
    folder = add_adapter(workspace, f"small-base-text-{kind}-1a2b3c4d", **FACTS)
    section = {"language": "swh_Latn", "source": "text", "adapter": {"type": kind}, "training": {"seed": 42}}
    change_manifest(folder, **{"inputs": RECORDED_BASE, "section": section, **manifest})
    model: Any = language_adapter(load_masked_lm(BASE, None, "base"), Adapter(type=kind, reduction_factor=4))
    shake(model)
    save_adapter(model, folder)
    if kind == "full":
        put_tokenizer(folder, workspace)
    (folder / "last").mkdir()
    (folder / "last" / "adapter_model.safetensors").write_bytes(b"the last step's")
    (folder / "loss.png").write_bytes(b"a picture")
    return folder


def put_new_pieces(folder: Path, texts: list[str]) -> None:
    """Give the adapter in `folder` new pieces for these texts, with random rows."""
    base, tokenizer = load_masked_lm(BASE, None, "base"), load_tokenizer(BASE, None, "base")
    extended, pieces = learn(tokenizer, texts)
    rows = torch.randn(len(pieces), base.config.hidden_size, generator=torch.Generator().manual_seed(2))
    split_vocabulary(base, vocabulary_size(tokenizer), rows, trained=True)
    save_new_pieces(base, extended, folder)


def put_tokenizer(folder: Path, workspace: Path) -> None:
    for file in (workspace / "bases").glob("*/*/tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())


def put_scores(workspace: Path, adapter: Path | None, system: str = "seq_bn/text") -> list[Path]:
    """Scores of the base and the adapter; the topic adapters of the latter's three seeds are saved. Their folders."""
    of_task = {"language": "swh_Latn", "base": "small-base", "max_length": 24}
    data = {"train": "a1" * 32, "validation": "b2" * 32, "test": "c3" * 32}
    inputs = {**RECORDED_BASE, "data": data}
    parents = (adapter,) if adapter else ()
    add_mlm(workspace, "base", 812.3, base="small-base", inputs=RECORDED_BASE)
    add_topic_seeds(workspace, "base", 0.5, inputs=inputs, **of_task)
    if adapter is not None:
        add_mlm(workspace, system, 401.9, parents=parents, base="small-base", inputs=RECORDED_BASE)
        topic = add_topic_seeds(workspace, system, 0.9, parents=parents, inputs=inputs, **of_task)
    else:
        topic = list((workspace / "scores" / "swh_Latn").glob("topic-*"))
    for folder in (workspace / "scores" / "swh_Latn").iterdir():
        section = json.loads((folder / "manifest.json").read_text())["section"] | {"language": "swh_Latn"}
        facts = {"examples": {"train": 210, "test": 120}}
        change_manifest(folder, section=section, sources=["topic.tsv"], facts=facts)
    for seed, folder in enumerate(topic):
        torch.manual_seed(seed)
        stacked = stack_task_adapter(load_masked_lm(BASE, None, "base"), adapter, 4)
        model = TaskModel(stacked, len(LABELS), per_token=False, pooling="mean")
        shake(model, seed=seed)
        save_task(model, LABELS, folder / "task-adapter")
    return topic


__all__ = ["BASE", "LABELS", "TEXTS", "TOKEN", "put_adapter", "put_base", "put_new_pieces", "put_scores"]
