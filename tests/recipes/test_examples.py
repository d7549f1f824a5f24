"""Rows as examples of tasks.

The same doors were looked at for corpora (tests/corpora/test_readers.py), sentences of language modelling (below),
`predict` and `fill-mask` (tests/cli/test_use.py: lines of text, no tables), and predictions that are read again
(tests/eval/test_significance.py). ConceptNet's dump has a reader of its own (bytes, cut at \\n alone); recipes, task
files and templates are YAML, where a key that stands twice is refused; cards are only written.
"""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Account, Item, read_items, read_texts, reading_notes
from lrl_adapt.recipes.labels import label_name
from lrl_adapt.workspace.errors import UserError


def task(**changes: Any) -> Task:
    return Task(file="unread", **changes)


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        (" 1.00 ", "1"),
        (-1.0, "-1"),
        (1.5, "1.5"),
        ("1.5", "1.5"),
        ("01", "01"),
        ("v1.0", "v1.0"),
        (True, "true"),
        (None, ""),
        (float("nan"), ""),
        ("bu\u0301buru\u0301", "b\u00fabur\u00fa"),
        ("\ufeffafya\u200b", "afya"),
        ("habari\u00a0njema", "habari njema"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ],
)
def test_a_label_has_one_name_however_it_is_written(value: object, name: str) -> None:
    assert label_name(value) == name


def test_numbers_are_one_label_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,1.0\nb,0\n")
    files = [
        tmp_path / "a.csv",
        jsonl(tmp_path / "a.jsonl", {"text": "a", "label": 1}, {"text": "b", "label": "0.0"}),
        parquet(tmp_path / "a.parquet", text=["a", "b"], label=[1.0, 0.0]),
        parquet(tmp_path / "b.parquet", text=["a", "b"], label=["1", "0"]),
        parquet(tmp_path / "c.parquet", text=["a", "b"], label=[Decimal("1.0"), Decimal("0.0")]),
    ]
    for file in files:
        assert [item.label for item in read_items(file, task())] == ["1", "0"]
        assert [item.label for item in read_items(file, task(labels=["hasi", "chanya"]))] == ["chanya", "hasi"]
        # names that are numbers go before places in the list
        assert [item.label for item in read_items(file, task(labels=["1.0", "0.0"]))] == ["1.0", "0.0"]


@pytest.mark.parametrize("wanted", ["1", "1.0"])
def test_where_compares_numbers_as_numbers(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "a.csv").write_text("text,label,kept\na,x,1.0\nb,x,2.0\nc,x,\nd,x,1\n")
    kept = pyarrow.array([1.0, 2.0, None, 1.0])
    for file in (tmp_path / "a.csv", parquet(tmp_path / "a.parquet", text=list("abcd"), label=["x"] * 4, kept=kept)):
        account = Account()
        items = read_items(file, task(where={"kept": wanted}), account)
        assert [item.text for item in items] == ["a", "d"]
        assert (account.rows, account.used, account.dropped) == (4, 2, {"where": 2})
    (tmp_path / "b.jsonl").write_text('{"text": "a", "label": "x", "kept": true}\n')
    assert len(read_items(tmp_path / "b.jsonl", task(where={"kept": "true"}))) == 1


