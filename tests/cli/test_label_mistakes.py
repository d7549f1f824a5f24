"""Mistakes in labelled files are reported before anything is prepared or trained, all at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from .small import SMALL, TEXT, invoke

GOOD = ["good", "bad"] * 20
TASKS = """
eval:
  seeds: [1]
  others:
    mood: {train: mood/train.csv, validation: mood/validation.csv, test: mood/test.csv}
    polarity: {train: mood/train.csv, validation: mood/validation.csv, test: polarity.csv, labels: [good, bad]}
  ner: {train: ner.txt, validation: ner.txt, test: ner.txt}
"""


def write_labels(path: Path, labels: list[str]) -> None:
    rows = [f"text {number},{label}" for number, label in enumerate(labels)]
    path.write_text("\n".join(["text,label", *rows, ""]), encoding="utf-8")


@pytest.fixture
def recipe(folder: Path) -> Path:
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    (folder / "recipe.yaml").write_text(SMALL + TASKS, encoding="utf-8")
    (folder / "mood").mkdir()
    for split in ("train", "validation", "test"):
        write_labels(folder / "mood" / f"{split}.csv", GOOD)
    write_labels(folder / "polarity.csv", GOOD)
    (folder / "ner.txt").write_text("Asha B-PER\n\nMoshi B-LOC\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["train"], ["train", "--dry-run"], ["eval"]])
def test_all_mistakes_are_reported_before_anything_is_done(recipe: Path, command: list[str]) -> None:
    write_labels(recipe / "mood" / "test.csv", [*GOOD, "Good", "BAD"])
    write_labels(recipe / "polarity.csv", ["god", *GOOD, "", "god", "", *[""] * 5])
    (recipe / "ner.txt").write_text("Asha B_PER\nna O\n\nMoshi B-LOC\nJuma PER\n", encoding="utf-8")
    result = invoke(*command)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: the tasks' files have mistakes:",
        "  eval.ner.train: 'B_PER' is not an IOB or BIOES tag, at 'Asha' in “Asha na”; did you mean B-PER?",
        "  eval.ner.train: 'PER' is not an IOB or BIOES tag, at 'Juma' in “Moshi Juma”",
        *[
            line.replace("train", split)
            for split in ("validation", "test")
            for line in (
                "  eval.ner.train: 'B_PER' is not an IOB or BIOES tag, at 'Asha' in “Asha na”; did you mean B-PER?",
                "  eval.ner.train: 'PER' is not an IOB or BIOES tag, at 'Juma' in “Moshi Juma”",
            )
        ],
        "  eval.others.mood.test: label 'BAD' (1 of 42) is not in train; did you mean 'bad'? If not, list all names in "
        "eval.others.mood.labels",
        "  eval.others.mood.test: label 'Good' (1 of 42) is not in train; did you mean 'good'? If not, list all names "
        "in eval.others.mood.labels",
        f"  eval.others.polarity.test: {recipe}/polarity.csv, line 2: label 'god' is not among good, bad; did you mean "
        "'good'? (also line 44)",
        f"    {recipe}/polarity.csv, line 43, column 'label': the row has no label; add one, or remove the row (also "
        "line 45, line 46, line 47, line 48 and 2 more)",
    ]
    assert not (recipe / "runs").exists()


def test_labels_that_cannot_be_learnt_are_noted_in_the_plan(recipe: Path) -> None:
    write_labels(recipe / "mood" / "test.csv", [*GOOD, "mixed"])
    note = "mood: label 'mixed' occurs in test but not in train, so it cannot be learnt"
    result = invoke("run", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert note in result.stderr.splitlines()
    assert "polarity: " not in result.stderr


def test_tasks_that_are_not_scored_are_not_read(recipe: Path) -> None:
    write_labels(recipe / "polarity.csv", ["god"])
    assert invoke("run", "--dry-run", "--task", "mood,ner").exit_code == 0
    assert invoke("prepare", "--dry-run").exit_code == 0


def test_reading_the_files_loads_no_torch(recipe: Path) -> None:
    code = (
        "import sys; sys.modules.update(torch=None, transformers=None); import lrl_adapt;"
        "print(lrl_adapt.plan(lrl_adapt.load_recipe('recipe.yaml')).notes)"
    )
    write_labels(recipe / "mood" / "test.csv", [*GOOD, "mixed"])
    done = subprocess.run([sys.executable, "-c", code], cwd=recipe, capture_output=True, text=True, check=False)
    assert "label 'mixed' occurs in test" in done.stdout, done.stderr
