"""The device and the precision to compute in, each with the reason, and the speed of the device's matrix products."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import InitProcessGroupKwargs

from ..recipes.training import Precision
from .compat import reset_accelerator_state
from .fast.linear import linear

# How long a process waits for the others: the main one tokenises all text first. A lost process is noticed at once.
PROCESS_TIMEOUT = timedelta(hours=2)
MATMUL_TRIES = 5  # after one to warm up


def make_accelerator(wanted: Precision, **settings: Any) -> tuple[Accelerator, str]:
    """An Accelerator of this precision, and the reason for the precision in words.

    Joins the processes that torchrun, accelerate or Slurm started, if any. Other Accelerators made in this process do
    not matter.
    """
    precision, reason = choose_precision(wanted)
    reset_accelerator_state()
    # `accelerate launch` sets this; the recipe decides
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    handlers: list[Any] = [InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)]
    return Accelerator(mixed_precision=precision, cpu=not has_gpu(), kwargs_handlers=handlers, **settings), reason


def has_gpu() -> bool:
    """True when there is a GPU and the user has not given --cpu."""
    return not cpu_alone() and (torch.cuda.is_available() or torch.backends.mps.is_available())


def use_device() -> torch.device:
    """The device for using trained models: the GPU if there is one.

    By accelerate's PartialState, for an Accelerator would fix the precision for the process.
    """
    return torch.device(str(PartialState(cpu=not has_gpu()).device))


def cpu_alone() -> bool:
    """True when the user gave --cpu, or set accelerate's own ACCELERATE_USE_CPU."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}


def choose_precision(wanted: Precision) -> tuple[str, str]:
    """accelerate's `mixed_precision` (no or bf16), and the reason in words.

    bf16, not fp16: it has the exponent range of fp32, so that gradients need no scaling. On a CPU bf16 is faster with
    AMX only: with AVX512-BF16 alone its matrix products are slower than fp32's (docs/performance.md).
    """
    if wanted != "auto":
        return ("bf16" if wanted == "bf16" else "no"), f"{wanted}: set by the recipe"
    if not has_gpu():
        if "amx_bf16" in _processor_flags():
            return "bf16", "bf16: this processor has AMX"
        return "no", "fp32: no GPU, and this processor has no AMX"
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        if major >= 8:  # Ampere, the first with bf16
            return "bf16", f"bf16: {torch.cuda.get_device_name()}, compute capability {major}.{minor}"
        return "no", f"fp32: compute capability {major}.{minor} has no bf16"
    return "no", "fp32: the GPU does not support CUDA"


def autocast_dtype(accelerator: Accelerator) -> torch.dtype:
    """The dtype of matrix products under the accelerator's autocast."""
    return torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of a few large matrix products: what a training step is measured against.

    Measured, for the data sheet's peak is out of reach, and a CPU's depends on its clock and threads.
    """
    # large enough to keep the device busy: 1.1 TFLOP on a GPU, 2 GFLOP on a CPU
    size = 8192 if device.type == "cuda" else 1024
    # random numbers: with constant ones a GPU needs less power, and is faster than it ever is in training
    left, right = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(MATMUL_TRIES + 1):
        _synchronize(device)
        start = time.perf_counter()
        linear(left, right)
        _synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor_flags() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return set()
    lines = (line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("flags"))
    return set(next(lines, "").split())
