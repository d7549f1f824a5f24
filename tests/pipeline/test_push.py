"""Publishing adapters: what is sent, the card, and what a reader gets from the hub with the card's own lines."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import lrl_adapt
import pytest
import torch
from huggingface_hub import ModelCard
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.pipeline.export.export import export
from lrl_adapt.pipeline.publish.push import push
from lrl_adapt.workspace.artifacts import file_hash
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET

from ..cli.small import invoke
from ..hub import Hub
from ..hub_uploads import card_errors
from ..training.vocabulary.test_new_pieces import TIBETAN
from .published import BASE, LABELS, TEXTS, TOKEN, put_adapter, put_new_pieces, put_scores

REPO = "me/swahili"
CARD = "README.md"


def pushed_files(hub: Hub) -> set[str]:
    return files_in(hub.folder / "models" / REPO)


def files_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def code_of(card: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(code.strip().splitlines()) <= 5
    return code


def run_code(card: str) -> tuple[dict[str, Any], str]:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(code_of(card), names)
    return names, shown.getvalue()


def logits(model: Any, tokenizer: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**tokenizer(TEXTS[0], return_tensors="pt")).logits


@pytest.mark.parametrize("kind", ["seq_bn_inv", "lora", "full"])
def test_a_language_adapter_comes_back_the_same(kind: str, hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, kind)
    pushed = push(adapter, REPO, progress=QUIET)
    assert pushed.address == f"{hub.address}/{REPO}"
    assert hub.uploads.visibility[REPO] == "private"
    weights = "model.safetensors" if kind == "full" else "adapter_model.safetensors"
    assert {weights, CARD} <= pushed_files(hub) == set(pushed.files)
    assert not {"manifest.json", "metrics.jsonl", "loss.png"} & pushed_files(hub)
    assert not any(name.startswith("last") for name in pushed_files(hub))
    loaded, _ = run_code(pushed.card)
    expected, tokenizer = load_adapter(adapter, base=BASE) if kind != "full" else load_adapter(adapter)
    torch.testing.assert_close(logits(loaded["model"], tokenizer), logits(expected, tokenizer))


def test_new_pieces_come_back_the_same(hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    put_new_pieces(adapter, TIBETAN)
    pushed = push(adapter, REPO, progress=QUIET)
    assert {"vocabulary.safetensors", "tokenizer.json"} <= pushed_files(hub)
    for name in ("vocabulary.safetensors", "adapter_model.safetensors"):
        assert (hub.folder / "models" / REPO / name).read_bytes() == (adapter / name).read_bytes()
    loaded, _ = run_code(pushed.card)
    model, tokenizer = load_adapter(adapter, base=BASE)
    inputs = tokenizer(TIBETAN[0], return_tensors="pt")
    assert tokenizer.unk_token_id not in inputs["input_ids"]
    assert loaded["tokenizer"](TIBETAN[0])["input_ids"] == inputs["input_ids"][0].tolist()
    with torch.no_grad():
        assert torch.equal(loaded["model"].eval()(**inputs).logits, model.eval()(**inputs).logits)


def test_lora_is_loaded_with_peft_alone(hub: Hub, workspace: Path) -> None:
    card = push(put_adapter(workspace, "lora"), REPO, dry_run=True, progress=QUIET).card
    assert "lrl_adapt" not in code_of(card)
    assert hub.uploads.commits == []


@pytest.mark.parametrize("kind", ["seq_bn", "lora", "full", None])
def test_a_task_adapter_comes_back_with_what_it_stands_on(kind: str | None, hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, kind) if kind else None
    scores = put_scores(workspace, adapter)[0]
    pushed = push(scores, REPO, progress=QUIET)
    below = {name for name in pushed.files if name.startswith("language-adapter/")}
    assert bool(below) == (kind is not None)
    assert {"head.safetensors", "task.json", "adapter_model.safetensors"} <= pushed_files(hub)
    _, shown = run_code(pushed.card)
    (label,) = predict("A text in Swahili (swh_Latn)", adapter=scores, progress=QUIET)
    assert eval(shown)[0]["probabilities"] == pytest.approx(label["probabilities"], abs=1e-6)
    task = json.loads((hub.folder / "models" / REPO / "task.json").read_text())
    head = {"per_token": False, "pooling": "mean", "problem_type": "single_label_classification", "pairs": False}
    assert task == {"labels": LABELS, "max_length": 24, **head}


def test_a_card_has_what_the_hub_filters_by(workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    put_scores(workspace, adapter)
    card = push(adapter, REPO, dry_run=True, progress=QUIET).card
    metadata = ModelCard(card).data.to_dict()
    assert card_errors(card) == []
    assert {name: metadata[name] for name in metadata if name != "model-index"} == {
        "language": ["sw"],
        "license": "other",
        "license_name": "terms-of-the-training-data",
        "license_link": "LICENSE.md",
        "library_name": "peft",
        "pipeline_tag": "fill-mask",
        "base_model": BASE,
        "base_model_relation": "adapter",
        "datasets": ["cis-lmu/GlotCC-V1"],
        "metrics": ["pseudo_perplexity", "f1"],
        "tags": ["lrl-adapt", "seq_bn", "swh_Latn"],
    }
    mlm, topic = metadata["model-index"][0]["results"]
    assert mlm["task"]["type"] == "fill-mask"
    assert mlm["metrics"][0]["value"] == 401.9
    assert topic["task"] == {"type": "text-classification", "name": "Topic classification in Swahili"}
    (f1,) = topic["metrics"]
    assert f1["value"] == pytest.approx(0.9, abs=0.02)
    assert re.fullmatch(r"macro-F1 \(95% interval 0\.\d+ to [01]\.?\d*, 120 items, mean of 3 seeds\)", f1["name"])


def test_two_tasks_of_one_type_on_local_files_are_two_entries(workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    put_scores(workspace, adapter)
    for folder in (workspace / "scores" / "swh_Latn").glob("topic-*"):
        copy = shutil.copytree(folder, folder.with_name(folder.name.replace("topic", "sentiment")))
        for name in ("manifest.json", "scores.json"):
            (copy / name).write_text((copy / name).read_text().replace('"topic"', '"sentiment"'))
    card = push(adapter, REPO, dry_run=True, progress=QUIET).card
    results = ModelCard(card).data.to_dict()["model-index"][0]["results"]
    tasks = {
        one["task"]["name"]: len(one["metrics"]) for one in results if one["task"]["type"] == "text-classification"
    }
    assert tasks == {"Topic classification in Swahili": 1, "Sentiment analysis in Swahili": 1}


def test_a_card_tells_data_scores_licence_and_limits(workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    put_scores(workspace, adapter)
    card = push(adapter, REPO, dry_run=True, progress=QUIET).card
    assert "| Masked language modelling | pseudo-perplexity | 812.3" in card
    (row,) = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| Topic classification")]
    _, metric, before, after, difference, verdict, items, seeds = row
    assert (metric, verdict, items, seeds) == ("macro-F1", "better", "120", "3")
    assert float(before.split()[0]) == pytest.approx(50, abs=2)
    assert float(after.split()[0]) == pytest.approx(90, abs=2)
    assert re.fullmatch(r"\+(39|40|41)\.\d points \[.*, .*\]", difference)
    assert "No gain was compared with controls" in card
    assert "- GlotCC (cis-lmu/GlotCC-V1); terms: Common Crawl's terms of use" in card
    assert "- ConceptNet (dump.csv.gz); terms: CC BY-SA 4.0\n  - edges by licence: 3 cc:by-sa/4.0" in card
    assert "(GlotCC (cis-lmu/GlotCC-V1): Common Crawl's terms of use)" in card
    assert "1,000 steps on 12,345 tokens" in card
    assert "validation loss 3.2100 nats per masked token, at step 900" in card
    assert f"- base: {BASE}, commit abc" in card
    assert "it does not label texts by itself" in card


def test_a_task_adapters_card_has_its_own_score_and_its_data(workspace: Path) -> None:
    scores = put_scores(workspace, put_adapter(workspace, "seq_bn"))
    pushed = push(scores[1] / "task-adapter", REPO, licence="cc-by-4.0", dry_run=True, progress=QUIET)
    metadata = ModelCard(pushed.card).data.to_dict()
    assert metadata["pipeline_tag"] == "text-classification"
    assert metadata["license"] == "cc-by-4.0"
    assert "LICENSE.md" not in pushed.files
    (topic,) = metadata["model-index"][0]["results"]
    assert [metric["type"] for metric in topic["metrics"]] == ["f1", "accuracy"]
    assert topic["metrics"][0]["name"].endswith("120 items, seed 2)")
    assert "Chosen by the owner. By the training data: Not all" in pushed.card
    assert f"train sha256 {'a1' * 32}" in pushed.card
    assert "cis-lmu/GlotCC-V1" in pushed.card
    assert "- labels: health, politics, sports, travel" in pushed.card
    assert "It was trained on texts of up to 24 tokens." in pushed.card
    assert "The same with every seed" in pushed.card


def test_nothing_names_a_path_of_this_machine(hub: Hub, workspace: Path, tmp_path: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn", inputs={"base": {"model.safetensors": "1" * 64}})
    config = adapter / "adapter_config.json"
    local = next((workspace / "bases" / "swh_Latn").glob("scratch-*"))
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": str(local)}))
    pushed = push(adapter, REPO, progress=QUIET)
    for file in (hub.folder / "models" / REPO).rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert str(tmp_path).encode() not in content, file
    assert f"- base: {local.name} (a local folder)" in pushed.card
    assert "base_model" not in ModelCard(pushed.card).data.to_dict()
    assert "is not on the hub" in pushed.notes[0]
    code = code_of(pushed.card).replace(f"path/to/{local.name}", str(local))
    names: dict[str, Any] = {}
    exec(code, names)
    expected, tokenizer = load_adapter(adapter)
    torch.testing.assert_close(logits(names["model"], tokenizer), logits(expected, tokenizer))


def test_the_bases_id_on_the_hub_can_be_named(hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, "lora", inputs={})
    pushed = push(adapter, REPO, base=BASE, public=True, progress=QUIET)
    assert hub.uploads.visibility[REPO] == "public"
    config = json.loads((hub.folder / "models" / REPO / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == BASE
    assert ModelCard(pushed.card).data.to_dict()["base_model"] == BASE


def test_an_adapter_of_which_nothing_is_recorded(hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    (adapter / "manifest.json").unlink()
    pushed = push(adapter, REPO, dry_run=True, progress=QUIET)
    assert card_errors(pushed.card) == []
    assert "language" not in ModelCard(pushed.card).data.to_dict()
    assert "Nothing is recorded about it." in pushed.card
    assert "It was not scored." in pushed.card
    assert hub.requests == [] or not any("POST" in line for line in hub.requests)


def test_an_interrupted_upload_continues(hub: Hub, workspace: Path, no_waiting: None) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    hub.uploads.large = 5000
    hub.uploads.refuse_large = 1000
    with pytest.raises(UserError, match="run the command again: complete files are not sent twice"):
        push(adapter, REPO, progress=QUIET)
    assert hub.uploads.commits == []
    assert pushed_files(hub) == set()
    hub.uploads.refuse_large = 0
    push(adapter, REPO, progress=QUIET)
    weights = file_hash(adapter / "adapter_model.safetensors")
    assert hub.uploads.received == [weights]
    assert file_hash(hub.folder / "models" / REPO / "adapter_model.safetensors") == weights
    push(adapter, REPO, progress=QUIET)
    assert hub.uploads.received == [weights]
    assert len(hub.uploads.commits) == 1, "nothing had changed"


@pytest.mark.slow
def test_a_killed_push_leaves_nothing_half_written(hub: Hub, workspace: Path, tmp_path: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    hub.uploads.large = 5000
    before = {file: file.stat().st_mtime_ns for file in workspace.rglob("*")}
    code = "from lrl_adapt.cli.app import main; main()"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    hub_at = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **hub_at, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "push", str(adapter), REPO], stderr=subprocess.DEVNULL, env=environment
    )
    hub.uploads.before_large = process.kill
    assert process.wait() == -signal.SIGKILL
    hub.uploads.before_large = None
    assert hub.uploads.commits == []
    assert pushed_files(hub) == set()
    assert {file: file.stat().st_mtime_ns for file in workspace.rglob("*")} == before
    assert list(temporary.iterdir()) == []
    push(adapter, REPO, progress=QUIET)
    assert file_hash(hub.folder / "models" / REPO / "adapter_model.safetensors") == file_hash(
        adapter / "adapter_model.safetensors"
    )


def test_a_second_push_replaces_what_the_first_one_left(hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    push(adapter, REPO, progress=QUIET)
    hub.put(f"models/{REPO}/notes.txt")
    export(adapter, workspace / "small", bits=8, base=BASE)
    pushed = push(workspace / "small", REPO, licence="mit", public=True, progress=QUIET)
    assert pushed_files(hub) == {"adapter_config.json", "adapter_quantised.safetensors", CARD, "notes.txt"}
    assert hub.uploads.visibility[REPO] == "private"
    loaded, _ = run_code(pushed.card)
    expected, tokenizer = load_adapter(workspace / "small")
    torch.testing.assert_close(logits(loaded["model"], tokenizer), logits(expected, tokenizer))


@pytest.mark.parametrize(
    ("repo", "message"),
    [
        ("swahili", "give it with its owner, as OWNER/NAME"),
        ("me/../you", "'me/../you' is not the name of a repository"),
        ("me/-x", "is not the name of a repository"),
    ],
)
def test_names_that_no_repository_can_have(repo: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        push(tmp_path, repo, progress=QUIET)


def test_what_is_not_an_adapter_is_refused(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        push(tmp_path / "nowhere", REPO, progress=QUIET)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="contains no adapter"):
        push(tmp_path / "empty", REPO, progress=QUIET)
    with pytest.raises(UserError, match="give at least one adapter to push"):
        push([], REPO, progress=QUIET)
    with pytest.raises(UserError, match="no scores"):
        push(put_adapter(workspace, "ia3"), REPO, scores=str(tmp_path / "empty"), progress=QUIET)


def test_the_command_shows_everything_and_no_token(hub: Hub, workspace: Path) -> None:
    adapter = str(put_adapter(workspace, "ia3"))
    planned = invoke("push", adapter, REPO, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "Dry run: nothing was sent" in planned.stdout
    assert "pipeline_tag: fill-mask" in planned.stdout
    assert not any(line.startswith(("POST", "PUT")) for line in hub.requests)
    sent = invoke("push", adapter, REPO, "--json")
    assert json.loads(sent.stdout)["address"] == f"{hub.address}/{REPO}"
    assert f"Bearer {TOKEN}" in hub.logins
    hub.uploads.writers = set()
    refused = invoke("push", adapter, "them/swahili", "--debug")
    assert refused.exit_code == 2
    assert "the hub refuses to write to them/swahili" in refused.stderr
    for result in (planned, sent, refused):
        assert TOKEN not in result.output
    assert all(TOKEN.encode() not in file.read_bytes() for file in workspace.rglob("*") if file.is_file())


def test_without_a_token_or_with_an_invalid_card_nothing_is_created(
    hub: Hub, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = put_adapter(workspace, "ia3")
    with pytest.raises(UserError, match=r"the hub refuses the model card: .*license must be one of"):
        push(adapter, REPO, licence="my-own", progress=QUIET)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(workspace / "no-token"))
    with pytest.raises(UserError, match="set HF_TOKEN to a token with write access"):
        push(adapter, REPO, progress=QUIET)
    assert not (hub.folder / "models" / REPO).exists()


def test_push_is_part_of_the_python_api() -> None:
    assert lrl_adapt.push is push
