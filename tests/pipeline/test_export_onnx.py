"""Models for onnxruntime: the logits of PyTorch, on batches of any size, and an example that runs without PyTorch."""

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lrl_adapt.eval.inference.find_adapters import find_task_adapter
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.eval.inference.predictor import load_predictor
from lrl_adapt.eval.predictions import metrics_of
from lrl_adapt.pipeline.export import onnx_format
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.workspace.errors import UserError
from tokenizers import Tokenizer

from ..eval.made import POSITIONS, TAGS, TEXTS, TOPICS, make_adapter, make_base, make_scores

INT8 = 3  # onnx.TensorProto.INT8
SENTENCES = [" ".join(TEXTS[number % 2].split()[: 1 + number % 8]) for number in range(200)]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    return tmp_path / "runs"


def onnx_logits(folder: Path, texts: list[Any]) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    """Logits by onnxruntime and what it was given, with the exported tokenizer."""
    from onnxruntime import InferenceSession

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    inputs = {
        "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
        "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
        "token_type_ids": np.array([one.type_ids for one in encoded], dtype=np.int64),
    }
    session = InferenceSession(str(folder / "model.onnx"))
    inputs = {one.name: inputs[one.name] for one in session.get_inputs()}
    logits = session.run(None, inputs)[0]
    return np.asarray(logits), {name: torch.as_tensor(value) for name, value in inputs.items()}


def weights_by_type(file: Path) -> Counter[int]:
    """Numbers in the weights of a model, by ONNX's number of their type."""
    import onnx

    sizes: Counter[int] = Counter()
    for weight in onnx.load(str(file)).graph.initializer:
        sizes[weight.data_type] += math.prod(weight.dims)
    return sizes


def run_example(folder: Path, *texts: str) -> list[str]:
    """Output lines of the example, where PyTorch and transformers cannot be imported."""
    blocked = "import sys, runpy; sys.modules.update(torch=None, transformers=None)"
    code = f"{blocked}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    words = [sys.executable, "-c", code, str(folder / "example.py"), *texts]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def assert_same_logits(folder: Path, expected: Any, texts: list[Any] = SENTENCES, atol: float = 1e-4) -> None:
    """On 200 texts in batches of several sizes and lengths; `expected` computes PyTorch's logits."""
    for size in (1, 7, 64, 128):
        for start in range(0, len(texts), size):
            got, inputs = onnx_logits(folder, texts[start : start + size])
            with torch.no_grad():
                want = expected(**inputs)
            real = inputs["attention_mask"].bool() if want.dim() == 3 else slice(None)
            torch.testing.assert_close(torch.as_tensor(got)[real], want[real], atol=atol, rtol=0)
            if start > 100:
                break


