"""Every kind of task from a task file to scores, a report and predictions, with two seeds and a resumed run."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from .small import SMALL, TEXT, invoke

RECIPE = """\
eval:
  tasks: [pos, emotions, closeness, nli]
  seeds: [1, 2]
  training: {num_train_epochs: 4, learning_rate: 0.01, batch_size: 8, reduction_factor: 2}
  others: {pos: pos.yaml, emotions: emotions.yaml, closeness: closeness.yaml, nli: nli.yaml}
"""
TASKS = {
    "pos": "{file: pos.conllu, label: upos, kind: tagging}",
    "emotions": "{file: emotions.csv, kind: multilabel, label_columns: [joy, fear, disgust]}",
    "closeness": "{file: closeness.tsv, text: first, text_pair: second, label: score, kind: regression}",
    "nli": "{file: nli.jsonl, text: premise, text_pair: hypothesis, metric: accuracy}",
}
PLACES, PEOPLE = ("Nairobi", "Dodoma", "Mombasa", "Tabora"), ("Amina", "Juma", "Asha", "Neema")


def table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_data(folder: Path) -> None:
    """Forty items of each task that a small model can learn in part."""
    rng = random.Random(1)
    sentences = []
    for number in range(40):
        words = [(rng.choice(PEOPLE), "PROPN"), (rng.choice(("anakwenda", "anatoka")), "VERB")]
        words += [(rng.choice(PLACES), "PROPN"), (str(number), "NUM"), (".", "PUNCT")]
        lines = [f"# sent_id = {number}"]
        lines += [f"{place}\t{word}\t_\t{tag}\t_\t_\t0\t_\t_\t_" for place, (word, tag) in enumerate(words, 1)]
        sentences.append("\n".join(lines))
    (folder / "pos.conllu").write_text("\n\n".join(sentences) + "\n\n", encoding="utf-8")
    rows = []
    for number in range(40):
        joy, fear = rng.randrange(2), rng.randrange(2)
        text = f"siku {number} {'furaha' if joy else 'kawaida'} {'hofu' if fear else 'amani'}"
        rows.append({"text": text, "joy": joy, "fear": float(fear)})
    table(folder / "emotions.csv", rows)
    pairs = [(number, *rng.choices(PLACES, k=2)) for number in range(40)]
    table(
        folder / "closeness.tsv",
        [{"first": f"{n} {a}", "second": f"{n} {b}", "score": 4.5 if a == b else 1.5 + n / 100} for n, a, b in pairs],
        "\t",
    )
    nli = [
        {"premise": f"{n} {a}", "hypothesis": f"{n} {b}", "label": "same" if a == b else "other"} for n, a, b in pairs
    ]
    (folder / "nli.jsonl").write_text("".join(json.dumps(row) + "\n" for row in nli), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL + RECIPE, encoding="utf-8")
    for name, task in TASKS.items():
        (folder / f"{name}.yaml").write_text(task, encoding="utf-8")
    write_data(folder)
    return folder


def test_all_kinds_go_from_task_files_to_a_report_and_to_predictions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "300")
    planned = invoke("eval", "recipe.yaml", "--workspace", "runs", "--dry-run")
    assert planned.exit_code == 0, planned.output
    done = invoke("run", "recipe.yaml", "--workspace", "runs")
    assert done.exit_code == 0, done.output
    for metric in ("accuracy", "macro-F1", "Spearman correlation"):
        assert metric in done.output
    for constant in ("majority class", "every label", "mean score"):
        assert constant in done.output

    folders = sorted(Path("runs/scores/swh_Latn").glob("[!.]*"))
    assert len(folders) == 4 * 2 * 2
    main = {"pos": "accuracy", "emotions": "macro_f1", "closeness": "spearman", "nli": "accuracy"}
    made = {}
    for scores in folders:
        records = json.loads((scores / "scores.json").read_text())["scores"]
        assert records[0]["metric"] == main[records[0]["task"]]
        assert records[0]["interval"][0] <= records[0]["value"] <= records[0]["interval"][1]
        facts = json.loads((scores / "manifest.json").read_text())["facts"]
        made[records[0]["task"], records[0]["system"], records[0]["seed"]] = facts
    assert {len(made)} == {16}
    for (task, system, _), facts in made.items():
        assert ("head_only" in facts) == (system == "base")
        assert main[task] in facts["majority_class"]
    assert made["emotions", "base", 1]["majority_class"]["label"] == "fear, joy"  # the file has no disgust

    times = {scores: (scores / "scores.json").stat().st_mtime_ns for scores in folders}
    again = invoke("eval", "recipe.yaml", "--workspace", "runs")
    assert again.exit_code == 0, again.output
    assert times == {scores: (scores / "scores.json").stat().st_mtime_ns for scores in folders}
    page = next(Path("runs/reports").rglob("*.html")).read_text(encoding="utf-8")
    assert "Natural language inference" in page
    assert "Mean score: always predicting" in page
    lines = list(csv.DictReader(next(Path("runs/reports").rglob("comparisons.csv")).open(encoding="utf-8")))
    assert {line["metric"] for line in lines} >= {"accuracy", "macro_f1", "spearman"}
    assert {line["interval_kind"] for line in lines if line["metric"] == "spearman"} == {"seeds and items"}


@pytest.mark.parametrize(
    ("task", "text", "keys"),
    [
        ("pos", "Amina anakwenda Dodoma.", {"text", "words"}),
        ("emotions", "siku furaha hofu", {"text", "labels", "probabilities"}),
        ("closeness", "3 Nairobi\t3 Nairobi", {"text", "text_pair", "score"}),
        ("nli", "3 Nairobi\t3 Nairobi", {"text", "text_pair", "label", "probability", "probabilities"}),
    ],
)
def test_new_texts_are_labelled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, task: str, text: str, keys: set[str]
) -> None:
    monkeypatch.chdir(folder)
    predicted = invoke("predict", "--workspace", "runs", "--task", task, text, "")
    assert predicted.exit_code == 0, predicted.output
    result, blank = map(json.loads, predicted.stdout.splitlines())
    assert result.keys() == blank.keys() == keys
    if task == "closeness":
        assert 0 < result["score"] < 6  # on the scale of the file
        assert blank["score"] is None
    if "\t" in text:
        refused = invoke("predict", "--workspace", "runs", "--task", task, "one text")
        assert refused.exit_code == 2
        assert "two texts with a tab between them" in refused.output
