"""Models that transformers loads by itself, and what cannot be one."""

import json
import random
from pathlib import Path

import pytest
import torch
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.pipeline.export.formats import FORMATS
from lrl_adapt.workspace.errors import UserError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from ..cli.small import invoke
from ..eval.made import TEXTS, TOPICS, make_adapter, make_base, make_scores
from ..training.vocabulary.test_new_pieces import TIBETAN

TRAINING = "{max_steps: 2, batch_tokens: 256, max_length: 32, eval_steps: 2}"


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


@pytest.mark.parametrize("new_pieces", [0, 40])
def test_a_trimmed_model_is_the_whole_one_on_its_language(new_pieces: int, folder: Path) -> None:
    base = make_base(folder / "made", kind="Unigram").folder
    words = [*TIBETAN[0].split("་"), *TEXTS[1].split()]
    rows = [" ".join(random.Random(number).choices(words, k=8)) for number in range(200)]
    (folder / "text.txt").write_text("\n".join(rows), encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"language: bod_Tibt\nbase: {base}\nadapter: {{type: lora}}\nvocabulary: {{pieces: {new_pieces}}}\n"
        "corpus: {files: text.txt, min_script: 0, drop_near_duplicates: false}\n"
        f"training: {TRAINING}\neval: {{mlm: {{max_length: 32}}}}\n",
        encoding="utf-8",
    )
    for step in ("prepare", "train"):
        done = invoke(step, "recipe.yaml")
        assert done.exit_code == 0, done.output
    adapter, corpus = (next(folder.glob(f"runs/{each}/manifest.json")).parent for each in ("adapters/*/*", "data/*/*"))
    exports = {}
    for name, options in {"whole": [], "trimmed": ["--trim"], "by-file": ["--trim", "--text", "text.txt"]}.items():
        result = invoke("export", str(adapter), "--format", "merged", "--out", name, "--json", *options)
        assert result.exit_code == 0, result.output
        exports[name] = json.loads(result.stdout)
    whole, trimmed = (AutoModelForMaskedLM.from_pretrained(folder / name).eval() for name in ("whole", "trimmed"))
    long, short = (AutoTokenizer.from_pretrained(folder / name) for name in ("whole", "trimmed"))
    kept = long.convert_tokens_to_ids(short.convert_ids_to_tokens(list(range(len(short)))))
    for text in rows[:5]:
        inputs, fewer = (each(text, return_tensors="pt") for each in (long, short))
        assert [kept[number] for number in fewer["input_ids"][0]] == inputs["input_ids"][0].tolist()
        with torch.no_grad():
            want = whole(**inputs).logits[..., kept]
            torch.testing.assert_close(trimmed(**fewer).logits, want, atol=1e-5, rtol=0)
    facts = exports["trimmed"]
    assert facts["pieces"] == len(short) == trimmed.config.vocab_size < len(long)
    assert facts["kept_share"] == pytest.approx(len(short) / len(long), abs=1e-6)
    assert facts["bytes_untrimmed"] == pytest.approx(exports["whole"]["bytes"], rel=0.1)  # headers
    assert facts["bytes"] < exports["whole"]["bytes"]
    card = (folder / "trimmed" / "README.md").read_text(encoding="utf-8")
    assert f"vocabulary: {len(short):,} of {len(long):,} pieces" in card
    assert corpus.name in card
    assert "text.txt" in (folder / "by-file" / "README.md").read_text(encoding="utf-8")
    assert exports["by-file"]["pieces"] >= facts["pieces"]


def test_what_cannot_be_trimmed_is_refused(tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path, make_base(tmp_path), "lora").folder
    with pytest.raises(UserError, match=r"is not in its workspace, or not all of it: give text .* with --text FILE"):
        export(adapter, tmp_path / "out", format="merged", trim=True)
    with pytest.raises(UserError, match=r"^--trim: only with --format transformers, merged; got --format peft"):
        export(adapter, tmp_path / "out", trim=True)
    with pytest.raises(UserError, match=r"gone\.txt"):
        export(adapter, tmp_path / "out", format="merged", trim=str(tmp_path / "gone.txt"))
    bpe = make_adapter(tmp_path, make_base(tmp_path, kind="byte-level BPE"), "lora", seed=2).folder
    with pytest.raises(UserError, match=r"^--trim: this base's tokenizer is of the kind BPE"):
        export(bpe, tmp_path / "out", format="merged", trim=True)
    assert not (tmp_path / "out").exists()
    refused = invoke("export", str(adapter), "--format", "merged", "--out", str(tmp_path / "out"), "--text", "a.txt")
    assert refused.exit_code == 2
    assert "--text says which pieces to keep: give it with --trim" in refused.output
