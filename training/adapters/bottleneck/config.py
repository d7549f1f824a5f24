"""Configuration of the bottleneck adapters, and presets of the published ones."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from peft import PeftConfig
from transformers.activations import ACT2FN

INITS = ("bert", "mam")
# Names of fused adapters, which become parts of weights' and folders' names.
ADAPTER_NAME = re.compile(r"[A-Za-z0-9_-]+")

PRESETS: dict[str, dict[str, Any]] = {
    "seq_bn": {},
    "seq_bn_inv": {"coupling": True},
    "double_seq_bn": {"attention": True, "norm_before": False, "non_linearity": "swish"},
    "par_bn": {"parallel": True, "norm_before": False, "reduction_factor": 2, "scaling": 4.0, "init": "mam"},
}
"""seq_bn and seq_bn_inv: Pfeiffer et al. 2020; double_seq_bn: Houlsby et al. 2019; par_bn: He et al. 2022."""


@dataclass
class BottleneckConfig(PeftConfig):
    """Where a bottleneck adapter has bottlenecks, their sizes and form. Raises ValueError for invalid settings."""

    reduction_factor: Any = field(
        default=16,
        metadata={"help": "Hidden size divided by the bottleneck's width; or a number for each block and 'default'."},
    )
    attention: bool = field(default=False, metadata={"help": "A bottleneck after each self-attention."})
    feed_forward: bool = field(default=True, metadata={"help": "A bottleneck after each feed-forward."})
    parallel: bool = field(
        default=False, metadata={"help": "Beside the feed-forward, on its input, instead of after it."}
    )
    norm_before: bool = field(
        default=True, metadata={"help": "Add the residual and apply the block's LayerNorm before the bottleneck."}
    )
    non_linearity: str = field(default="relu", metadata={"help": "Name of an activation function of transformers."})
    dropout: float = field(default=0.0, metadata={"help": "Dropout on the bottleneck's output."})
    scaling: float = field(default=1.0, metadata={"help": "Factor on the bottleneck's output."})
    init: str = field(
        default="bert",
        metadata={"help": "bert: N(0, 0.02); mam: Kaiming and zeros, so that it starts as the identity."},
    )
    leave_out: list[int] = field(default_factory=list, metadata={"help": "Blocks without a bottleneck, from 0."})
    coupling: bool = field(default=False, metadata={"help": "A NICE coupling on the embeddings' output."})
    coupling_reduction_factor: float = field(
        default=2, metadata={"help": "Half the embeddings' width divided by the coupling's inner width."}
    )
    invert_before_head: bool = field(
        default=True, metadata={"help": "Invert the coupling before the LM head's decoder."}
    )
    sparse_groups: int = field(
        default=1, metadata={"help": "Groups of bottleneck units; in training one at random is active."}
    )
    fused: list[dict[str, Any]] = field(
        default_factory=list,
        metadata={"help": "AdapterFusion: names and configurations of the fused adapters, in order."},
    )
    target_modules: Any = field(
        default=None, metadata={"help": "Regular expression of the modules to change; default: by the base's family."}
    )
    modules_to_save: list[str] | None = field(
        default=None, metadata={"help": "Modules trained whole and saved: the LM head's transform."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.peft_type = "BOTTLENECK"  # type: ignore[assignment]  # PEFT's enum cannot be extended
        if isinstance(self.reduction_factor, Mapping):  # JSON has string keys only
            self.reduction_factor = {str(key): value for key, value in self.reduction_factor.items()}
        problems = [message for is_wrong, message in self._checks() if is_wrong]
        if problems:
            raise ValueError("; ".join(problems))

    def _checks(self) -> list[tuple[bool, str]]:
        """(whether it is wrong, the message) of each check."""
        factors = self.reduction_factor
        names = [fused.get("name") if isinstance(fused, Mapping) else None for fused in self.fused]
        numbers = list(factors.values()) if isinstance(factors, Mapping) else [factors]
        return [
            (
                not (self.attention or self.feed_forward),
                "neither attention nor feed_forward is set, so there would be no bottleneck",
            ),
            (
                not numbers or not all(_is_number(number) and number > 0 for number in numbers),
                f"reduction_factor must be above 0, got {factors}",
            ),
            (
                self.parallel and self.attention,
                "parallel bottlenecks are possible beside the feed-forward only, not attention",
            ),
            (self.parallel and self.norm_before, "norm_before has no effect on parallel bottlenecks: set it to false"),
            (
                str(self.non_linearity) not in ACT2FN,
                f"non_linearity {self.non_linearity!r} is not an activation of transformers",
            ),
            (
                not _is_number(self.dropout) or not 0 <= self.dropout < 1,
                f"dropout must be in [0, 1), got {self.dropout}",
            ),
            (not _is_number(self.scaling), f"scaling must be a number, got {self.scaling}"),
            (
                not isinstance(self.leave_out, list) or not all(isinstance(block, int) for block in self.leave_out),
                f"leave_out must be a list of block numbers, got {self.leave_out}",
            ),
            (self.init not in INITS, f"init must be one of {', '.join(INITS)}, got {self.init!r}"),
            (
                not _is_number(self.coupling_reduction_factor) or self.coupling_reduction_factor <= 0,
                f"coupling_reduction_factor must be above 0, got {self.coupling_reduction_factor}",
            ),
            (self.sparse_groups < 1, f"sparse_groups must be at least 1, got {self.sparse_groups}"),
            (len(self.fused) == 1, "fusion needs at least two adapters"),
            (
                len(set(names)) < len(names)
                or not all(isinstance(name, str) and ADAPTER_NAME.fullmatch(name) for name in names),
                f"fused adapters must have distinct names of letters, digits, - and _, got {names}",
            ),
            (
                any(isinstance(fused, Mapping) and fused.get("parallel") for fused in self.fused),
                "parallel bottlenecks cannot be fused",
            ),
        ]

    def block_reduction_factor(self, block: int) -> float:
        """The reduction factor of a block. Raises ValueError if the mapping has neither the block nor a default."""
        factors = self.reduction_factor
        if not isinstance(factors, Mapping):
            return factors
        for key in (str(block), "default"):
            if key in factors:
                return factors[key]
        raise ValueError(f"reduction_factor has neither block {block} nor 'default'")

    @property
    def fused_configs(self) -> "dict[str, BottleneckConfig]":
        """The configurations of the fused adapters, by name; `coupling` is set in the one whose coupling is used."""
        configs = {}
        for fused in self.fused:
            settings = {key: value for key, value in fused.items() if key != "name"}
            configs[fused["name"]] = BottleneckConfig(**settings)
        return configs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
