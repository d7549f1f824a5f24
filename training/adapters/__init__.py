"""Adapters as PEFT tuners. Importing this package registers the bottleneck types with PEFT."""

from .bottleneck import BottleneckConfig
from .build import fuse_adapters, language_adapter, load_adapter, load_adapters, stack_task_adapter

__all__ = [
    "BottleneckConfig",
    "fuse_adapters",
    "language_adapter",
    "load_adapter",
    "load_adapters",
    "stack_task_adapter",
]
