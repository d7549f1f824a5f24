"""Training a language adapter: prepared text in, adapter artifact out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils import set_seed
from peft import PeftModel

from ..recipes.artifacts import Artifact, Draft, Prepared
from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Recipe, Training
from .adapters import language_adapter
from .adapters.build import LANGUAGE
from .base import base_identity, base_name, load_base, scratch_artifact, tokenizer_hash
from .data import Batch, Sequences, plan_batches, tokenise, tokens_artifact
from .loop import Schedule, fit, make_accelerator, mean_loss
from .masking import Masking, generator_for
from .mlm import MaskedLM

VALIDATION_SEED = 0  # the same masks at every look, whatever the run's seed


def adapter_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact:
    """Where the recipe's language adapter lies."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    section = {
        "language": recipe.language,
        "source": recipe.source,
        "adapter": recipe.adapter.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
        "code": 1,
    }
    return Artifact(
        workspace / "adapters" / recipe.language,
        f"{base_name(recipe.base)}-{recipe.source}-{recipe.adapter.type}",
        "adapter",
        section,
        {"base": base_identity(recipe.base)},
        prepared.of(recipe.source) + ((scratch,) if scratch else ()),
    )


def train_adapter(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET) -> Artifact:
    """Train the recipe's language adapter unless it is there already.

    The artifact holds `adapter_config.json`, `adapter_model.safetensors`, `metrics.jsonl` and the manifest. Raises
    UserError when there is nothing to train on.
    """
    artifact = adapter_artifact(recipe, workspace, prepared)
    artifact.build(lambda draft: _train(recipe, workspace, prepared, draft, progress), progress)
    return artifact


def _train(recipe: Recipe, workspace: Path, prepared: Prepared, draft: Draft, progress: Progress) -> None:
    settings = recipe.training
    base, tokenizer = load_base(recipe, workspace, prepared, progress)
    tokens = tokens_artifact(
        prepared.of(recipe.source),
        tokenizer_hash(tokenizer),
        settings.max_length,
        workspace / "tokens" / recipe.language,
    )
    tokenise(tokens, tokenizer, settings.max_length, progress)
    train, validation = (
        Sequences(tokens.folder / f"{name}.arrow", tokenizer.pad_token_id) for name in ("train", "validation")
    )
    for name, data in (("training", train), ("validation", validation)):
        if not len(data):
            raise UserError(f"no {name} text in {', '.join(str(a.folder) for a in tokens.parents)}: give more text")
    set_seed(settings.seed)
    accelerator, reason = make_accelerator(settings.precision)
    adapted = language_adapter(base, recipe.adapter)
    model = MaskedLM(adapted).to(accelerator.device)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    progress.say(
        f"training {trainable:,} of {base.num_parameters():,} parameters on {accelerator.device.type}; {reason}"
    )
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
    _save(adapted, recipe, draft.facts, draft.folder)


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


def _save(adapted: PeftModel, recipe: Recipe, facts: dict[str, Any], folder: Path) -> None:
    """Write the adapter's files into `folder` itself, where PEFT puts a named adapter into a folder of its own."""
    adapted.save_pretrained(str(folder), selected_adapters=[LANGUAGE])
    for file in (folder / LANGUAGE).iterdir():
        file.rename(folder / file.name)
    (folder / LANGUAGE).rmdir()
    (folder / "README.md").write_text(_card(recipe, facts), encoding="utf-8")


def _card(recipe: Recipe, facts: dict[str, Any]) -> str:
    """The model card, in place of PEFT's empty form."""
    language = find_language(recipe.language)
    base = recipe.base.model or "a BERT with random weights (made by the recipe)"
    return f"""# {recipe.adapter.type} adapter for {language.name} ({language.code})

- base: {base}
- trained on: {recipe.source}, {facts["training_tokens"]:,} tokens, {facts["steps"]} steps, recipe {recipe.name}
- trainable parameters: {facts["trainable_parameters"]:,}
- validation loss: {facts["validation_loss"]:.4f} at step {facts["best_step"]}
- data, versions and settings: manifest.json; loss curve: metrics.jsonl
- licences: those of the base and of the training data

```python
from peft import PeftModel
from transformers import AutoModelForMaskedLM

import lrl_adapt.training.adapters  # makes the adapter's type known to PEFT

model = PeftModel.from_pretrained(AutoModelForMaskedLM.from_pretrained(BASE), FOLDER)
```
"""
