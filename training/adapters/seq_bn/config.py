"""Configuration of the sequential bottleneck."""

from dataclasses import dataclass, field
from typing import Any

from peft import PeftConfig


@dataclass
class SeqBnConfig(PeftConfig):
    """Sizes and places of a sequential bottleneck. Raises ValueError for a reduction factor below 1."""

    reduction_factor: int = field(default=16, metadata={"help": "Hidden size divided by the bottleneck's width."})
    target_modules: Any = field(
        default=None, metadata={"help": "Regular expression or names of the feed-forward output modules."}
    )
    modules_to_save: list[str] | None = field(
        default=None, metadata={"help": "Modules trained whole and saved with the adapter: the LM head's transform."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = "SEQ_BN"  # type: ignore[assignment]  # PEFT's enum is closed to others
        if self.reduction_factor < 1:
            raise ValueError(f"reduction_factor must be at least 1, got {self.reduction_factor}")
