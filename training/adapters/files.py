"""Reading and writing adapters, and loading their weights into a model; a missing or unexpected one is an error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from torch import Tensor
from transformers import PreTrainedModel

from ...workspace.errors import UserError, first_line, shown
from ..tensors import read_tensors, refuse_pointers
from .quantise import QUANTISED, read_quantised

LANGUAGE = "language"
TASK = "task"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"  # by PEFT before 0.6, or with save_pretrained(safe_serialization=False)


def save_adapter(model: PeftModel | PreTrainedModel, folder: Path, name: str = LANGUAGE) -> None:
    """Write the adapter's files into `folder` itself, where PEFT would put a named adapter into a subfolder.

    Its configuration names the base and, unless it is main, the base's revision. A bare model (`full`) is written
    whole. PEFT's empty model card is deleted: the caller writes one.
    """
    if not isinstance(model, PeftModel):
        model.save_pretrained(str(folder))
        return
    if (revision := getattr(model.get_base_model(), "base_revision", None)) not in (None, "main"):
        model.peft_config[name].revision = revision
    # Without save_embedding_layers=False PEFT asks the hub for the base, to find out whether its embeddings changed.
    model.save_pretrained(str(folder), selected_adapters=[name], save_embedding_layers=False)
    for file in (folder / name).iterdir():
        file.rename(folder / file.name)
    (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)
    _sort_sets(folder / CONFIG, model.peft_config[name])


def _sort_sets(file: Path, config: PeftConfig) -> None:
    """Write sets in a fixed order, so that the same adapter has the same file; PEFT's order differs by process."""
    content = json.loads(file.read_text(encoding="utf-8"))
    content |= {key: sorted(value) for key, value in vars(config).items() if isinstance(value, set)}
    file.write_text(json.dumps(content, indent=2, sort_keys=True), encoding="utf-8")


def read_config(folder: Path) -> PeftConfig:
    """The configuration of a PEFT adapter in a folder. Raises UserError if it is missing or cannot be read."""
    file = folder / CONFIG
    if not file.is_file():
        raise UserError(f"{folder} contains no adapter: {CONFIG} is missing")
    refuse_pointers([file])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "peft_type" not in content:
            raise UserError(f"{file} is not in PEFT's format; import AdapterHub's with `lrl-adapt import-adapter`")
        return PeftConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"cannot read {file}: {first_line(error)}") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a PEFT adapter in a folder, quantised or not. Raises UserError if they cannot be read."""
    if (folder / QUANTISED).is_file():
        refuse_pointers([folder / QUANTISED])
        return read_quantised(folder / QUANTISED)
    for name in (WEIGHTS, PICKLE):
        if (folder / name).is_file():
            return read_tensors(folder / name)
    raise UserError(f"{folder} contains no weights: {WEIGHTS}, {PICKLE} and {QUANTISED} are missing")


def add_adapter(base: PreTrainedModel | PeftModel, config: PeftConfig, name: str = LANGUAGE) -> PeftModel:
    """`base` with a new adapter of random weights, next to those that it has.

    Raises UserError if the configuration does not fit the base.
    """
    try:
        if isinstance(base, PeftModel):
            base.add_adapter(name, config)
            return base
        return cast(PeftModel, get_peft_model(base, config, adapter_name=name))
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"this adapter does not fit the base: {first_line(error)}") from error


def load_adapter_weights(
    model: PeftModel,
    weights: dict[str, Tensor],
    origin: object,
    *,
    name: str = LANGUAGE,
    is_optional: Callable[[str], bool] = lambda name: False,
) -> None:
    """Load weights, named as PEFT saves them, into the adapter `name` of `model`.

    Raises UserError, which names `origin`, if a weight is missing (unless `is_optional(its name)`), unexpected or of
    another shape.
    """
    try:
        result: Any = set_peft_model_state_dict(model, weights, adapter_name=name)
    except (RuntimeError, KeyError) as error:  # shapes that differ; a missing part of the head
        lines = str(error).splitlines()  # of shapes the first is a heading
        raise UserError(
            f"{origin}: the weights do not match the configuration: {lines[min(1, len(lines) - 1)].strip()}"
        ) from error
    # PEFT reports the base's weights as missing too
    adapter_keys = {key for key, _ in model.named_parameters() if f".{name}." in f"{key}."}
    missing = sorted(key for key in adapter_keys & set(result.missing_keys) if not is_optional(key))
    if missing:
        raise UserError(f"{origin}: weights are missing: {missing[0].replace(f'.{name}', '')}")
    if result.unexpected_keys:
        raise UserError(f"{origin}: unexpected weights: {shown(result.unexpected_keys[0])}")
