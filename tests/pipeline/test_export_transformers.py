"""Models that transformers loads by itself, and what cannot be one."""

from pathlib import Path

import pytest
import torch
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.pipeline.export.formats import FORMATS
from lrl_adapt.workspace.errors import UserError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from ..eval.made import TEXTS, TOPICS, make_adapter, make_base, make_scores


@pytest.mark.parametrize(("kind", "format"), [("lora", "transformers"), ("ia3", "merged"), ("full", "transformers")])
def test_auto_model_gives_the_adapters_logits(kind: str, format: str, tmp_path: Path) -> None:
    base = make_base(tmp_path)
    adapter = make_adapter(tmp_path, base, kind).folder
    exported = export(adapter, tmp_path / "out", format=format)
    assert exported.bits is None
    model, tokenizer = load_adapter(adapter)
    inputs = tokenizer(TEXTS[0], return_tensors="pt")
    again = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert again(TEXTS[0])["input_ids"] == inputs["input_ids"][0].tolist()
    with torch.no_grad():
        got = AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()(**inputs).logits
        torch.testing.assert_close(got, model(**inputs).logits, atol=1e-4, rtol=1e-4)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert 'AutoModelForMaskedLM.from_pretrained(".")' in card
    assert str(tmp_path) not in card


def test_bottlenecks_and_task_adapters_are_refused_with_a_way_out(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    adapter = make_adapter(tmp_path, base, "seq_bn")
    with pytest.raises(UserError, match=r"non-linearity .* Use --format onnx, peft or adapterhub"):
        export(adapter.folder, tmp_path / "out", format="transformers")
    scores = make_scores(tmp_path, base, adapter, "topic", TOPICS, per_token=False).folder
    for format in ("transformers", "peft", "adapterhub"):
        with pytest.raises(UserError, match=f"is a task adapter, .* which --format {format} cannot hold"):
            export(scores, tmp_path / "out", format=format)
    assert not (tmp_path / "out").exists()


def test_a_whole_model_is_no_adapter(tmp_path: Path) -> None:
    whole = make_adapter(tmp_path, make_base(tmp_path), "full").folder
    for format in ("peft", "adapterhub"):
        with pytest.raises(UserError, match=r"is a whole model, not an adapter, .* use --format transformers"):
            export(whole, tmp_path / "out", format=format)


def test_the_size_before_is_that_of_the_adapter_alone(tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path, make_base(tmp_path), "ia3").folder
    weights = adapter / "adapter_model.safetensors"
    (adapter / "last").mkdir()
    (adapter / "last" / weights.name).write_bytes(weights.read_bytes())
    assert export(adapter, tmp_path / "out").bytes_before == weights.stat().st_size


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_module_and_a_description(name: str) -> None:
    from importlib import import_module

    module = import_module(f"lrl_adapt.pipeline.export.{FORMATS[name].module}")
    assert callable(module.write)
    assert FORMATS[name].description
