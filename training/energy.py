"""Energy that training uses: of the GPU by NVML, else of the processor by RAPL, else unknown.

NVML's nvmlDeviceGetTotalEnergyConsumption gives millijoules since the driver was loaded, on Volta or newer
(https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html). Linux shows RAPL's counters of each processor
package in microjoules (https://docs.kernel.org/power/powercap/powercap.html); since Linux 5.10 only root may read them.
"""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator

POWERCAP = Path("/sys/class/powercap")
POLL_SECONDS = 30.0  # RAPL's counters start again at 0 after as little as 65 kJ, which is 3 minutes at 400 W


class Counter(NamedTuple):
    """A counter of energy that only grows, but starts again at 0 after `limit`."""

    read: Callable[[], float]
    """Joules. Raises OSError or ValueError."""
    limit: float = 0.0
    """The highest value in joules; 0: none is known."""


class EnergyMeter:
    """Inside `with`, adds up what the counters count."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters
        self._joules = 0.0
        self._readable = bool(counters)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> "EnergyMeter":
        self._last: list[float] = []
        self.update()
        if self._readable:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.update()

    @property
    def joules(self) -> float | None:
        """Joules so far; None without counters, or if one could not be read."""
        return self._joules if self._readable else None

    def update(self) -> None:
        """Read the counters and add what was used since the last time."""
        if not self._readable:
            return
        try:
            values = [counter.read() for counter in self._counters]
            used = [_used(*reading) for reading in zip(self._counters, self._last or values, values, strict=True)]
        except (OSError, ValueError):
            self._readable = False
            return
        self._joules += sum(used)
        self._last = values

    def _poll(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self.update()


def _used(counter: Counter, before: float, now: float) -> float:
    if now < before and not counter.limit:
        raise ValueError("the counter was set back")
    return now - before + (counter.limit if now < before else 0.0)


def training_meter(accelerator: Accelerator) -> tuple[EnergyMeter, str]:
    """A meter for this process's share, and the name of its counters: nvml or rapl."""
    if accelerator.device.type == "cuda":
        return EnergyMeter(_gpu_counters(accelerator.device)), "nvml"
    # of the processes on a machine one reads the counters, which cover all of them
    return EnergyMeter(_package_counters() if accelerator.is_local_main_process else [Counter(lambda: 0.0)]), "rapl"


def energy_facts(meter: EnergyMeter, source: str, accelerator: Accelerator) -> dict[str, Any]:
    """For the manifest: what all processes used together and where the figure comes from; None for both if unknown."""
    own = torch.tensor(float("nan") if meter.joules is None else meter.joules, device=accelerator.device)
    total = float(accelerator.reduce(own, "sum"))  # type: ignore[arg-type]
    known = not math.isnan(total)  # as one unreadable counter makes it
    return {"energy_joules": round(total, 1) if known else None, "energy_source": source if known else None}


def _package_counters() -> list[Counter]:
    """A counter of each processor package; none where there is no RAPL, as in most virtual machines."""
    counters = []
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):  # AMD's processors have the same name
        with suppress(OSError, ValueError):
            if (zone / "name").read_text().startswith("package"):  # not core, dram or psys, which are parts or sums
                limit = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counters.append(Counter(lambda file=zone / "energy_uj": int(file.read_text()) / 1e6, limit))
    return counters


def _gpu_counters(device: torch.device) -> list[Counter]:
    try:
        pynvml: Any = import_module("pynvml")  # optional, so that the type checker may not find it
    except ImportError:
        return []

    def read() -> float:
        try:
            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
            return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    return [Counter(read)]