def test_a_list_of_one_label_is_that_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": "a", "label": ["hasi"]}, {"text": "b", "label": [1.0]})
    assert [item.label for item in read_items(path, task())] == ["hasi", "1"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"text": "Juma", "label": ["a", "b"]},
            "line 1, column 'label': expected one label for the text, got 2 labels",
        ),
        ({"text": "Juma", "label": []}, "line 1, column 'label': expected one label for the text, got an empty list"),
        ({"text": "Juma yuko", "label": [["PER", 0, 4]]}, "line 1, column 'label': labels of spans .* convert them"),
        ({"text": ["Juma"], "label": [{"type": "PER"}]}, "labels of spans"),
        ({"text": "Juma", "label": {"type": "PER"}}, "labels of spans"),
        ({"text": ["Juma", "yuko"], "label": "x"}, "line 1, column 'label': expected a tag for each word"),
        ({"text": ["Juma", "yuko"], "label": ["O"]}, "line 1: 2 words in column 'text' but 1 tag in column 'label'"),
        (
            {"text": ["Juma", ["yuko"]], "label": ["O", "O"]},
            r"line 1, column 'text': expected text, got a list, \['yuko'\]",
        ),
        ({"text": {"sw": "Juma"}, "label": "x"}, "line 1, column 'text': expected text, got an object"),
        ({"text": "Juma", "label": None}, "line 1, column 'label': the row has no label"),
        ({"text": "Juma", "label": float("nan")}, "line 1, column 'label': the row has no label"),
    ],
)
def test_rows_of_other_forms_are_refused_with_place_and_column(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_items(jsonl(tmp_path / "a.jsonl", row), task())


def test_a_row_that_lacks_a_column_is_told_with_its_place_where_rows_differ(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": "a", "label": "x"}, {"text": "b"})
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: no column 'label'; columns: text"):
        read_items(path, task())
    with pytest.raises(UserError, match=r"a\.csv: no column 'label'; did you mean labels"):
        (tmp_path / "a.csv").write_text("text,labels\na,x\n")
        read_items(tmp_path / "a.csv", task())


def test_numbers_among_words_are_words(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": ["Juma", 21], "label": ["B-PER", "O"]}, {"text": 7, "label": "x"})
    assert read_items(path, task()) == [Item(["Juma", "21"], ["B-PER", "O"]), Item("7", "x")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_an_array_of_objects_is_read_like_lines(tmp_path: Path, name: str) -> None:
    rows = [{"text": f"neno {number}", "label": "x"} for number in range(3)]
    for indent in (None, 2):
        (tmp_path / name).write_text("\ufeff\n" + json.dumps(rows, indent=indent), encoding="utf-8")
        assert [item.text for item in read_items(tmp_path / name, task())] == ["neno 0", "neno 1", "neno 2"]
    (tmp_path / name).write_text(json.dumps([*rows, {"text": ["a"], "label": "x"}]))
    with pytest.raises(UserError, match=f"{name}, row 4, column 'label'"):
        read_items(tmp_path / name, task())
    (tmp_path / name).write_text(json.dumps(rows, indent=2)[:-20])
    with pytest.raises(UserError, match=rf"{name}, line \d+: not JSON"):
        read_items(tmp_path / name, task())
    (tmp_path / name).write_text(json.dumps({"data": rows}, indent=2))
    with pytest.raises(UserError, match=r"line 1: not JSON .* expected an object on each line, or an array of objects"):
        read_items(tmp_path / name, task())


def test_two_values_of_one_name_are_refused_in_json_and_parquet(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", '{"text": "a", "label": "x", "label": "y"}'), ("a.json", '[{"a": 1, "a": 2}]')):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=r"values \d and \d are both called '(label|a)'"):
            read_items(tmp_path / name, task())
    arrays = [pyarrow.array([value]) for value in ("a", "x", "y")]
    table = pyarrow.Table.from_arrays(arrays, names=["text", "label", "label"])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="columns 2 and 3 are both called 'label'"):
        read_items(tmp_path / "a.parquet", task())


def test_rare_line_breaks_in_a_text_end_no_line(tmp_path: Path) -> None:
    texts = [f"moja{sign}mbili" for sign in "\u2028\u2029\x85\x0b\x0c\x1c\x1e"]
    rows = [{"text": text, "label": "x"} for text in texts]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert [item.text for item in read_items(path, task())] == texts
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    assert list(read_texts(tmp_path / "a.txt", "text")) == texts
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{text},x\n" for text in texts), encoding="utf-8")
    assert [item.text for item in read_items(tmp_path / "a.csv", task())] == texts


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": "x", "kept": number % 2} for number, text in enumerate(["a", "b", "", None, " ", "c"])
    ]
    account = Account()
    items = read_items(jsonl(tmp_path / "a.jsonl", *rows), task(where={"kept": "0"}), account)
    assert [item.text for item in items] == ["a"]
    assert account.facts() == {"rows": 6, "used": 1, "dropped": {"where": 3, "empty text": 2}}
    assert account.losses() == ["2 of 6 rows skipped: empty text 2"]
    assert (
        Account(rows=100, dropped=Counter({"where": 50, "empty text": 1})).losses() == []
    )  # one in a hundred is not much, and `where` is meant


def test_labels_in_two_unicode_forms_are_one_and_counted(tmp_path: Path) -> None:
    account = Account()
    labels = ["b\u00fabur\u00fa", "bu\u0301buru\u0301", "b\u00fabur\u00fa\u200b", "rere", "rere "]
    rows = [{"text": "a", "label": label} for label in labels]
    items = read_items(jsonl(tmp_path / "a.jsonl", *rows), task(), account)
    assert [item.label for item in items] == ["b\u00fabur\u00fa"] * 3 + ["rere"] * 2
    assert account.renamed == {"b\u00fabur\u00fa": 2}
    (tmp_path / "a.txt").write_text("Juma B-MTU\nMa\u0301ri\u0301a B-mtu\u0301\n", encoding="utf-8")
    assert read_items(tmp_path / "a.txt", task())[0].label == ["B-MTU", "B-mt\u00fa"]
    named = task(labels=["bu\u0301buru\u0301", "rere"])  # read in the form of all text
    assert {str(item.label) for item in read_items(tmp_path / "a.jsonl", named)} == {"b\u00fabur\u00fa", "rere"}


def test_sentences_come_from_lines_and_tables_and_blank_ones_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.TXT").write_text("moja\n\n  \nmbili\n")
    (tmp_path / "a.csv").write_text("text;id\nmoja;1\n;2\nmbili;3\n")
    for name, empty in (("a.TXT", 2), ("a.csv", 1)):
        account = Account()
        assert list(read_texts(tmp_path / name, "text", account)) == ["moja", "mbili"]
        assert (account.rows, account.used, account.dropped) == (2 + empty, 2, {"empty text": empty})
    assert reading_notes([account, account]) == ["read a.csv: columns separated by semicolons"]
    with pytest.raises(UserError, match=r"a\.parquet, row 1, column 'text': expected text, got a list"):
        list(read_texts(parquet(tmp_path / "a.parquet", text=[["moja"]]), "text"))
    with pytest.raises(UserError, match="a CoNLL file; expected sentences"):
        list(read_texts(tmp_path / "a.conllu", "text"))


@pytest.mark.parametrize("settings", [{"n": 1}, {"n": 1.0}, {"ok": True}, {"e\u0301": "x"}, {"\u00e9": "x"}])
def test_numbers_booleans_and_forms_of_names_in_where(tmp_path: Path, settings: dict[str, object]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "moja", "label": true, "n": 1, "ok": true, "e\u0301": "x"}\n'
        '{"text": "mbili", "label": false, "n": 2, "ok": false, "\u00e9": "y"}\n',
        encoding="utf-8",
    )
    task = Task.model_validate({"file": "unread", "where": settings, "labels": [False, True]})
    assert read_items(path, task) == [Item("moja", "true")]
    table = tmp_path / "a.csv"
    table.write_text("text,label,n,ok,e\u0301\nmoja,true,1,True,x\nmbili,false,2,False,y\n", encoding="utf-8")
    assert read_items(table, task) == [Item("moja", "true")]


def test_the_number_of_a_column_needs_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Juma\tPROPN\tB-PER\nyuko\tVERB\tO\n", encoding="utf-8")
    task = Task.model_validate({"file": "unread", "label": 2, "labels": [1, 2.5, True]})
    assert (task.label, task.labels) == ("2", ["1", "2.5", "true"])
    assert read_items(path, task)[0].label == ["PROPN", "VERB"]
    assert Task.model_validate({"file": "unread", "label": [3, "ner"]}).label == ["3", "ner"]
