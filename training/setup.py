"""Everything up to the first step of a language adapter's training: base, tokens, adapter, masks, the steps to come."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from ..recipes.schema import Recipe
from ..recipes.training import Training
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from .adapters import language_adapter
from .adapters.controls import head_alone, randomise_identity
from .anchor import Anchored
from .artifacts import BASE_FACT, FUSED_SOURCES, token_artifacts, tokenizer_owner
from .base import load_base, tokenizer_hash
from .batches import Batch, MaskedSteps, Sampler, plan_batches
from .device_batch_tokens import find_device_tokens
from .loop import LoopSettings
from .masking import IGNORE_INDEX, Masking, random_for
from .mlm import MaskedLM
from .precision import autocast_dtype
from .tokens import Reading, Sequences, tokenise
from .transliterate import romanizer_name
from .vocabulary.files import has_trained_rows, read_trained_rows
from .vocabulary.layers import set_trained_rows, unfreeze_trained_rows
from .vocabulary.make import extended_tokenizer, put_new_pieces, reading_without

VALIDATION_SEED = 0  # the same masks at every validation, whatever the run's seed
MOST_ATTEMPTS = 20  # to find a mask that selects a token
DRIFT_SENTENCES = 256  # whose drift is measured: the mean is then known to a few per cent
MOST_UNKNOWN = 0.1  # of a text's pieces: with more the base cannot read the language


@dataclass
class Ready:
    """What `fit` needs, and facts for the manifest."""

    tokenizer: Any
    adapted: PeftModel | PreTrainedModel
    masked_lm: MaskedLM
    model: MaskedLM | Anchored
    """What is trained: `masked_lm`, or with training.anchor that with its penalty."""
    feed: MaskedSteps
    fixed: list[Batch]
    """Validation batches with their masks."""
    sentences: list[Batch]
    """Validation batches without masks, whose drift is measured."""
    schedule: LoopSettings
    facts: dict[str, Any]


def set_up(
    recipe: Recipe,
    workspace: Path,
    prepared: Prepared,
    accelerator: Accelerator,
    parts: dict[str, Artifact],
    progress: Progress = QUIET,
    processes: int | None = None,
) -> Ready:
    """Load or make all of it; `parts` are the adapters that a fusion fuses. Raises UserError where text is missing.

    With `processes` the feed gives one process's share of each step among so many, though they were not started.
    """
    settings = recipe.training
    processes = processes or accelerator.num_processes
    with accelerator.main_process_first():  # which makes what does not exist yet, and reports it
        base, tokenizer = load_base(recipe, workspace, prepared, progress)
        own_tokenizer, tokenizer = tokenizer, extended_tokenizer(recipe, workspace, prepared, tokenizer, progress)
        tokens = make_tokens(recipe, workspace, prepared, tokenizer, progress)
    train, validation = (
        [Sequences(artifact.folder / f"{split}.arrow") for artifact in tokens] for split in ("train", "validation")
    )
    trained_rows = put_new_pieces(base, own_tokenizer, tokenizer, recipe, train)
    parameters, of_base = base.num_parameters(), list(base.parameters())
    has_own_pieces = tokenizer is not own_tokenizer and not recipe.transliterates
    called = "the tokenizer with new pieces" if has_own_pieces else "the base's tokenizer"
    reading = _report_reading(tokens, progress, called + (" on romanised text" if recipe.transliterates else ""))
    set_seed(settings.seed)
    adapted = _adapted(base, recipe, parts)
    if recipe.vocabulary.train != "none":
        unfreeze_trained_rows(adapted)
    freeze_in(of_base, autocast_dtype(accelerator))
    if settings.gradient_checkpointing:
        checkpoint_activations(base)
    masked_lm = MaskedLM(adapted).to(accelerator.device)
    model = Anchored(masked_lm, settings.anchor) if settings.anchor else masked_lm
    masking = Masking.from_tokenizer(tokenizer, settings.mlm_probability, whole_word_mask=settings.whole_word_mask)
    softmax = _restrict_loss(masked_lm, train, tokenizer, progress) if settings.softmax == "language" else {}
    feed = MaskedSteps(
        _samplers(train, settings),
        masking,
        masked_lm.layout,
        device_tokens=settings.device_batch_tokens or 0,
        processes=processes,
        process=accelerator.process_index,
        anchored=settings.anchor > 0,
    )
    if not feed.device_tokens:
        feed.device_tokens = find_device_tokens(model, feed, accelerator)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    devices = f"{processes} x {accelerator.device.type}"
    facts = {
        "base_commit": getattr(base.config, "_commit_hash", None),
        **({"lm_head": "new, trained with the adapter"} if recipe.base.new_head else {}),
        "parameters": parameters,
        "trainable_parameters": trainable,
        "devices": devices,
        "device_batch_tokens": feed.device_tokens,
        "training_tokens": sum(int(data.lengths.sum()) for data in train),
        **({"romanised_by": romanizer_name()} if recipe.transliterates else {}),
        **softmax,
        **reading,
        **reading_without(recipe, workspace, prepared),
        **trained_rows,
    }
    progress.say(f"training {trainable:,} of {parameters:,} parameters on {devices}")
    fixed = validation_batches(validation, masking, masked_lm, settings)
    sentences = _drift_batches(validation, masked_lm, settings)
    return Ready(tokenizer, adapted, masked_lm, model, feed, fixed, sentences, schedule_of(recipe), facts)


def _restrict_loss(masked_lm: MaskedLM, train: list[Sequences], tokenizer: Any, progress: Progress) -> dict[str, int]:
    """Compute the loss of training over the pieces that occur in the text; their number, for the manifest."""
    pieces = np.unique(np.concatenate([*(data.pieces() for data in train), tokenizer.all_special_ids]))
    count = masked_lm.restrict_loss(torch.from_numpy(pieces.astype(np.int64)))
    progress.say(f"training loss over {count:,} of {len(tokenizer):,} pieces")
    return {"softmax_pieces": count}


def schedule_of(recipe: Recipe) -> LoopSettings:
    """The settings of the training loop; an untrained control has no steps."""
    settings = recipe.training
    return LoopSettings(
        max_steps=0 if recipe.control == "untrained" else settings.max_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        eval_steps=settings.eval_steps,
        logging_steps=settings.logging_steps,
        early_stopping_patience=settings.early_stopping_patience,
        hang_timeout=settings.hang_timeout,
        seed=settings.seed,
    )


def _adapted(base: PreTrainedModel, recipe: Recipe, parts: dict[str, Artifact]) -> PeftModel | PreTrainedModel:
    """The base with what is to be trained, or with the weights of an untrained control."""
    from .adapters import fuse_adapters

    settings = recipe.adapter
    if recipe.control == "head":
        return head_alone(base)
    if not parts:
        adapted = language_adapter(base, settings)
        if recipe.control == "untrained":
            randomise_identity(adapted)
        return adapted
    coupling = None
    if settings.type == "seq_bn_inv" and settings.fusion_coupling != "none":
        coupling = list(parts)[FUSED_SOURCES.index(settings.fusion_coupling)]
    folders = {name: part.folder for name, part in parts.items()}
    if has_trained_rows(first := next(iter(folders.values()))):  # as the head, they start as the first one's
        set_trained_rows(base, read_trained_rows(first)[1])
    return fuse_adapters(base, folders, coupling=coupling, train_head=settings.train_head)


def checkpoint_activations(base: PreTrainedModel) -> None:
    """Keep no activations inside blocks; they are computed again for the gradient."""
    # transformers before 5.20 knows it by the older name alone
    name = "activation" if hasattr(base, "activation_checkpointing_enable") else "gradient"
    getattr(base, f"{name}_checkpointing_enable")({"use_reentrant": False})


def freeze_in(parameters: list[nn.Parameter], dtype: torch.dtype) -> None:
    """Keep what is frozen of the base in the precision of the products, so that it is not converted in each step."""
    for parameter in parameters:
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def make_tokens(
    recipe: Recipe, workspace: Path, prepared: Prepared, tokenizer: Any, progress: Progress = QUIET
) -> list[Artifact]:
    """Tokenise the recipe's text, graph or both, unless that is finished. Raises UserError where a split is empty."""
    artifacts = token_artifacts(recipe, workspace, prepared, tokenizer_hash(tokenizer))
    owner = {BASE_FACT: tokenizer_owner(recipe, workspace, prepared)}
    for tokens in artifacts:
        tokenise(tokens, tokenizer, progress, owner)
        for split in ("train", "validation"):
            if not tokens.manifest()["facts"][split]["sequences"]:
                name = {"train": "training"}.get(split, split)
                (source,) = tokens.parents
                raise UserError(f"no {name} text in {source.folder}: give more text")
    return artifacts


