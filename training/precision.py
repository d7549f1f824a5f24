"""Where and how precisely to compute: the device, bf16 or fp32, and the speed of its matrix product."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from ..recipes.training import Precision
from .fast.linear import linear

PATIENCE = timedelta(hours=2)  # of a process for the one that tokenises; a lost one is noticed at once
PRODUCT_TRIES = 5


def make_accelerator(wanted: Precision, **settings: Any) -> tuple[Accelerator, str]:
    """An accelerator of this precision and the reason in words, whatever was made before in this process.

    Joins the processes that torchrun, accelerate or Slurm started, if any.
    """
    precision, reason = choose_precision(wanted)
    AcceleratorState._reset_state()
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # accelerate launch's word; the recipe's counts
    handlers: list[Any] = [InitProcessGroupKwargs(timeout=PATIENCE)]
    return Accelerator(mixed_precision=precision, cpu=not has_gpu(), kwargs_handlers=handlers, **settings), reason


def has_gpu() -> bool:
    """True when there is a GPU and the user has not said --cpu."""
    return not cpu_alone() and (torch.cuda.is_available() or torch.backends.mps.is_available())


def use_device() -> torch.device:
    """Where to use what was trained: the GPU if there is one. An Accelerator would fix a precision for the process."""
    return torch.device(str(PartialState(cpu=not has_gpu()).device))


def cpu_alone() -> bool:
    """True when the user said --cpu (or accelerate's own ACCELERATE_USE_CPU)."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}


def choose_precision(wanted: Precision) -> tuple[str, str]:
    """accelerate's `mixed_precision` (no or bf16), and the reason in words.

    On a CPU bf16 pays with AMX alone: with AVX512-BF16 its products are slower than fp32's (docs/performance.md).
    """
    if wanted != "auto":
        return ("bf16" if wanted == "bf16" else "no"), f"{wanted}: as asked"
    if not has_gpu():
        if "amx_bf16" in _processor_flags():
            return "bf16", "bf16: this processor has AMX"
        return "no", "fp32: no GPU, and this processor has no AMX"
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        if major >= 8:
            return "bf16", f"bf16: {torch.cuda.get_device_name()}, compute capability {major}.{minor}"
        return "no", f"fp32: compute capability {major}.{minor} has no bf16"
    return "no", "fp32: a GPU without CUDA"


def autocast_dtype(accelerator: Accelerator) -> torch.dtype:
    """The precision of the products."""
    return torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of a few large matrix products: what a training step is measured against."""
    size = 8192 if device.type == "cuda" else 1024
    left, right = (torch.ones(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(PRODUCT_TRIES + 1):
        _wait(device)
        started = time.perf_counter()
        linear(left, right)
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor_flags() -> set[str]:
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return set()
    lines = (line for line in information.read_text(encoding="utf-8").splitlines() if line.startswith("flags"))
    return set(next(lines, "").split())
