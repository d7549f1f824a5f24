"""Loading all weights of a masked language model from the hub or a folder, or an error that says what is missing."""

import os
import pickle
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM, PreTrainedModel

from ..workspace.errors import UserError, first_line
from ..workspace.formatting import format_count
from ..workspace.hub import discard_damaged_files
from .families import FAMILIES
from .new_head import initialise_head

# Unless this variable is set, transformers asks the hub, in a thread, to convert any checkpoint that is a pickle to
# safetensors. It is read at every loading.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

NAMES_SHOWN = 3  # of missing weights, in an error
# What loading a truncated or damaged checkpoint raises.
READ_ERRORS = (KeyError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError)


def load_weights(
    name: str,
    revision: str | None,
    option: str,
    loader: Any = AutoModelForMaskedLM,
    *,
    new_head: bool | None = False,
) -> PreTrainedModel:
    """The model `name` (hub id or folder) with every weight from its checkpoint.

    transformers initialises missing weights at random and only logs it; here that is an error. `option` is the option
    or key that named the model, `loader` a class with `from_pretrained`. The model gets the attribute `base_revision`,
    the hub revision it was loaded from, for the configurations of adapters that are saved with it.

    `new_head`: False requires a masked-LM head in the checkpoint, True initialises one for an encoder without, and None
    does so only if it is missing. The model's attribute `has_new_head` says whether one was initialised.

    Raises:
        UserError: The checkpoint cannot be read, lacks weights or holds them in other shapes, or `new_head` is True
            and it has an LM head.
        OSError: The checkpoint cannot be found or fetched.
    """
    source = f"{option} {name}"
    try:
        # mismatched shapes are reported below; transformers' own error refers to a table in its log
        model, report = loader.from_pretrained(
            name, revision=revision or "main", output_loading_info=True, ignore_mismatched_sizes=True
        )
    except ValueError as error:  # an unknown model type, or one without this head
        raise UserError(f"{source}: {_first_sentence(error)}") from error
    except READ_ERRORS as error:
        remedy = damage_in_cache(name, revision) or ": download or save them again"
        raise UserError(f"{source}: cannot read its weights ({_first_sentence(error)}){remedy}") from error
    model.base_revision = None if Path(name).is_dir() else revision
    # tied weights are not among the missing keys
    in_head = _in_head(model, report["missing_keys"])
    missing_head = set() if new_head is not False else in_head
    problem = _missing(report["missing_keys"] - in_head, missing_head) or _mismatched(report["mismatched_keys"])
    if new_head and not in_head and not problem:
        problem = "its checkpoint has a masked-LM head: remove base.new_head, or the trained head would be lost"
    if problem:
        raise UserError(f"{source}: {problem}")
    model.has_new_head = bool(in_head)
    if in_head:
        initialise_head(model)
    return model


def damage_in_cache(name: str, revision: str | None) -> str:
    """Delete a model's files that were damaged in the client's cache; how an error ends if there were any, else ""."""
    if not discard_damaged_files(name, revision or "main"):
        return ""
    return ": files were damaged in the cache and have been deleted; run the command again to download them"


def _in_head(model: PreTrainedModel, keys: set[str]) -> set[str]:
    """The keys that belong to the LM head."""
    family = FAMILIES.get(model.config.model_type)
    if family is None:
        return set()
    return {key for key in keys if key.startswith(tuple(f"{name}." for name in family.head))}


def _missing(body: set[str], head: set[str]) -> str:
    """What to do about missing weights of the encoder and the LM head; "" if none are missing."""
    if body:
        return (
            f"its checkpoint is incomplete, {_listed(body)} of the encoder missing: download or save it again, "
            "or choose another base"
        )
    if head:
        return (
            f"its checkpoint has no complete masked-LM head, {_listed(head)} missing: choose a base that has one, "
            "such as FacebookAI/xlm-roberta-base, or train a new head with the adapter (base.new_head: true)"
        )
    return ""


def _mismatched(keys: set[tuple[str, Any, Any]]) -> str:
    """Which weights do not have the shapes that config.json asks for; "" if all do."""
    if not keys:
        return ""
    name, shape, expected = min(keys)
    more = f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
    return (
        f"its checkpoint does not fit its config.json, {name} has shape {tuple(shape)}, expected {tuple(expected)}"
        f"{more}: download or save both again"
    )


def _listed(keys: set[str]) -> str:
    """How many weights, and the names of a few."""
    names = ", ".join(sorted(keys)[:NAMES_SHOWN]) + (", ..." if len(keys) > NAMES_SHOWN else "")
    return f"{format_count(len(keys), 'weight')} ({names})"


def _first_sentence(error: Exception) -> str:
    """transformers' messages go on with advice for other cases."""
    return first_line(error).split(". ")[0]
