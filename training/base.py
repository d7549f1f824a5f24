"""The base model: from the hub, from a folder, or created with random weights."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel

from ..recipes.base_names import unknown_base
from ..recipes.schema import FromScratch, Recipe
from ..recipes.yaml_files import BUNDLED
from ..workspace.artifacts import Draft, Prepared
from ..workspace.errors import UserError, first_line
from ..workspace.hub import TOKENIZER_FILES, ask_again, cached_file, checked_download, describe_model
from ..workspace.hub_errors import hub_errors, is_unreachable
from ..workspace.progress import QUIET, Progress
from .artifacts import BASE_FILES, scratch_artifact
from .families import check_family, family_of
from .tensors import refuse_pointers
from .tokens import line_break, read_texts
from .transliterate import recorded_transliteration, romanised_language, romanizer_name, tokenizer_json
from .weights import damage_in_cache, load_weights
from .wordpiece import train_tokenizer

LONGEST_WORD = 2000  # characters; the time WordPiece takes grows with the square


def load_base(
    recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET, *, needs_lm_head: bool = True
) -> tuple[PreTrainedModel, Any]:
    """The model in fp32, not yet frozen, and its tokenizer; a base with random weights is created if it does not exist.

    Without `needs_lm_head`, the checkpoint may lack a masked-LM head even if the recipe asks for no new one.
    Raises UserError when the model cannot be loaded or is of an unknown family.
    """
    name, revision = _locate_base(recipe, workspace, prepared, progress)
    new_head = recipe.base.new_head if needs_lm_head else None
    model = load_masked_lm(name, revision, "base.model", new_head=new_head)
    tokenizer = load_tokenizer(name, revision, "base.model")
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            f"base.model {name}: its tokenizer has {len(tokenizer)} pieces, but the model {model.config.vocab_size}"
        )
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise UserError(f"base.model {name}: its tokenizer has no mask or no padding token")
    _check_sizes(recipe, model.config)
    return model, tokenizer


def load_base_tokenizer(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET) -> Any:
    """The tokenizer of the recipe's base, without its model. Raises UserError when it cannot be loaded."""
    name, revision = _locate_base(recipe, workspace, prepared, progress)
    return load_tokenizer(name, revision, "base.model")


def make_scratch_base(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET) -> Path:
    """Make the recipe's base with random weights unless it exists; returns its folder."""
    scratch, settings = scratch_artifact(recipe, workspace, prepared), recipe.base.from_scratch
    assert scratch is not None
    assert settings is not None
    if scratch.build(lambda draft: _make_scratch(settings, prepared, draft), progress):
        progress.say(f"created a BERT with random weights: {scratch.folder}")
    return scratch.folder


def _locate_base(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress) -> tuple[str, str | None]:
    """Folder or hub id of the base, and its revision; a base with random weights is made first."""
    if recipe.base.model is None:
        return str(make_scratch_base(recipe, workspace, prepared, progress)), None
    return recipe.base.model, recipe.base.revision


def load_masked_lm(name: str, revision: str | None, option: str, *, new_head: bool | None = False) -> PreTrainedModel:
    """A masked language model of a known family with its LM head, from the hub or a folder, in fp32.

    `option` is the option or key that named it, `new_head` as for `load_weights`. Raises UserError when it cannot be
    loaded or used.
    """
    _check_available(name, revision, option)
    # trust_remote_code stays off: a base provides weights, not code

    def load() -> PreTrainedModel:
        with hub_errors(f"{option} {name}"), checked_download(name, "model"):
            return load_weights(name, revision, option, new_head=new_head)

    model = ask_again(load)
    check_family(model, model.config.model_type)
    return model.float()


def load_tokenizer(name: str, revision: str | None, option: str) -> Any:
    """The tokenizer of a base, from where the base is; of a model that reads romanised text, one that romanises.

    Raises UserError when it cannot be loaded.

    WordPiece makes one [UNK] of a word of more than 100 characters, and where no spaces are written (Thai, Tibetan,
    Dzongkha) whole sentences are one word to it: that limit is lifted.
    """
    _check_available(name, revision, option, TOKENIZER_FILES)

    def load() -> Any:
        with hub_errors(f"{option} {name}"), checked_download(name, "model"):
            try:
                return AutoTokenizer.from_pretrained(name, revision=revision or "main")
            except (ValueError, KeyError) as error:
                raise UserError(f"{option} {name}: {first_line(error)}{damage_in_cache(name, revision)}") from error

    tokenizer = ask_again(load)
    model: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    if hasattr(model, "max_input_chars_per_word"):
        model.max_input_chars_per_word = LONGEST_WORD
    return recorded_transliteration(tokenizer, Path(name))


