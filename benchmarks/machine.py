"""What the machine is, and how fast its matrix products are: the facts beside which measurements are read.

python benchmarks/machine.py
"""

import os
import platform
import subprocess
from typing import Any

import torch
from lrl_adapt.training.precision import matmul_peak
from lrl_adapt.workspace.artifacts import library_versions
from measure import device_name, parser_of, with_json, write_json

QUERY = ["nvidia-smi", "--query-gpu=name,driver_version,mig.mode.current,power.limit", "--format=csv,noheader"]


def main() -> None:
    arguments = with_json(parser_of(__doc__)).parse_args()
    facts: dict[str, Any] = {"python": platform.python_version(), **library_versions()}
    facts |= {"cores": len(os.sched_getaffinity(0)), "cpu": torch.backends.cpu.get_cpu_capability()}
    if torch.cuda.is_available():
        facts |= gpu_facts()
    device = torch.device(device_name())
    for dtype in (torch.bfloat16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        facts[f"matmul_{name}_tflops"] = round(matmul_peak(device, dtype) / 1e12, 3)
    for name, value in facts.items():
        print(f"{name:24} {value}")
    write_json(arguments.json, facts)


def gpu_facts() -> dict[str, Any]:
    """Of the first GPU that is visible."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "gpus": torch.cuda.device_count(),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "gpu_memory_gb": round(properties.total_memory / 1e9, 1),
        "gpu_memory_free_gb": round(torch.cuda.mem_get_info(0)[0] / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "bf16": torch.cuda.is_bf16_supported(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "mig": "MIG" in properties.name,
        "nvidia_smi": nvidia_smi(),
    }


def nvidia_smi() -> list[str]:
    """For each GPU its name, driver, MIG mode and power limit, or why they are unknown."""
    try:
        listed = subprocess.run(QUERY, capture_output=True, check=False, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"unknown: {error}"]
    return (listed.stdout or listed.stderr or "unknown").strip().splitlines()


if __name__ == "__main__":
    main()
