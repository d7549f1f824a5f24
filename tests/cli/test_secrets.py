"""Addresses with passwords and tokens, in what the commands print and keep."""

import json
from pathlib import Path

import pytest
from lrl_adapt.eval.measurements import measurements
from lrl_adapt.graphs.edges import edges_artifact
from lrl_adapt.pipeline.prepared import prepared_data
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.training.artifacts import adapter_artifact
from lrl_adapt.training.language_adapter import _accelerator

from ..hub import Hub
from .small import SMALL, TEXT, invoke

SECRETS = ("s3cret", "pa55", "somebody")


@pytest.fixture
def recipe(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe with a secret in every kind of field that holds addresses; the server has all the files."""
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.setenv("LOGIN", "somebody:pa55")
    for name in ("topic.csv", "ner.csv", "own.csv", "lines.txt", "dump.csv.gz"):
        hub.put(f"web/{name}")
    site = hub.address.replace("http://", "http://${LOGIN}@")
    tasks = {
        name: dict.fromkeys(("train", "validation", "test"), f"{site}/{name}.csv?token=${{TOKEN}}")
        for name in ("topic", "ner", "own")
    }
    tasks["topic"]["test"] = [tasks["topic"]["test"], f"{site}/ner.csv?token=${{TOKEN}}"]
    evaluation = {"topic": tasks["topic"], "ner": tasks["ner"], "others": {"own": tasks["own"]}}
    evaluation |= {"mlm": {"files": [f"{site}/lines.txt?token=${{TOKEN}}"]}, "seeds": [1]}
    graph = {"conceptnet": f"{site}/dump.csv.gz?token=${{TOKEN}}"}
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        f"{SMALL}source: both\neval: {json.dumps(evaluation)}\ngraph: {json.dumps(graph)}\n", encoding="utf-8"
    )
    return hub.address


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--dry-run"],
        ["train", "--dry-run"],
        ["eval", "--dry-run"],
        ["prepare", "--dry-run"],
        ["recipes", "show", "--resolved"],
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_commands_show_addresses_without_their_secrets(recipe: str, words: list[str], form: list[str]) -> None:
    shown = invoke(*words, *form)
    assert shown.exit_code == 0, shown.output
    if form or words[0] == "recipes":
        assert f"{recipe}/topic.csv" in shown.stdout
    for secret in SECRETS:
        assert secret not in shown.stdout + shown.stderr


def test_a_grid_shows_none_either(recipe: str, folder: Path) -> None:
    with (folder / "recipe.yaml").open("a", encoding="utf-8") as file:
        file.write("grid: {adapter.type: [lora, ia3]}\n")
    shown = invoke("prepare", "--dry-run", "--json")
    assert f"{recipe}/own.csv" in shown.stdout
    assert not any(secret in shown.output for secret in SECRETS)


def test_trackers_are_told_none(recipe: str, folder: Path) -> None:
    loaded = load_recipe("recipe.yaml", ["training.report_to=tensorboard"])
    accelerator, _ = _accelerator(loaded, folder)
    for tracker in accelerator.trackers:
        tracker.finish()
    logged = b"".join(file.read_bytes() for file in (folder / "trackers").rglob("*") if file.is_file())
    assert f"{recipe}/topic.csv".encode() in logged
    assert not any(secret.encode() in logged for secret in SECRETS)


def test_manifests_hold_none(recipe: str, folder: Path) -> None:
    """What `Artifact` writes of itself before facts are added."""
    loaded = load_recipe("recipe.yaml")
    assert "s3cret" in str(loaded.eval.topic)
    prepared = prepared_data(loaded, folder)
    adapter = adapter_artifact(loaded, folder, prepared)
    scores = [measurement.artifact for measurement in measurements(loaded, folder, prepared, adapter)]
    artifacts = [*prepared.all, edges_artifact(loaded, folder), adapter, *scores]
    assert [artifact.kind for artifact in artifacts[:4]] == ["corpus", "graph", "edges", "adapter"]
    for artifact in artifacts:
        written = json.dumps([artifact.section, artifact.inputs], default=str)
        assert not any(secret in written for secret in SECRETS), artifact.kind
