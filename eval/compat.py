"""Interfaces of other libraries that are not public, each with the version it was seen in and what replaces it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from peft import PeftModel

from ..training.adapters.bottleneck.layer import Stack


def adapters_by_sample(model: PeftModel, names: Sequence[str | Stack]) -> AbstractContextManager[None]:
    """While this is open, sample i of a batch goes through the adapter, or with bottlenecks the stack, `names[i]`.

    PEFT 0.21 offers that as `model(..., adapter_names=names)` alone, which runs encoder and head together; we run them
    apart. If `_enable_peft_forward_hooks` goes: run one forward pass for each adapter, after `set_adapter`.
    """
    tuner: Any = model.base_model
    return tuner._enable_peft_forward_hooks(adapter_names=list(names))