@pytest.mark.parametrize(("task", "labels"), [("topic", TOPICS), ("ner", TAGS)])
@pytest.mark.slow
def test_a_task_adapter_with_its_head(task: str, labels: list[str], workspace: Path) -> None:
    base = make_base(workspace)
    adapter = make_adapter(workspace, base, "seq_bn_inv" if task == "topic" else "lora")
    scores = make_scores(workspace, base, adapter, task, labels, per_token=task == "ner").folder
    folder = workspace / task
    exported = export(scores, folder, format="onnx")
    weights = (scores / "task-adapter").glob("*.safetensors")
    assert exported.bytes_before == sum(file.stat().st_size for file in weights) > 0
    assert exported.cost is None
    assert exported.largest_difference is not None
    assert exported.largest_difference < 1e-4
    predictor = load_predictor(find_task_adapter(scores))
    assert_same_logits(folder, predictor.model.cpu().logits)
    text = TEXTS[0]
    (line,) = run_example(folder, text)
    (prediction,) = predictor.predict([text])
    if task == "topic":
        assert line == f"{prediction['label']}\t{text}"
    else:
        tokens = predictor.tokenizer.tokenize(text)
        assert [pair.rpartition("/")[0] for pair in line.split()] == tokens
        assert {pair.rpartition("/")[2] for pair in line.split()} <= set(TAGS)
    code = (folder / "example.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) <= 25
    assert "torch" not in code
    assert not (folder / "task.json").exists()
    assert b".py" not in (folder / "model.onnx").read_bytes(), "traces of this machine's Python files"


@pytest.mark.slow
def test_scores_of_pairs_of_texts(workspace: Path) -> None:
    base = make_base(workspace)
    head = {"per_token": False, "problem_type": "regression", "pairs": True, "pooling": "mean"}
    scores = make_scores(workspace, base, None, "similarity", [], **head).folder
    folder = workspace / "similarity"
    export(scores, folder, format="onnx")
    predictor = load_predictor(find_task_adapter(scores))
    pairs = [(text, TEXTS[number % 2]) for number, text in enumerate(SENTENCES)]
    assert_same_logits(folder, predictor.model.cpu().logits, pairs)
    text = "\t".join(TEXTS)
    (line,) = run_example(folder, text)
    (prediction,) = predictor.predict([text])
    assert line == f"{prediction['score']:.4f}\t{text}"
    assert not (folder / "labels.json").exists()


@pytest.mark.slow
def test_what_8_bit_integers_cost_on_the_test_set(workspace: Path) -> None:
    base = make_base(workspace)
    gold = [[TOPICS[number % 3], TOPICS[number // 3 % 3]] for number in range(len(SENTENCES))]
    rows = [{"text": text, "gold": sorted(set(labels))} for text, labels in zip(SENTENCES, gold, strict=True)]
    saved = [row | {"guess": [], "probabilities": dict.fromkeys(TOPICS, 0.0)} for row in rows]
    head = {"per_token": False, "problem_type": "multi_label_classification"}
    scores = make_scores(workspace, base, None, "topics", TOPICS, predictions=saved, **head).folder
    folder = workspace / "topics"
    search_path = list(sys.path)
    cost = export(scores, folder, format="onnx", int8=True).cost
    assert sys.path == search_path
    predictor = load_predictor(find_task_adapter(scores))
    predictions = predictor.predict(SENTENCES)
    answers = [row | {"guess": one["labels"]} for row, one in zip(rows, predictions, strict=True)]
    assert cost.test.fp32 == pytest.approx(metrics_of(answers, TOPICS)[0].value())
    assert (cost.test.metric, cost.test.items) == ("macro_f1", 200)
    low, high = cost.test.interval
    assert low <= cost.test.int8 - cost.test.fp32 <= high
    assert cost.test.p is not None and 0 < cost.test.p <= 1
    assert cost.int8_bytes == (folder / "model.onnx").stat().st_size < cost.fp32_bytes
    assert min(cost.int8_milliseconds, cost.fp32_milliseconds) > 0
    card = (folder / "README.md").read_text(encoding="utf-8")
    values = f"{100 * cost.test.int8:.1f} instead of {100 * cost.test.fp32:.1f}"
    assert f"- macro-F1 on 200 test items: {values} in fp32 (difference " in card
    (line,) = run_example(folder, TEXTS[0])
    labels, text = line.split("\t")
    assert set(filter(None, labels.split(", "))) <= set(TOPICS)
    assert text == TEXTS[0]


@pytest.mark.slow
def test_a_language_adapter_in_8_bit_integers(workspace: Path) -> None:
    base = make_base(workspace)
    adapter = make_adapter(workspace, base, "seq_bn").folder
    folder = workspace / "int8"
    exported = export(adapter, folder, format="onnx", int8=True)
    assert exported.cost is not None
    assert exported.cost.test is None
    assert {file.name for file in folder.glob("*onnx*")} == {"model.onnx"}
    model, tokenizer = load_adapter(adapter)
    sizes = weights_by_type(folder / "model.onnx")
    assert sizes[INT8] > 0.8 * sum(sizes.values())
    assert exported.bytes == (folder / "model.onnx").stat().st_size
    with torch.no_grad():
        got, inputs = onnx_logits(folder, SENTENCES[:20])
        want = model(**inputs).logits
    real = inputs["attention_mask"].bool()
    error = (torch.as_tensor(got) - want)[real].norm() / want[real].norm()
    assert 0 < error < 0.2
    masked = f"Amina {tokenizer.mask_token} Nairobi"
    (line,) = run_example(folder, masked)
    assert line in tokenizer.get_vocab()
    assert f"at most {POSITIONS} tokens" in (folder / "README.md").read_text(encoding="utf-8")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = make_base(tmp_path)
    adapter = make_adapter(tmp_path, base, "lora").folder
    monkeypatch.setattr(onnx_format, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(UserError, match=r"needs onnxruntime: run `pip install 'lrl-adapt\[onnx\]'`"):
        export(adapter, tmp_path / "out", format="onnx")
    assert not (tmp_path / "out").exists()
