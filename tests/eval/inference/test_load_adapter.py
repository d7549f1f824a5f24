"""Adapters ready to use, and predictions as Python gets them."""

from pathlib import Path

import pandas
import pytest
import torch
from lrl_adapt.eval.inference.choose_adapters import newest_adapter
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.training.adapters import load_adapter as put_adapter_on
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET
from peft import PeftModel
from transformers.utils import logging

from ..made import TAGS, TEXTS, TOPICS, make_adapter, make_base, make_scores


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_base(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def workspace(base: Artifact) -> Path:
    workspace = base.folder.parents[2]
    adapter = make_adapter(workspace, base, "seq_bn")
    make_scores(workspace, base, adapter, "topic", TOPICS, per_token=False)
    make_scores(workspace, base, adapter, "ner", TAGS, per_token=True)
    return workspace


@pytest.mark.parametrize("kind", ["seq_bn", "lora", "full"])
def test_a_loaded_adapter_is_active_frozen_and_in_evaluation_mode(base: Artifact, workspace: Path, kind: str) -> None:
    folder = make_adapter(workspace, base, kind).folder
    model, tokenizer = load_adapter(str(folder))
    inputs = tokenizer(TEXTS, return_tensors="pt", padding=True)
    expected = put_adapter_on(load_masked_lm(str(base.folder), None, "base"), folder).eval()
    plain = load_masked_lm(str(base.folder), None, "base").eval()
    with torch.no_grad():
        logits = model(**inputs).logits
        torch.testing.assert_close(logits, expected(**inputs).logits)
        assert not torch.allclose(logits, plain(**inputs).logits)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert isinstance(model, PeftModel) == (kind != "full")


def test_an_adapter_is_loaded_onto_another_base_if_asked(workspace: Path, tmp_path: Path) -> None:
    folder = next((workspace / "adapters").glob("*/scratch-text-seq_bn*"))
    other = make_base(tmp_path, seed=9).folder
    embeddings = [load_adapter(folder, base=base)[0].get_input_embeddings().weight for base in (None, other)]
    assert not torch.equal(*embeddings)


def test_what_is_no_language_adapter_is_a_user_error(workspace: Path, tmp_path: Path) -> None:
    for folder, message in (
        (tmp_path, "contains no adapter"),
        (next(workspace.glob("scores/*/ner-*")), "a task adapter"),
    ):
        with pytest.raises(UserError, match=message):
            load_adapter(folder)


def test_predictions_are_rows_of_a_data_frame(workspace: Path) -> None:
    topics = pandas.DataFrame(predict(TEXTS, task="topic", workspace=workspace, progress=QUIET))
    assert list(topics.columns) == ["text", "label", "probability", "probabilities"]
    assert list(topics.text) == TEXTS
    entities = predict(iter(TEXTS), task="ner", workspace=str(workspace), progress=QUIET)
    assert list(pandas.DataFrame(entities).columns) == ["text", "entities"]
    masks = fill_mask("Amina anaishi [MASK]", workspace=workspace, progress=QUIET)
    table = pandas.DataFrame(masks)
    assert list(table.columns) == ["text", "adapter", "mask", "candidates"]
    assert list(table.adapter) == ["none", str(newest_adapter(workspace))]


def test_one_text_is_not_taken_for_many_letters(workspace: Path) -> None:
    (row,) = predict(TEXTS[0], task="topic", workspace=workspace, progress=QUIET)
    assert row["text"] == TEXTS[0]


def test_the_workspace_is_the_one_of_the_environment(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRL_ADAPT_HOME", str(workspace))
    assert len(predict(TEXTS, task="topic", language="sw", progress=QUIET)) == len(TEXTS)
    for keywords, message in (
        ({"task": "topic", "language": "mlt"}, "no task adapter for topic in mlt_Latn"),
        ({"task": "topic", "language": "xx"}, "language: unknown language 'xx'"),
        ({}, "no task given"),
    ):
        with pytest.raises(UserError, match=message):
            predict(TEXTS, progress=QUIET, **keywords)


def test_progress_goes_to_stderr_and_leaves_other_libraries_alone(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verbosity = logging.get_verbosity()
    predict(["a\xad b"], task="topic", workspace=workspace)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "task adapter" in shown.err
    assert "soft hyphens" in shown.err
    assert "labelled texts: 1 in" in shown.err
    assert logging.get_verbosity() == verbosity
