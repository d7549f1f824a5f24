"""Energy from a made-up powercap folder and a made-up pynvml."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from lrl_adapt.training import energy
from lrl_adapt.training.energy import Counter, EnergyMeter, energy_facts, training_meter


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages that have used 1 J and 250 J of at most 262.1 J, with a part of the first and the sum of all."""
    for zone, name, used in [
        ("intel-rapl:0", "package-0", 1_000_000),
        ("intel-rapl:1", "package-1", 250_000_000),
        ("intel-rapl:0:0", "core", 500_000),
        ("intel-rapl:2", "psys", 9_000_000),
        ("intel-rapl-mmio:0", "package-0", 1_000_000),
    ]:
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("262100000\n")
        (tmp_path / zone / "energy_uj").write_text(f"{used}\n")
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    return tmp_path


def set_counter(powercap: Path, zone: str, microjoules: int) -> None:
    (powercap / zone / "energy_uj").write_text(f"{microjoules}\n")


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


def test_the_packages_are_added_up_and_their_counters_may_start_again(powercap: Path, accelerator: Accelerator) -> None:
    meter, source = training_meter(accelerator)
    with meter:
        set_counter(powercap, "intel-rapl:0", 3_500_000)
        set_counter(powercap, "intel-rapl:0:0", 400_000_000)
        set_counter(powercap, "intel-rapl:2", 400_000_000)
        set_counter(powercap, "intel-rapl:1", 261_000_000)
        meter.update()
        set_counter(powercap, "intel-rapl:1", 900_000)
    assert meter.joules == pytest.approx(2.5 + 11 + 2)
    assert energy_facts(meter, source, accelerator) == {"energy_joules": 15.5, "energy_source": "rapl"}


UNKNOWN = {"energy_joules": None, "energy_source": None}


def test_without_counters_the_energy_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerator: Accelerator
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    meter, source = training_meter(accelerator)
    with meter:
        pass
    assert energy_facts(meter, source, accelerator) == UNKNOWN


@pytest.mark.parametrize("when", ["at the start", "later"])
@pytest.mark.parametrize("content", [None, "", "<not supported>"])
def test_a_counter_that_cannot_be_read_makes_the_energy_unknown(
    powercap: Path, accelerator: Accelerator, when: str, content: str | None
) -> None:
    def damage() -> None:
        file = powercap / "intel-rapl:1/energy_uj"
        file.unlink()
        if content is None:
            file.mkdir()  # cannot be read, by root either
        else:
            file.write_text(content)

    if when == "at the start":
        damage()
    meter, source = training_meter(accelerator)
    with meter:
        set_counter(powercap, "intel-rapl:0", 3_500_000)
        if when == "later":
            damage()
    assert energy_facts(meter, source, accelerator) == UNKNOWN


def test_a_counter_is_read_often_enough_to_notice_each_new_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "POLL_SECONDS", 0.001)
    values = iter([10.0, 90.0, 20.0, 80.0, 30.0])  # of at most 100 J: 80 + 30 + 60 + 50 J
    last = [0.0]

    def read() -> float:
        last[0] = next(values, last[0])
        return last[0]

    with EnergyMeter([Counter(read, 100.0)]) as meter:
        while last[0] != 30.0:
            pass
    assert meter.joules == pytest.approx(220.0)


def test_a_gpu_is_read_by_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = ModuleType("pynvml")
    millijoules = {"GPU-1a2b": 5_000}
    nvml.NVMLError = type("NVMLError", (Exception,), {})
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: uuid
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: millijoules[handle]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1a2b"))
    meter, source = training_meter(SimpleNamespace(device=torch.device("cuda", 0)))
    with meter:
        millijoules["GPU-1a2b"] = 12_500
    assert (meter.joules, source) == (7.5, "nvml")

    def refuse(handle: str) -> int:
        raise nvml.NVMLError("Not Supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    with training_meter(SimpleNamespace(device=torch.device("cuda", 0)))[0] as meter:
        pass
    assert meter.joules is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert training_meter(SimpleNamespace(device=torch.device("cuda", 0)))[0].joules is None
