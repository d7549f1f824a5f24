"""The base model: from the hub, from a folder, or made on the spot with random weights."""

import hashlib
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer, PreTrainedModel

from ..recipes.schema import Base, FromScratch, Recipe
from ..workspace.artifacts import Artifact, Draft, Prepared, file_hash
from ..workspace.errors import UserError
from ..workspace.hub_errors import hub_errors
from ..workspace.progress import QUIET, Progress
from .families import check_family, family_of
from .tensors import refuse_pointers
from .tokens import line_break, read_texts
from .weights import load_weights
from .wordpiece import train_tokenizer

LONGEST_WORD = 2000  # characters; the time WordPiece takes grows with the square
VOCABULARY_FILES = ("tokenizer.json", "vocab*", "*.model")
BASE_FILES = ("config.json", "*.safetensors", "*.bin", "tokenizer*", "vocab*", "merges*", "*tokens*.json", "*.model")


def scratch_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact | None:
    """Where the recipe's random base lies; None when the recipe names a model."""
    if recipe.base.from_scratch is None:
        return None
    unread = set() if recipe.base.from_scratch.alphabet else {"alphabet"}
    return Artifact(
        workspace / "bases" / recipe.language,
        "scratch",
        "base",
        {**recipe.base.from_scratch.artifact_settings(exclude=unread), "code": 3},
        parents=prepared.all,
    )


def base_name(base: Base) -> str:
    """Short name for folders and tables: xlm-roberta-base, scratch."""
    return "scratch" if base.model is None else Path(base.model).name


def base_identity(base: Base) -> dict[str, Any]:
    """What decides the content of a base that is loaded: hub id and revision, or the hashes of a folder's files."""
    if base.model is None:
        return {}
    folder = Path(base.model)
    new_head = {"new_head": True} if base.new_head else {}
    if not folder.is_dir():
        return {"model": base.model, "revision": base.revision} | new_head
    files = sorted({file for pattern in BASE_FILES for file in folder.glob(pattern)})
    return {file.name: file_hash(file) for file in files} | new_head


def load_base(
    recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET
) -> tuple[PreTrainedModel, Any]:
    """The frozen-to-be model in fp32 and its tokenizer; a random base is made first if it is not there yet.

    Raises UserError when the model cannot be had or is of an unknown family.
    """
    scratch = scratch_artifact(recipe, workspace, prepared)
    if scratch is not None:
        settings = recipe.base.from_scratch
        assert settings is not None
        if scratch.build(lambda draft: _make_scratch(settings, prepared, draft), progress):
            progress.say(f"made a BERT with random weights: {scratch.folder}")
        name, revision = str(scratch.folder), None
    else:
        name, revision = str(recipe.base.model), recipe.base.revision
    model = load_masked_lm(name, revision, "base.model", new_head=recipe.base.new_head)
    tokenizer = load_tokenizer(name, revision, "base.model")
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            f"base.model {name}: its tokenizer has {len(tokenizer)} pieces, the model {model.config.vocab_size}"
        )
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise UserError(f"base.model {name}: its tokenizer has no mask or no padding token")
    _check_sizes(recipe, model.config)
    return model, tokenizer


def load_masked_lm(name: str, revision: str | None, option: str, *, new_head: bool | None = False) -> PreTrainedModel:
    """A masked language model of a known family with its LM head, from the hub or a folder, in fp32.

    `option` is what the user called it by, `new_head` as for `load_weights`. Raises UserError when it cannot be had
    or used.
    """
    _check_folder(name, option)
    # trust_remote_code stays off: a base is weights, not somebody's code
    with hub_errors(f"{option} {name}"):
        model = load_weights(name, revision, option, new_head=new_head)
    check_family(model, model.config.model_type)
    return model.float()


