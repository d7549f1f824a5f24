import json
from dataclasses import replace
from pathlib import Path

import pytest
from lrl_adapt.eval.scores import (
    Score,
    find_scores,
    read_scores,
    sort_systems,
    write_scores,
)
from lrl_adapt.workspace.errors import UserError

MLM = Score("mlm", "base", "pseudo_perplexity", 800.0, (700.0, 900.0), 200, None, "swh_Latn", "xlm-r")
TOPIC = Score("topic", "base", "macro_f1", 0.6, (0.5, 0.7), 204, 1, "swh_Latn", "xlm-r")


def store(workspace: Path, name: str, scores: list[Score], manifest: bool = True) -> Path:
    folder = workspace / "scores" / "swh_Latn" / name
    folder.mkdir(parents=True)
    write_scores(folder / "scores.json", scores)
    if manifest:
        (folder / "manifest.json").write_text('{"kind": "scores"}')
    return folder


def test_scores_come_back_as_written(tmp_path: Path) -> None:
    scores = [MLM, replace(TOPIC, interval=None)]
    write_scores(tmp_path / "scores.json", scores)
    assert read_scores(tmp_path / "scores.json") == scores
    assert json.loads((tmp_path / "scores.json").read_text())["scores"][0]["interval"] == [700.0, 900.0]


@pytest.mark.parametrize(
    "content",
    [
        '{"schema_version": 4, "scores": []}',
        "{",
        "[]",
        '{"schema_version": 1}',
        '{"schema_version": 1, "scores": [{}]}',
        '{"schema_version": 1, "scores": [{"value": "x", "interval": [1], "n": 1}]}',
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_scores(path)


def test_a_workspace_stands_for_its_finished_scores(tmp_path: Path) -> None:
    last = store(tmp_path, "topic-b", [TOPIC])
    first = store(tmp_path, "mlm-a", [MLM])
    store(tmp_path, ".mlm-c.partial", [MLM])
    store(tmp_path, "mlm-d", [MLM], manifest=False)
    assert find_scores(tmp_path) == [first / "scores.json", last / "scores.json"]


@pytest.mark.parametrize(("version", "lacking"), [(1, {"transfer_from", "limit"}), (2, {"limit"})])
def test_scores_of_earlier_schemas_are_read(tmp_path: Path, version: int, lacking: set[str]) -> None:
    path = tmp_path / "scores.json"
    write_scores(path, [MLM])
    content = json.loads(path.read_text())
    assert content["schema_version"] == 3
    old = [{key: value for key, value in record.items() if key not in lacking} for record in content["scores"]]
    path.write_text(json.dumps({"schema_version": version, "scores": old}))
    assert read_scores(path) == [MLM]


def test_a_file_and_its_folder_stand_for_themselves(tmp_path: Path) -> None:
    folder = store(tmp_path, "mlm-d", [MLM], manifest=False)
    assert find_scores(folder) == find_scores(folder / "scores.json") == [folder / "scores.json"]
    with pytest.raises(UserError, match=r"nowhere does not exist.* name a scores.json, its folder or a workspace"):
        find_scores(tmp_path / "nowhere")


def test_systems_are_sorted_by_name_after_the_base() -> None:
    assert sort_systems(["lora/text", "base", "full/text", "base"]) == ["base", "full/text", "lora/text"]
