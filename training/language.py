"""Training a language adapter: prepared text in, adapter artifact out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils import set_seed
from peft import PeftModel
from transformers import PreTrainedModel

from ..recipes.artifacts import Artifact, Draft, Prepared
from ..recipes.errors import UserError
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Recipe, Training
from .adapters import fuse_adapters, language_adapter
from .adapters.files import save_adapter
from .base import base_identity, base_name, load_base, scratch_artifact, tokenizer_hash
from .card import trained_card
from .data import Batch, Sequences, plan_batches, tokenise, tokens_artifact
from .loop import Schedule, fit, make_accelerator, mean_loss
from .masking import Masking, generator_for
from .mlm import MaskedLM

FUSED = ("text", "graph")
VALIDATION_SEED = 0  # the same masks at every look, whatever the run's seed


def adapter_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact:
    """Where the recipe's language adapter lies."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    section = {
        "language": recipe.language,
        "source": recipe.source,
        "adapter": recipe.adapter.settings(),
        "training": recipe.training.model_dump(mode="json"),
        "code": 2,
    }
    if recipe.source == "fusion":
        section["adapter"]["fusion_coupling"] = recipe.adapter.fusion_coupling
    return Artifact(
        workspace / "adapters" / recipe.language,
        f"{base_name(recipe.base)}-{recipe.source}-{recipe.adapter.type}",
        "adapter",
        section,
        {"base": base_identity(recipe.base)},
        prepared.of(recipe.source)
        + ((scratch,) if scratch else ())
        + tuple(_fused_artifacts(recipe, workspace, prepared).values()),
    )


def train_adapter(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET) -> Artifact:
    """Train the recipe's language adapter unless it is there already; for a fusion, the two it fuses first.

    The artifact holds `adapter_config.json`, `adapter_model.safetensors` (for `full` a whole model and its tokenizer),
    `README.md` (the model card), `metrics.jsonl` and the manifest. Raises UserError when there is nothing to train on.
    """
    artifact = adapter_artifact(recipe, workspace, prepared)
    if artifact.exists:
        return artifact
    for part in _parts(recipe).values():
        train_adapter(part, workspace, prepared, progress)
    artifact.build(lambda draft: _train(recipe, workspace, prepared, artifact, draft, progress), progress)
    return artifact


def _parts(recipe: Recipe) -> dict[str, Recipe]:
    """What a fusion fuses: the same adapter trained on text and on the graph."""
    sources = FUSED if recipe.source == "fusion" else ()
    return {source: recipe.model_copy(update={"source": source}) for source in sources}


def _fused_artifacts(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Artifact]:
    return {name: adapter_artifact(part, workspace, prepared) for name, part in _parts(recipe).items()}


def _adapted(base: PreTrainedModel, recipe: Recipe, workspace: Path, prepared: Prepared) -> PeftModel | PreTrainedModel:
    """The base with what is to be trained."""
    parts = _fused_artifacts(recipe, workspace, prepared)
    settings = recipe.adapter
    if not parts:
        return language_adapter(base, settings)
    has_coupling = settings.type == "seq_bn_inv" and settings.fusion_coupling != "none"
    return fuse_adapters(
        base,
        {name: part.folder for name, part in parts.items()},
        coupling=settings.fusion_coupling if has_coupling else None,
        train_head=settings.train_head,
    )


def _train(
    recipe: Recipe, workspace: Path, prepared: Prepared, artifact: Artifact, draft: Draft, progress: Progress
) -> None:
    settings = recipe.training
    base, tokenizer = load_base(recipe, workspace, prepared, progress)
    where = str(base.config.name_or_path)
    parameters = base.num_parameters()
    train, validation = _tokens(recipe, workspace, prepared, tokenizer, progress)
    set_seed(settings.seed)
    accelerator, reason = make_accelerator(settings.precision)
    adapted = _adapted(base, recipe, workspace, prepared)
    model = MaskedLM(adapted).to(accelerator.device)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    progress.say(f"training {trainable:,} of {parameters:,} parameters on {accelerator.device.type}; {reason}")
    masking = Masking.of(tokenizer, settings.mask_probability)
    fixed = _validation_batches(validation, masking, settings)
    with (draft.folder / "metrics.jsonl").open("w", encoding="utf-8") as file:
        outcome = fit(
            model,
            _training_batches(train, masking, settings),
            _schedule(settings),
            lambda: mean_loss(model, fixed, accelerator),
            accelerator,
            log=lambda entry: print(json.dumps(entry), file=file, flush=True),
            progress=progress,
            label=f"train {recipe.adapter.type} on {recipe.source}",
        )
    draft.facts |= {
        "base_commit": getattr(base.config, "_commit_hash", None),
        "trainable_parameters": trainable,
        "precision": reason,
        "steps": settings.max_steps,
        "best_step": outcome.best_step,
        "validation_loss": outcome.best_value,
        "training_tokens": int(train.lengths.sum()),
    }
    save_adapter(adapted, draft.folder)
    if recipe.adapter.type == "full":
        tokenizer.save_pretrained(draft.folder)
    card = trained_card(recipe, draft.facts, artifact, where)
    (draft.folder / "README.md").write_text(card, encoding="utf-8")


def _tokens(
    recipe: Recipe, workspace: Path, prepared: Prepared, tokenizer: Any, progress: Progress
) -> tuple[Sequences, Sequences]:
    """Training and validation sequences, tokenised where that has not been done."""
    length = recipe.training.max_length
    root = workspace / "tokens" / recipe.language
    tokens = tokens_artifact(prepared.of(recipe.source), tokenizer_hash(tokenizer), length, root)
    tokenise(tokens, tokenizer, length, progress)
    train, validation = (
        Sequences(tokens.folder / f"{name}.arrow", tokenizer.pad_token_id) for name in ("train", "validation")
    )
    for name, data in (("training", train), ("validation", validation)):
        if not len(data):
            raise UserError(f"no {name} text in {', '.join(str(a.folder) for a in tokens.parents)}: give more text")
    return train, validation


def _training_batches(data: Sequences, masking: Masking, settings: Training) -> Iterator[Batch]:
    """Endless masked batches; which, and how masked, depends on (seed, epoch, batch) alone."""
    epoch = 0
    while True:
        rng = np.random.default_rng((settings.seed, epoch))
        for number, rows in enumerate(plan_batches(data.lengths, settings.batch_tokens, rng)):
            yield masking.apply(data.batch(rows), generator_for(settings.seed, epoch, number))
        epoch += 1


def _validation_batches(data: Sequences, masking: Masking, settings: Training) -> list[Batch]:
    """The same masked batches at every look: about `validation_tokens` tokens."""
    plan = plan_batches(data.lengths, settings.batch_tokens, np.random.default_rng(VALIDATION_SEED))
    batches: list[Batch] = []
    tokens = 0
    for number, rows in enumerate(plan):
        batches.append(masking.apply(data.batch(rows), generator_for(VALIDATION_SEED, number)))
        tokens += int(data.lengths[rows].sum())
        if tokens >= settings.validation_tokens:
            break
    return batches


def _schedule(settings: Training) -> Schedule:
    return Schedule(
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        eval_every=settings.eval_every,
        log_every=settings.log_every,
    )