def load_tokenizer(name: str, revision: str | None, option: str) -> Any:
    """The tokenizer of a base, from where the base is. Raises UserError when it cannot be had.

    WordPiece makes one [UNK] of a word of more than 100 characters, and where no spaces are written (Thai, Tibetan,
    Dzongkha) whole sentences are one word to it: that limit is lifted.
    """
    _check_folder(name, option)
    with hub_errors(f"{option} {name}"):
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main")
        except (ValueError, KeyError) as error:
            raise UserError(f"{option} {name}: {str(error).strip().splitlines()[0]}") from error
    model: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    if hasattr(model, "max_input_chars_per_word"):
        model.max_input_chars_per_word = LONGEST_WORD
    return tokenizer


def _check_folder(name: str, option: str) -> None:
    """Raise a UserError for a path that leads nowhere (the hub would take it for an id), or to pointers of Git LFS."""
    if name.startswith(("/", ".")) and not Path(name).is_dir():
        raise UserError(f"{option}: no such folder: {name}")
    if Path(name).is_dir():
        refuse_pointers(file for pattern in BASE_FILES for file in Path(name).glob(pattern))


def _check_sizes(recipe: Recipe, config: Any) -> None:
    """Raise a UserError for lengths and reduction factors that this model cannot have."""
    limit = config.max_position_embeddings - family_of(config.model_type).first_position(config)
    lengths = {
        "training.max_length": recipe.training.max_length,
        "eval.mlm.max_length": recipe.eval.mlm.max_length,
        "eval.training.max_length": recipe.eval.training.max_length,
    }
    wrong = [
        f"{name}: {length} is over this base's {limit} positions" for name, length in lengths.items() if length > limit
    ]
    width, blocks = config.hidden_size, config.num_hidden_layers
    read = recipe.adapter.settings()  # a field that the type does not read may hold anything
    own = read.get("reduction_factor")
    factors = [("adapter", factor) for factor in (own.values() if isinstance(own, dict) else [own or 1])]
    wrong += [
        f"{name}.reduction_factor: {factor} is over this base's width {width}"
        for name, factor in [*factors, ("eval.training", recipe.eval.training.reduction_factor)]
        if factor > width
    ]
    named = {
        "adapter.leave_out": read.get("leave_out", []),
        "adapter.freeze": [part for part in read.get("freeze", []) if part != "embeddings"],
        # settings() is JSON-ready, so blocks are strings there
        "adapter.reduction_factor": [int(key) for key in own if key != "default"] if isinstance(own, dict) else [],
    }
    wrong += [
        f"{name}: block {block} is over this base's last, {blocks - 1}"
        for name, numbers in named.items()
        for block in numbers
        if block >= blocks
    ]
    if wrong:
        raise UserError("\n  ".join(["the recipe does not fit its base:", *wrong]))


def tokenizer_hash(tokenizer: Any) -> str:
    """Hash of what a tokenizer does (vocabulary, rules), whatever its path or class, and of how lines are joined."""
    between = line_break(tokenizer)
    rules = tokenizer.backend_tokenizer.to_str() + (f" lines joined by {between}" if between else "")
    return hashlib.sha256(rules.encode()).hexdigest()


def local_tokenizer_hash(recipe: Recipe, workspace: Path, prepared: Prepared) -> str | None:
    """`tokenizer_hash` of the recipe's base; None where the base is not on this machine. The hub is not asked."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    folder = scratch.folder if scratch else _local_folder(str(recipe.base.model), recipe.base.revision)
    # of a folder without a vocabulary, half downloaded, transformers makes an empty tokenizer
    if folder is None or not any(file for pattern in VOCABULARY_FILES for file in folder.glob(pattern)):
        return None
    try:
        return tokenizer_hash(load_tokenizer(str(folder), None, "base.model"))
    except UserError:
        return None


def _local_folder(name: str, revision: str) -> Path | None:
    """A base's folder, or a hub model's in the cache. By its id transformers would load it through the hub's client."""
    if Path(name).is_dir():
        return Path(name)
    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


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