def _report_reading(tokens: list[Artifact], progress: Progress, name: str = "the base's tokenizer") -> dict[str, float]:
    """How well the tokenizer, called `name`, reads the language; warns where it does not."""
    facts = [artifact.manifest()["facts"]["train"] for artifact in tokens]
    reading = Reading(*(sum(counts[count] for counts in facts) for count in Reading._fields))
    share = reading.unknown_share
    progress.say(f"{name}: {reading.tokens_per_word:.2f} tokens per word, {share:.1%} of them unknown")
    if share > MOST_UNKNOWN:
        progress.say(
            f"WARNING: {share:.0%} of the text is [UNK] to this base: its vocabulary lacks the script. An adapter "
            "alone cannot fix this, and its pseudo-perplexity is meaningless; romanise the text "
            "(corpus.transliterate: latin), add new pieces to the vocabulary (vocabulary.pieces: auto), or choose "
            "another base (XLM-R has more than mBERT)"
        )
    return {"tokens_per_word": round(reading.tokens_per_word, 4), "unknown_share": round(share, 4)}


def _samplers(train: list[Sequences], settings: Training) -> list[Sampler]:
    """One for each source, each with its part of the batch: `graph_share`, else by how much there is of it."""
    by_count = settings.batch_sequences is not None
    amounts = np.array([float(len(data) if by_count else data.lengths.sum()) for data in train])
    parts = amounts / amounts.sum()
    if len(train) > 1 and settings.graph_share is not None:
        parts = np.array([1 - settings.graph_share, settings.graph_share])
    samplers = []
    for data, part in zip(train, parts, strict=True):
        sequences = max(1, round(settings.batch_sequences * part)) if settings.batch_sequences else None
        samplers.append(Sampler(data, max(1, round(settings.batch_tokens * part)), sequences, settings.seed))
    return samplers


