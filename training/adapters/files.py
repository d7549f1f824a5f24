"""Adapters on disk, and their weights put onto a base: nothing is missing, nothing is left over, or it is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from torch import Tensor
from transformers import PreTrainedModel

from ...workspace.errors import UserError
from ..tensors import first_line, read_tensors, refuse_pointers
from .quantise import QUANTISED, read_quantised

LANGUAGE = "language"
TASK = "task"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"  # of PEFT before 0.6, and with save_pretrained(safe_serialization=False)


def save_adapter(model: PeftModel | PreTrainedModel, folder: Path, name: str = LANGUAGE) -> None:
    """Write the adapter's files into `folder` itself, where PEFT puts a named adapter into a folder below.

    Its configuration names the base and, unless that is main, the base's revision. A bare model (`full`) is written
    whole. The card is the caller's: PEFT's empty form is not kept.
    """
    if not isinstance(model, PeftModel):
        model.save_pretrained(str(folder))
        return
    if (revision := getattr(model.get_base_model(), "base_revision", None)) not in (None, "main"):
        model.peft_config[name].revision = revision
    # embeddings are the base's and stay out; to find out whether they are, PEFT would ask the hub for the base
    model.save_pretrained(str(folder), selected_adapters=[name], save_embedding_layers=False)
    for file in (folder / name).iterdir():
        file.rename(folder / file.name)
    (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)


def read_config(folder: Path) -> PeftConfig:
    """The configuration of a PEFT adapter in a folder. Raises UserError where there is none that can be read."""
    file = folder / CONFIG
    if not file.is_file():
        raise UserError(f"{folder} holds no adapter: there is no {CONFIG}")
    refuse_pointers([file])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "peft_type" not in content:
            raise UserError(f"{file} is not PEFT's; for AdapterHub's form there is `lrl-adapt import-adapter`")
        return PeftConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{file} cannot be read: {first_line(error)}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a PEFT adapter in a folder, quantised or not. Raises UserError where they cannot be read."""
    if (folder / QUANTISED).is_file():
        refuse_pointers([folder / QUANTISED])
        return read_quantised(folder / QUANTISED)
    for name in (WEIGHTS, PICKLE):
        if (folder / name).is_file():
            return read_tensors(folder / name)
    raise UserError(f"{folder} has none of {WEIGHTS}, {PICKLE} and {QUANTISED}")


def put_on(base: PreTrainedModel | PeftModel, config: PeftConfig, name: str = LANGUAGE) -> PeftModel:
    """`base` with a new adapter of random weights, beside others where it has some.

    Raises UserError where its configuration does not fit the base.
    """
    try:
        if isinstance(base, PeftModel):
            base.add_adapter(name, config)
            return base
        return cast(PeftModel, get_peft_model(base, config, adapter_name=name))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"this adapter does not fit the base: {first_line(error)}") from error


def put_weights(
    model: PeftModel,
    weights: dict[str, Tensor],
    origin: object,
    *,
    name: str = LANGUAGE,
    may_miss: Callable[[str], bool] = lambda name: False,
) -> None:
    """Give the adapter `name` of `model` these weights, named as PEFT saves them.

    Raises UserError, naming `origin`, where one is missing (unless `may_miss` says that it may), of another shape, or
    unknown.
    """
    try:
        result: Any = set_peft_model_state_dict(model, weights, adapter_name=name)
    except (RuntimeError, KeyError) as error:  # torch's list of shapes; a part of the head that PEFT looks for
        lines = str(error).splitlines()
        raise UserError(
            f"{origin}: weights and configuration disagree: {lines[min(1, len(lines) - 1)].strip()}"
        ) from error
    own = {key for key, _ in model.named_parameters() if f".{name}." in f"{key}."}
    missing = sorted(key for key in own & set(result.missing_keys) if not may_miss(key))
    if missing:
        raise UserError(f"{origin}: there are no weights for {missing[0].replace(f'.{name}', '')}")
    if result.unexpected_keys:
        raise UserError(f"{origin}: there are weights for {result.unexpected_keys[0]}, which this adapter lacks")