def _check_available(name: str, revision: str | None, option: str, enough: Collection[str] = ()) -> None:
    """Raise a UserError for a path that leads nowhere (the hub would take it for an id), or to pointers of Git LFS.

    Also for a model that is not cached while the hub does not answer: transformers would ask for a minute. One of the
    files in `enough` is sufficient in the cache. A mirror of the hub may have the files and not describe them.
    """
    if name.startswith(("/", ".")) and not Path(name).is_dir():
        raise UserError(f"{option}: no such folder: {name}")
    if problem := unknown_base(name, str(BUNDLED)):
        raise UserError(f"{option}: {problem}")
    if Path(name).is_dir():
        refuse_pointers(file for pattern in BASE_FILES for file in Path(name).glob(pattern))
        return
    try:
        describe_model(name, revision or "main")
    except UserError as error:
        if is_unreachable(error) and not any(cached_file(name, file, revision or "main", "model") for file in enough):
            raise UserError(f"{option} {error}") from error.__cause__


def _check_sizes(recipe: Recipe, config: Any) -> None:
    """Raise a UserError for lengths and reduction factors that this model cannot have, of the parts that are used."""
    limit = config.max_position_embeddings - family_of(config.model_type).first_position(config)
    tasks = recipe.eval.tasks or recipe.eval.configured
    of_tasks = {recipe.eval.training_field(name): recipe.eval.training_of(name) for name in tasks if name != "mlm"}
    lengths = {
        "training.max_length": recipe.training.max_length if recipe.adapter.type != "none" else 0,
        "eval.mlm.max_length": recipe.eval.mlm.max_length if "mlm" in tasks else 0,
        **{f"{section}.max_length": settings.max_length for section, settings in of_tasks.items()},
    }
    wrong = [
        f"{name}: {length} exceeds this base's {limit} positions" for name, length in lengths.items() if length > limit
    ]
    width, blocks = config.hidden_size, config.num_hidden_layers
    read = recipe.adapter.settings()  # a field that the type does not read may hold anything
    own = read.get("reduction_factor")
    factors = [("adapter", factor) for factor in (own.values() if isinstance(own, dict) else [own or 1])]
    task_factors = [(section, settings.reduction_factor) for section, settings in of_tasks.items()]
    wrong += [
        f"{name}.reduction_factor: {factor} exceeds this base's width {width}"
        for name, factor in [*factors, *task_factors]
        if factor > width
    ]
    named = {
        "adapter.leave_out": read.get("leave_out", []),
        "adapter.freeze": [part for part in read.get("freeze", []) if part != "embeddings"],
        # settings() is JSON-ready, so blocks are strings there
        "adapter.reduction_factor": [int(key) for key in own if key != "default"] if isinstance(own, dict) else [],
    }
    wrong += [
        f"{name}: block {block} does not exist; this base's last is {blocks - 1}"
        for name, numbers in named.items()
        for block in numbers
        if block >= blocks
    ]
    if wrong:
        raise UserError("\n  ".join(["the recipe does not fit its base:", *wrong]))


def tokenizer_hash(tokenizer: Any) -> str:
    """Hash of what a tokenizer does (vocabulary, rules), whatever its path or class, and of how lines are joined."""
    between, language = line_break(tokenizer), romanised_language(tokenizer)
    rules = tokenizer_json(tokenizer) + (f" lines joined by {between}" if between else "")
    rules += f" {language} romanised by {romanizer_name()}" if language else ""
    return hashlib.sha256(rules.encode()).hexdigest()


def _make_scratch(settings: FromScratch, prepared: Prepared, draft: Draft) -> None:
    """A WordPiece tokenizer trained on the training text, and a BERT of random weights around it."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = train_tokenizer(read_texts(prepared.all, "train"), settings.vocab_size, settings.alphabet)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.num_hidden_layers,
        num_attention_heads=settings.num_attention_heads,
        intermediate_size=settings.intermediate_size,
        initializer_range=settings.initializer_range,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model = BertForMaskedLM(config)
    model.save_pretrained(draft.folder)
    tokenizer.save_pretrained(draft.folder)
    draft.facts |= {"parameters": model.num_parameters(), "pieces": len(tokenizer), "random_weights": True}
