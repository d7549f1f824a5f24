"""What becomes of rows and words on their way into a task, as manifests, `--json` and the terminal tell it."""

import json
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.eval.evaluator import long_texts_note, short_training_note
from lrl_adapt.recipes.training import TaskTraining
from typer.testing import CliRunner

FAST = ["--adapter", "none", "--cpu", "--json", "--set", "eval.seeds=[1]", "--set", "eval.training.num_train_epochs=1"]


def evaluate(workspace: Path, task: str, *changes: str) -> tuple[list[dict[str, Any]], str]:
    """Data of the JSON output, and what was said."""
    settings = ["corpus.drop_task_lines=false", *changes]
    words = ["eval", "quickstart", "--task", task, "-w", str(workspace), *FAST]
    result = CliRunner().invoke(app, [*words, *(part for change in settings for part in ("--set", change))])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"], result.stderr


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_rows_of_a_table(tmp_path: Path) -> None:
    rows = [f"Neno la {number};{'hasi' if number % 2 else 'chanya'};{number % 3}" for number in range(30)]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.csv").write_text("\n".join(["text;label;id", *rows]), encoding="utf-8")
    (tmp_path / "train.csv").write_text("\n".join(["text;label;id", *rows, ";hasi;1", ";hasi;2"]), encoding="utf-8")
    files = ", ".join(f"{split}: {tmp_path}/{split}.csv" for split in ("train", "validation", "test"))
    data, said = evaluate(
        tmp_path / "runs", "mood", f"eval.others={{mood: {{{files}, where: {{id: '1.0'}}, max_train_samples: 8}}}}"
    )
    assert data == [
        {
            "language": "swh_Latn",
            "task": "mood",
            "train": {"rows": 32, "used": 8, "dropped": {"where": 21, "empty text": 1, "max_train_samples": 2}},
            "validation": {"rows": 30, "used": 10, "dropped": {"where": 20}},
            "test": {"rows": 30, "used": 10, "dropped": {"where": 20}},
        }
    ]
    assert said.count("read train.csv, validation.csv, test.csv: columns separated by semicolons") == 1
    assert "mood: train: 1 of 32 rows skipped: empty text 1" in said


def test_words_of_sentences(tmp_path: Path) -> None:
    words = [f"{number}\tneno\t_\t{'NOUN' if number % 2 else 'VERB'}\t_\t_\t0\tdep\t_\t_" for number in range(1, 21)]
    words[3] = words[3].replace("neno", "\u200b")  # the tokenizer keeps nothing of it
    for split in ("train", "validation", "test"):
        lines = ["# text = mfano", "1-2\tnenoneno" + "\t_" * 8, *words, "", *words[:2]]
        (tmp_path / f"{split}.conllu").write_text("\n".join(lines), encoding="utf-8")
    files = ", ".join(f"{split}: {tmp_path}/{split}.conllu" for split in ("train", "validation", "test"))
    task = f"eval.others={{pos: {{{files}, label: upos, metric: accuracy}}}}"
    data, said = evaluate(tmp_path / "runs", "pos", task, "eval.training.max_length=10")
    dropped = data[0]["test"].pop("dropped_words")
    lines = {"multiword ranges and empty nodes": 1}
    assert data[0]["test"] == {"rows": 2, "used": 2, "cut": 1, "words": 22, "dropped_lines": lines}
    assert set(dropped) == {"no tokens", "cut off by max_length"}
    assert dropped["no tokens"] == 1
    assert dropped["cut off by max_length"] > 8
    beyond = f"{dropped['cut off by max_length']} of 22 words are beyond eval.training.max_length (10) and were skipped"
    assert f"pos: train, validation, test: {beyond}" in said
    assert "pos: train, validation, test: 1 of 22 words skipped: no tokens 1" in said


def test_sentences_of_language_modelling(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Watoto wanasoma."}\n{"text": null}\n{"text": "Mvua inanyesha."}\n')
    data, said = evaluate(tmp_path / "runs", "mlm", f"eval.mlm.files={tmp_path}/a.jsonl")
    sentences = {"rows": 3, "used": 2, "dropped": {"empty text": 1}}
    assert data == [{"language": "swh_Latn", "task": "mlm", "sentences": sentences}]
    assert "mlm: 1 of 3 rows skipped: empty text 1" in said


@pytest.mark.parametrize(
    ("examples", "settings", "note"),
    [
        (43, {}, ["only 40 training steps at a learning rate of 0.0001", "try eval.training.num_train_epochs=250"]),
        (43, {"learning_rate": 5e-3, "num_train_epochs": 5}, []),
        (320, {}, []),  # 200 steps
    ],
)
def test_a_training_too_short_to_learn_anything_is_reported_with_advice(
    examples: int, settings: dict[str, Any], note: list[str]
) -> None:
    said = short_training_note(examples, TaskTraining(**settings), "eval.training")
    assert len(said) == (1 if note else 0)
    assert all(part in said[0] for part in note)


def test_texts_that_take_long_to_score_are_reported_with_advice() -> None:
    assert long_texts_note(["Habari ya leo."] * 3) == ""
    assert long_texts_note(["a" * 300, "b" * 900]) == (
        "the texts have 600 characters on average; scoring takes time with the square of their length: set corpus.cut "
        "to sentences, or name a file of sentences in eval.mlm.files"
    )
