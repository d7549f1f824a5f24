"""What is exported, and what a format's `write` reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peft import PeftConfig

from ...eval.inference.find_adapters import TaskAdapter
from ...training.adapters.build import load_adapter
from ...training.base import load_masked_lm, load_tokenizer
from ...training.model_card import CardBase
from ...training.transliterate import romanised_language, romanizer_name
from ...training.vocabulary.files import tokenizer_of
from ...workspace.errors import UserError
from .onnx_int8 import QuantisationCost
from .trim import Trimmed


@dataclass(frozen=True)
class Request:
    """A language adapter, a whole model (`full`) or a task adapter that is to be written in another format."""

    source: Path
    config: PeftConfig | None
    """Of a language adapter; None for a whole model and for a task adapter."""
    base: CardBase
    bits: int | None = None
    name: str = "mlm"
    """Of the adapter, in AdapterHub's format."""
    int8: bool = False
    """Whether weights are stored as 8-bit integers, in ONNX."""
    trim: bool | Sequence[Path] = False
    """Whether a whole model keeps only the pieces that its language uses, or the files of text that say which."""
    task: TaskAdapter | None = None
    """The task adapter that is exported instead of a language adapter."""

    def require_adapter(self, format: str) -> PeftConfig:
        """The adapter's configuration. Raises UserError for a whole model."""
        if self.config is None:
            raise UserError(
                f"{self.source} is a whole model, not an adapter, which --format {format} needs; use "
                "--format transformers"
            )
        return self.config

    def load(self) -> Any:
        """The adapter on its base, or the whole model; frozen. Raises UserError if it is missing or does not fit."""
        if self.config is None:
            return load_masked_lm(str(self.source), None, "adapter").requires_grad_(False)
        return load_adapter(load_masked_lm(self._base_name, self.base.revision, "--base", new_head=None), self.source)

    def load_tokenizer(self) -> Any:
        """The tokenizer that the adapter was trained with. Raises UserError where it is missing."""
        if self.config is None:
            return load_tokenizer(str(self.source), None, "adapter")
        return tokenizer_of(self.source, load_tokenizer(self._base_name, self.base.revision, "--base"))

    @property
    def _base_name(self) -> str:
        if self.base.name is None:
            raise UserError(f"{self.source} does not name its base: give it with --base")
        return self.base.name


@dataclass(frozen=True)
class Written:
    """What a format reports on what it wrote."""

    notes: list[str] = field(default_factory=list)
    """What the format cannot hold, a sentence each."""
    relative_error: float | None = None
    """Norm of the change in the matrices over their norm."""
    largest_difference: float | None = None
    """Of any logit from PyTorch's, on random tokens."""
    cost: QuantisationCost | None = None
    """Of 8-bit integers in ONNX, beside fp32."""
    trimmed: Trimmed | None = None
    """What trimming the vocabulary left of a whole model."""


def romanised_notes(tokenizer: Any) -> list[str]:
    """A note for a model whose text has to be romanised; none for another."""
    language = romanised_language(tokenizer)
    if language is None:
        return []
    return [f"romanise texts with {romanizer_name()} (lcode={language[:3]}) first: the saved tokenizer alone does not"]
