"""A base whose weights are in memory once, however many models with adapters are made of it."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..eval.inference.find_adapters import BaseReference
from ..training.precision import use_device
from ..training.vocabulary.files import add_new_pieces


@dataclass(frozen=True)
class SharedBase:
    """A base and its tokenizer."""

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, reference: BaseReference) -> "SharedBase":
        """Load the base, onto the GPU if there is one. Raises UserError if it cannot be loaded or used."""
        model, tokenizer = reference.load()
        return cls(model.requires_grad_(False).to(use_device()).eval(), tokenizer)

    def copy(self, adapter: Path | None = None) -> Any:
        """A model with modules of its own that adapters may be put on, and the base's weights.

        Modules are a few hundred Python objects. Each weight is a parameter of its own on the same memory, so replacing
        its data (as in merging LoRA) changes the copy alone; code that writes into the memory would change the base.
        The rows of the new pieces that `adapter` brings, if any, are put beside the base's.
        """
        shared: dict[int, Any] = {
            id(parameter): nn.Parameter(parameter.detach(), requires_grad=False)
            for parameter in self.model.parameters()
        }
        shared |= {id(buffer): buffer for buffer in self.model.buffers()}
        model = deepcopy(self.model, shared)
        if adapter is not None:
            add_new_pieces(model, adapter, separate=True)
        return model
