"""Memory: measuring the peak, and returning freed memory to the operating system."""

import ctypes
import resource
import sys
from contextlib import suppress

import torch


def peak_memory(device: torch.device) -> int:
    """Peak memory so far in bytes: reserved on the GPU, or resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    # Linux counts ru_maxrss in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def trim_memory() -> None:
    """Return freed memory to the operating system, where the C library can.

    Batches differ in size, so that freed blocks leave gaps between live ones. Without this a process on a CPU grows by
    some MB a step.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl's C library has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
