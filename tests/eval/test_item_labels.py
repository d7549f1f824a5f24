"""Several labels, scores and pairs of texts from tables and exports, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.eval.task_data import read_task
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Account, Item
from lrl_adapt.recipes.task_files import clean_items, normal_text, read_split
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError


def task_of(folder: Path, name: str, content: str, **fields: Any) -> Task:
    """A task whose splits are one file."""
    (folder / name).write_text(content, encoding="utf-8")
    return Task(**dict.fromkeys(("train", "validation", "test"), str(folder / name)), **fields)


def labels_of(folder: Path, name: str, content: str, **fields: Any) -> list[Any]:
    return [item.label for item in read_split("mood", task_of(folder, name, content, **fields), "train", folder)]


def test_any_number_of_labels_are_read_from_lists_and_from_text(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": ["joy", "fear", "joy"]}, {"text": "b", "label": []}, {"text": "c", "label": "joy"}]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    assert labels_of(tmp_path, "x.jsonl", content, kind="multilabel") == [["joy", "fear"], [], ["joy"]]
    content = 'text,label\na,"joy, fear"\nb,\nc,joy|anger\nd,joy;fear\n'
    assert labels_of(tmp_path, "x.csv", content, kind="multilabel") == [
        ["joy", "fear"],
        [],
        ["joy", "anger"],
        ["joy", "fear"],
    ]
    content = '{"text": "a", "label": []}\n{"text": "b", "label": [1, 0]}\n'
    names = {"kind": "multilabel", "labels": ["fear", "joy, or so"]}
    assert labels_of(tmp_path, "y.jsonl", content, **names) == [[], ["joy, or so", "fear"]]
    assert labels_of(tmp_path, "y.csv", 'text,label\na,"joy, or so"\n', **names) == [["joy, or so"]]


def test_columns_named_like_the_labels_hold_ones_and_zeros(tmp_path: Path) -> None:
    content = "text,anger,fear,joy,disgust\na,1,0,1.0,\nb,0,0.0,0,\nc,True,False,1,\n"
    columns = ["anger", "disgust", "fear", "joy", "surprise"]  # disgust is empty, surprise is not there
    assert labels_of(tmp_path, "x.csv", content, label_columns=columns) == [["anger", "joy"], [], ["anger", "joy"]]
    data = read_task("mood", task_of(tmp_path, "x.csv", content, label_columns=columns), tmp_path)
    assert (data.kind, data.labels, data.outputs) == ("multilabel", ["anger", "joy"], 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,anger,joy\na,1,0\nb,2,0\n", "x.csv, line 3, column 'anger': expected 1 or 0, got a string, '2'"),
        ("text,anger,joy\na,1,0\nb,,0\n", "x.csv, line 3, column 'anger': expected 1 or 0"),
        ("text,anger,joy\na,1,\nb,1,1\n", "x.csv, line 3, column 'joy': 1, but the first row has no value there"),
        ("text,label\na,1\n", "none of the columns of label_columns, anger, joy; columns: text, label"),
    ],
)
def test_columns_with_other_values_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        labels_of(tmp_path, "x.csv", content, label_columns=["anger", "joy"])


def test_scores_are_numbers(tmp_path: Path) -> None:
    assert labels_of(tmp_path, "x.tsv", "text\tlabel\na\t0.75\nb\t3\n", kind="regression") == [0.75, 3.0]
    content = '{"text": "a", "label": 1}\n{"text": "b", "label": [2.5]}\n'
    assert labels_of(tmp_path, "x.jsonl", content, metric="pearson") == [1.0, 2.5]
    for value in ("high", "", "nan", "0,75"):
        with pytest.raises(UserError, match="line 2, column 'label': expected a number"):
            labels_of(tmp_path, "x.tsv", f"text\tlabel\na\t{value}\n", kind="regression")
    data = read_task("mood", task_of(tmp_path, "x.tsv", "text\tlabel\na\t1\nb\t2\n", kind="regression"), tmp_path)
    assert (data.labels, data.outputs, data.problem_type) == ([], 1, "regression")
    with pytest.raises(UserError, match=r"train: every score is 1\.0: there is nothing to learn"):
        read_task("mood", task_of(tmp_path, "x.tsv", "text\tlabel\na\t1\nb\t1\n", kind="regression"), tmp_path)


def test_pairs_have_both_texts_and_are_told_apart_by_both(tmp_path: Path) -> None:
    content = "premise,hypothesis,label\na,b,yes\na, ,no\na,c,no\n"
    task = task_of(tmp_path, "x.csv", content, text="premise", text_pair=["second", "hypothesis"])
    account = Account()
    items = read_split("nli", task, "train", tmp_path, account=account)
    assert [(item.text, item.pair, item.label) for item in items] == [("a", "b", "yes"), ("a", "c", "no")]
    assert account.dropped["empty text"] == 1
    assert [normal_text(item) for item in items] == ["a b", "a c"]
    assert clean_items([Item("a", "x", "b\u00a0 c")], "eval", account)[0].pair == "b c"
    with pytest.raises(UserError, match="no column 'other'"):
        read_split("nli", task.model_copy(update={"text_pair": "other"}), "train", tmp_path)


def test_repeats_of_a_row_can_be_left_out(tmp_path: Path) -> None:
    content = "text,label\na,x\nb,x\na,y\na, x\n"
    account = Account()
    task = task_of(tmp_path, "x.csv", content, drop_duplicates=True)
    items = read_split("mood", task, "train", tmp_path, account=account)
    assert [(item.text, item.label) for item in items] == [("a", "x"), ("b", "x"), ("a", "y")]
    assert (account.rows, account.dropped["drop_duplicates"], account.losses()) == (4, 1, [])
    assert len(read_split("mood", task.model_copy(update={"drop_duplicates": False}), "train", tmp_path)) == 4


def test_several_classes_of_an_export_are_read(tmp_path: Path) -> None:
    task = {
        "id": 1,
        "data": {"text": "Nzuri"},
        "annotations": [
            {"result": [{"type": "choices", "from_name": "mood", "value": {"choices": ["joy", "surprise"]}}]}
        ],
    }
    assert labels_of(tmp_path, "x.json", json.dumps([task]), kind="multilabel") == [["joy", "surprise"]]
    with pytest.raises(UserError, match="for any number of labels per text set kind: multilabel"):
        labels_of(tmp_path, "x.json", json.dumps([task]))
    with pytest.raises(UserError, match="which does not fit kind: tagging"):
        labels_of(tmp_path, "x.json", json.dumps([task]), kind="tagging")
    with pytest.raises(UserError, match="pairs of texts are read from tables only"):
        labels_of(tmp_path, "x.json", json.dumps([task]), kind="multilabel", text_pair="other")


CONLLU = "1\tAsha\t_\tPROPN\t_\tCase=Nom\t2\tnsubj\t_\t_\n2\tanaishi\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n"


@pytest.mark.parametrize(
    ("column", "tags"), [("upos", ["PROPN", "VERB"]), ("4", ["PROPN", "VERB"]), (8, ["nsubj", "root"])]
)
def test_tags_come_from_any_column_of_conllu(tmp_path: Path, column: Any, tags: list[str]) -> None:
    data = read_task("pos", task_of(tmp_path, "x.conllu", CONLLU, label=column, kind="tagging"), tmp_path)
    assert (data.kind, data.splits["test"][0].label, data.labels) == ("tagging", tags, sorted(tags))


def test_files_that_do_not_fit_the_kind_are_refused(tmp_path: Path) -> None:
    conll = task_of(tmp_path, "x.txt", "Asha NOUN\nanaishi VERB\n\n", kind="classification")
    with pytest.raises(UserError, match="kind: classification labels texts, but these files have tags of words"):
        read_task("pos", conll, tmp_path)
    table = task_of(tmp_path, "x.csv", "text,label\na,b\n", kind="tagging")
    with pytest.raises(UserError, match="expected CoNLL files"):
        read_task("pos", table, tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "tagging", "metric": "entity_f1"}, "metric: tagging is scored by accuracy, not by entity_f1"),
        ({"kind": "regression", "metric": "accuracy"}, "scored by spearman or pearson or r2, not by accuracy"),
        ({"kind": "classification", "label_columns": ["a"]}, "label_columns is for kind: multilabel"),
        ({"kind": "entities", "text_pair": "b"}, "text_pair is for labels of texts, not for kind: entities"),
    ],
)
def test_fields_that_contradict_the_kind_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Task(file="x.csv", **fields)


def test_the_kind_follows_from_a_metric_that_only_one_has() -> None:
    kinds = {metric: Task(file="x", metric=metric).stated_kind for metric in ("micro_f1", "spearman", "entity_f1")}
    assert kinds == {"micro_f1": "multilabel", "spearman": "regression", "entity_f1": "entities"}
    assert Task(file="x", metric="macro_f1").stated_kind is None
    assert Task(file="x", kind="multilabel").main_metric == "macro_f1"
    assert Task(file="x").main_metric is None
