"""Bottleneck adapters side by side on one base, so that a batch may mix the texts of several.

The idea is that of S-LoRA (Sheng et al. 2023, https://arxiv.org/abs/2311.03285): the base's layers run once for the
whole batch, and each row goes through its own adapters.
"""

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..eval.inference.choose_adapters import NONE
from ..eval.inference.find_adapters import TaskAdapter
from ..eval.inference.mask_models import MaskModel, mask_model_beside
from ..eval.inference.predictor import Predictor, predictor_beside
from ..training.adapters import BottleneckConfig
from ..training.adapters.bottleneck.layer import Stack
from ..training.adapters.bottleneck.model import NO_ADAPTER
from ..training.adapters.build import add_saved_adapter
from ..training.adapters.files import read_config
from ..training.compat import set_active_adapters
from ..training.vocabulary.files import reads_differently
from .shared_base import SharedBase


def fits_beside(folders: Sequence[Path]) -> bool:
    """Whether these are bottleneck adapters, or fusions of them, that read the base's own pieces.

    LoRA and (IA)³ under a task adapter are merged into weights of their own. Raises UserError for a folder without an
    adapter.
    """
    return all(
        isinstance(read_config(folder), BottleneckConfig) and not reads_differently(folder) for folder in folders
    )


class SideBySide:
    """A copy of the base with any number of bottleneck adapters. To be used by one thread at a time."""

    def __init__(self, base: SharedBase) -> None:
        self._base = base
        self._model: Any = base.copy()
        self._numbers = itertools.count()
        self._stacks: dict[str, str | Stack] = {NONE: NO_ADAPTER}
        """Of language adapters, by their names."""

    def add_task(self, adapter: TaskAdapter) -> Predictor:
        """A task adapter and the language adapter below it. Raises UserError if they cannot be loaded."""
        below = [] if adapter.language_adapter is None else [adapter.language_adapter]
        stack = self._add([*below, adapter.folder])
        try:
            return predictor_beside(self._model, stack, self._base.tokenizer, adapter)
        except BaseException:
            self.remove(stack)
            raise

    def add_language(self, name: str, folder: Path) -> Stack:
        """A language adapter that fills masks as `name`. Raises UserError if it cannot be loaded."""
        self._stacks[name] = stack = self._add([folder])
        return stack

    @cached_property
    def mask_model(self) -> MaskModel:
        """The model that fills masks with the language adapters that are loaded at the time, or with none."""
        return mask_model_beside(self._model, self._base.tokenizer, self._stacks)

    def _add(self, folders: Sequence[Path]) -> Stack:
        """Load adapters, the lowest first. Raises UserError if one cannot be loaded."""
        stack: Stack = ()
        try:
            for folder in folders:
                name = f"adapter{next(self._numbers)}"
                self._model = add_saved_adapter(self._model, folder, name)
                stack += (name,)
        except BaseException:
            self.remove(stack)
            raise
        return stack

    def remove(self, stack: Stack) -> None:
        """Free the memory of adapters that were added."""
        if not stack:
            return
        for name in [name for name, one in self._stacks.items() if one == stack]:
            del self._stacks[name]
        others = [name for name in self._model.peft_config if name not in stack]
        if not others:  # PEFT needs one
            self._model = self._base.copy()
            self.__dict__.pop("mask_model", None)
            return
        set_active_adapters(self._model, others[:1])  # PEFT warns when it deletes the active one
        for name in stack:
            self._model.delete_adapter(name)