def validation_batches(
    validation: list[Sequences], masking: Masking, model: MaskedLM, settings: Training
) -> list[Batch]:
    """The same masked batches at every validation: about `validation_tokens` tokens of each source's share."""
    batches: list[Batch] = []
    for which, data in enumerate(validation):
        plan = plan_batches(data.lengths, settings.validation_batch_tokens, random_for(VALIDATION_SEED))
        tokens = 0
        for number, numbers in enumerate(plan):
            rows = data.rows(numbers)
            pairs = [_asked(masking, row, VALIDATION_SEED, which, number, n) for n, row in enumerate(rows)]
            batches.append(model.layout.batch(*zip(*pairs, strict=True)))
            tokens += int(data.lengths[numbers].sum())
            if tokens * len(validation) >= settings.validation_tokens:
                break
    if not any(bool((batch["labels"] != IGNORE_INDEX).any()) for batch in batches):
        raise UserError("no tokens to predict in the validation text: all of it is [UNK] to this base")
    return batches


def _drift_batches(validation: list[Sequences], model: MaskedLM, settings: Training) -> list[Batch]:
    """At most DRIFT_SENTENCES sentences, about `validation_tokens` tokens, of each source as many, without masks."""
    rows: list[np.ndarray] = []
    for data in validation:
        numbers = random_for(VALIDATION_SEED).permutation(len(data.lengths))[: DRIFT_SENTENCES // len(validation)]
        within = np.cumsum(data.lengths[numbers]) * len(validation) <= settings.validation_tokens
        rows += data.rows(numbers[: max(1, int(within.sum()))])
    lengths = np.array([len(row) for row in rows])
    plan = plan_batches(lengths, settings.validation_batch_tokens, random_for(VALIDATION_SEED))
    unmasked = [np.full(length, IGNORE_INDEX) for length in lengths]
    return [model.layout.batch([rows[n] for n in numbers], [unmasked[n] for n in numbers]) for numbers in plan]


def _asked(masking: Masking, row: np.ndarray, *numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """The masked row; with other random numbers where those before chose no token, as in short ones they may."""
    masked = masking.apply(row, random_for(*numbers, 0))
    for attempt in range(1, MOST_ATTEMPTS):
        if (masked[1] != IGNORE_INDEX).any():
            break
        masked = masking.apply(row, random_for(*numbers, attempt))
    return masked
