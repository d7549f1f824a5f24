"""The precision and its reason, by what the machine has."""

import pytest
import torch
from lrl_adapt.training import precision


def test_precision_is_chosen_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_processor_flags", lambda: {"avx512_bf16"})
    assert precision.choose_precision("auto") == ("no", "fp32: no GPU, and this processor has no AMX")
    monkeypatch.setattr(precision, "_processor_flags", lambda: {"amx_bf16"})
    assert precision.choose_precision("auto") == ("bf16", "bf16: this processor has AMX")
    assert precision.choose_precision("fp32") == ("no", "fp32: set by the recipe")
    assert precision.choose_precision("bf16") == ("bf16", "bf16: set by the recipe")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    for capability, expected in (
        ((9, 0), "bf16: H200, compute capability 9.0"),
        ((7, 5), "fp32: compute capability 7.5"),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda c=capability: c)
        assert precision.choose_precision("auto")[1].startswith(expected)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert precision.choose_precision("auto")[1] == "bf16: this processor has AMX"
