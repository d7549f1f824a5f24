"""seq_bn: Pfeiffer et al.'s sequential bottleneck."""

from ..register import register
from .config import SeqBnConfig
from .layer import SeqBnLayer
from .model import SeqBnModel

register("SEQ_BN", SeqBnConfig, SeqBnModel)

__all__ = ["SeqBnConfig", "SeqBnLayer", "SeqBnModel"]
