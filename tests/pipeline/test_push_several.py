"""Several adapters in one repository of the hub: their folders and cards, and what loading one of them downloads."""

import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from lrl_adapt.eval.inference.fill_mask import fill_mask
from lrl_adapt.eval.inference.load_adapter import load_adapter
from lrl_adapt.eval.inference.predict import predict
from lrl_adapt.eval.inference.published import adapter_folder
from lrl_adapt.pipeline.publish.push import push
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET

from ..hub import Hub
from ..hub_uploads import card_errors
from .published import BASE, TEXTS, put_adapter, put_scores
from .test_push import CARD, REPO, files_in, logits, pushed_files, run_code


def test_several_adapters_get_a_folder_each_and_are_loaded_by_its_address(hub: Hub, workspace: Path) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    topic = put_scores(workspace, adapter)[0]
    pushed = push([adapter, topic], REPO, progress=QUIET)
    assert len(hub.uploads.commits) == 1
    weights = "adapter_model.safetensors"
    assert pushed_files(hub) == set(pushed.files)
    assert {CARD, "LICENSE.md", f"{adapter.name}/{CARD}", f"{adapter.name}/{weights}"} <= pushed_files(hub)
    assert {f"{topic.name}/task.json", f"{topic.name}/language-adapter/{weights}"} <= pushed_files(hub)
    linked = ModelCard((hub.folder / "models" / REPO / adapter.name / CARD).read_text()).data.to_dict()["license_link"]
    assert f"{adapter.name}/{linked}" in pushed_files(hub)
    assert card_errors(pushed.card) == []
    assert "# 2 adapters for Swahili (swh_Latn)" in pushed.card
    rows = [line for line in pushed.card.splitlines() if line.startswith("| [")]
    assert rows[0].startswith(
        f"| [{adapter.name}]({adapter.name}/README.md) | seq_bn, Swahili (swh_Latn) | {BASE} | Masked"
    )
    assert "Topic classification in Swahili: macro-F1 (95% interval" in rows[1]
    metadata = ModelCard(pushed.card).data.to_dict()
    assert (metadata["base_model"], metadata["license"], metadata["language"]) == ([BASE], "other", ["sw"])
    loaded, _ = run_code(pushed.card)
    expected, tokenizer = load_adapter(adapter)
    torch.testing.assert_close(logits(loaded["model"], tokenizer), logits(expected, tokenizer))
    answers = [predict(TEXTS, adapter=name, progress=QUIET) for name in (f"{REPO}/{topic.name}", topic)]
    assert answers[0] == answers[1]
    names = [f"{REPO}/{adapter.name}", str(adapter)]
    masks = [fill_mask("Amina [MASK]", adapters=name, progress=QUIET)[0] for name in names]
    assert masks[0].candidates == masks[1].candidates
    assert [one.adapter for one in masks] == names
    with pytest.raises(UserError, match=f"{REPO} holds no adapter: name one of its folders, as {REPO}/"):
        fill_mask("Amina [MASK]", adapters=REPO, progress=QUIET)
    with pytest.raises(UserError, match=f"no such folder: {REPO}/x; on the hub: {REPO}/x holds no adapter"):
        predict(TEXTS, adapter=f"{REPO}/x", progress=QUIET)
    with pytest.raises(UserError, match="no such folder: me/other; on the hub: me/other: no such repository"):
        load_adapter("me/other")


def test_no_push_leaves_out_adapters_that_the_repository_has(hub: Hub, workspace: Path) -> None:
    first, second, third = (put_adapter(workspace, kind) for kind in ("seq_bn", "lora", "ia3"))
    push([first, second], REPO, progress=QUIET)
    before = pushed_files(hub)
    for adapters, left_out in (([third], f"{second.name}, {first.name}"), ([first, third], second.name)):
        with pytest.raises(UserError, match=f"{REPO} also has {left_out}, which .*: name all adapters again"):
            push(adapters, REPO, progress=QUIET)
    assert pushed_files(hub) == before
    pushed = push([first, second, third], REPO, progress=QUIET)
    assert "# 3 adapters for Swahili" in pushed.card
    push(first, "me/one", progress=QUIET)
    with pytest.raises(UserError, match=r"me/one is the repository of one adapter, .*: choose another repository"):
        push([first, second], "me/one", progress=QUIET)
    assert (hub.folder / "models" / "me" / "one" / "adapter_config.json").is_file()


def test_only_what_is_loaded_is_downloaded(hub: Hub, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = put_adapter(workspace, "seq_bn")
    topic = put_scores(workspace, adapter)[0]
    push(topic, REPO, progress=QUIET)
    for name in ("adapter_model.bin", "onnx/model.safetensors", "notes.txt"):
        hub.put(f"models/{REPO}/{name}")
    weights = adapter / "adapter_model.safetensors"
    for name, file in (("all/a", weights), ("old", adapter / "adapter_config.json")):
        hub.put(f"models/me/{name}/{file.name}").write_bytes(file.read_bytes())
    hub.put("models/me/all/a/adapter_config.json", "{}")
    hub.put("models/me/old/adapter_model.bin")
    with pytest.raises(UserError, match="me/all holds no adapter: name one of its folders, as me/all/a"):
        adapter_folder("me/all")
    names = {"adapter_config.json", "adapter_model.safetensors"}
    below = {f"language-adapter/{name}" for name in names}
    for _ in range(2):
        folder = adapter_folder(REPO)
        assert files_in(folder) == names | below | {"head.safetensors", "task.json"}
        assert files_in(adapter_folder("me/old")) == {"adapter_config.json", "adapter_model.bin"}
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # the second time from the cache
    assert not any("me/all" in path and path.endswith(weights.name) for path in hub.fetched())


def test_folders_of_one_name_cannot_share_a_repository(workspace: Path, tmp_path: Path) -> None:
    adapter = put_adapter(workspace, "ia3")
    copy = shutil.copytree(adapter, tmp_path / "copy" / adapter.name)
    with pytest.raises(UserError, match=f"two of the folders are called {adapter.name}"):
        push([adapter, copy], REPO, dry_run=True, progress=QUIET)
