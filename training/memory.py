"""Memory: the most that was held, and freed memory given back."""

import ctypes
import resource
import sys
from contextlib import suppress

import torch


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: on the GPU, or by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trim_memory() -> None:
    """Give freed memory back to the system, where the C library can.

    Batches of ever other sizes leave holes between what lives on, and without this a process grows by some MB a step.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no such function
            ctypes.CDLL(None).malloc_trim(0)
