"""The bottleneck adapters of AdapterHub: seq_bn, double_seq_bn, par_bn, seq_bn_inv, and their fusion.

They are one PEFT type, for PEFT stacks and fuses only adapters of one type; each is a preset of `BottleneckConfig`.
"""

from ...compat import register_peft_type
from .config import PRESETS, BottleneckConfig
from .layer import BottleneckLayer
from .model import BottleneckModel

register_peft_type("BOTTLENECK", BottleneckConfig, BottleneckModel)

__all__ = ["PRESETS", "BottleneckConfig", "BottleneckLayer", "BottleneckModel"]
