"""Adapters as PEFT tuners. Importing this package makes our own types known to PEFT."""

from .build import language_adapter, load_adapter, stack_task_adapter
from .seq_bn import SeqBnConfig

__all__ = ["SeqBnConfig", "language_adapter", "load_adapter", "stack_task_adapter"]
