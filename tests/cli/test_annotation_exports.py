"""From an annotation tool's export to scores and predictions."""

import json
from pathlib import Path
from typing import Any

import pytest

from .small import SMALL, TEXT, invoke

NER = """\
eval:
  tasks: [ner]
  seeds: [1]
  training: {num_train_epochs: 30, learning_rate: 0.02, batch_size: 8}
  ner: {file: export.json}
"""
PEOPLE, PLACES = ("Amina", "Juma", "Asha", "Neema"), ("Nairobi", "Dodoma", "Mombasa", "Tabora")


def tool_task(number: int) -> dict[str, Any]:
    """A task of Label Studio: who goes where; in the first, the place is marked without its last letter."""
    person, place = PEOPLE[number % 4], PLACES[number // 4 % 4]
    text = f"{person} anakwenda {place} siku ya {number}."
    results = []
    for label, part in (("PER", person), ("LOC", place[:-1] if number == 0 else place)):
        start = text.index(part)
        value = {"start": start, "end": start + len(part), "text": part, "labels": [label]}
        results.append({"from_name": "label", "to_name": "text", "type": "labels", "value": value})
    return {"id": number, "data": {"text": text}, "annotations": [{"completed_by": 1, "result": results}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(SMALL + NER, encoding="utf-8")
    tasks = [*map(tool_task, range(60)), {"id": 60, "data": {"text": "Hakuna"}, "annotations": []}]
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    return tmp_path


def test_a_label_studio_export_of_entities_becomes_scores_and_a_tagger(folder: Path) -> None:
    done = invoke("run", "recipe.yaml", "--workspace", "runs")
    assert done.exit_code == 0, done.output
    assert "read export.json: an export of Label Studio" in done.output
    assert "read export.json: 120 entities, of which 1 widened to whole words" in done.output
    for manifest in folder.glob("runs/scores/*/*/manifest.json"):
        facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]["data"]["test"]
        assert (facts["rows"], facts["entities"]) == (61, 120)
        assert facts["spans"] == {"widened to whole words": 1}
        assert facts["dropped"]["not annotated"] == 1
    predicted = invoke("predict", "--workspace", "runs", "--task", "ner", "Amina anakwenda Dodoma.")
    assert predicted.exit_code == 0, predicted.output
    entities = json.loads(predicted.stdout)["entities"]
    assert [(entity["type"], entity["start"], entity["end"]) for entity in entities] == [("PER", 0, 5), ("LOC", 16, 22)]
