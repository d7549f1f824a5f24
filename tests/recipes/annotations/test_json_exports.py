"""Exports of doccano, Label Studio and Prodigy."""

import json
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Account, Item, read_items, reading_notes
from lrl_adapt.recipes.task_files import read_split
from lrl_adapt.workspace.errors import UserError

TEXT = "Amina Juma yuko Nairobi."
WORDS = ["Amina", "Juma", "yuko", "Nairobi", "."]
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O"]
PLAIN = Item(["Hakuna", "jina"], ["O", "O"])  # a text without entities


def task(**changes: Any) -> Task:
    return Task(file="unread", **changes)


def lines(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "export.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def array(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


DOCCANO = [
    [
        {"id": 1, "text": "Hakuna jina", "label": []},
        {"id": 2, "text": TEXT, "label": [[0, 10, "PER"], [16, 23, "LOC"]]},
    ],
    [
        {"id": 1, "data": "Hakuna jina", "label": []},
        {"id": 2, "data": TEXT, "label": [[0, 10, "PER"], [16, 23, "LOC"]]},
    ],
    [
        {"id": 1, "text": "Hakuna jina", "entities": [], "relations": [], "Comments": []},
        {
            "id": 2,
            "text": TEXT,
            "entities": [
                {"id": 7, "label": "LOC", "start_offset": 16, "end_offset": 23},
                {"id": 8, "label": "PER", "start_offset": 0, "end_offset": 10},
            ],
            "relations": [],
            "Comments": [],
        },
    ],
]


@pytest.mark.parametrize("rows", DOCCANO)
def test_doccanos_spans_become_tags(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    account = Account()
    assert read_items(lines(tmp_path, *rows), task(), account) == [PLAIN, Item(WORDS, TAGS)]
    assert account.facts() == {"rows": 2, "used": 2, "entities": 2}
    assert reading_notes([account]) == ["read export.jsonl: an export of doccano"]
    assert account.entity_note == "2 entities"


def test_doccanos_classes(tmp_path: Path) -> None:
    path = lines(
        tmp_path, {"id": 1, "text": "nzuri", "label": ["chanya"]}, {"id": 2, "text": "mbaya", "label": ["hasi"]}
    )
    assert read_items(path, task()) == [Item("nzuri", "chanya"), Item("mbaya", "hasi")]
    path = lines(tmp_path, {"text": TEXT, "cats": ["swali"], "entities": [[16, 23, "LOC"]]})
    with pytest.raises(UserError, match=r"choose one: label: entities \(entities\), label: cats \(classes\)"):
        read_items(path, task())
    assert read_items(path, task(label="cats")) == [Item(TEXT, "swali")]
    assert read_items(path, task(label="entities")) == read_items(path, task(metric="entity_f1"))
    assert read_items(path, task(label="entities"))[0].label == ["O", "O", "O", "B-LOC", "O"]


def test_doccanos_offsets_in_utf_16_units_are_recognised(tmp_path: Path) -> None:
    path = lines(tmp_path, {"text": f"👍🏾 {TEXT}", "label": [[5, 15, "PER"], [21, 28, "LOC"]]})
    account = Account()
    assert read_items(path, task(), account) == [Item(["👍🏾", *WORDS], ["O", *TAGS])]
    assert account.notes == [("export.jsonl", "an export of doccano, offsets in UTF-16 units")]


def test_where_keeps_rows_of_an_export(tmp_path: Path) -> None:
    rows = [{"text": TEXT, "label": [[0, 5, "PER"]], "lugha": lugha} for lugha in ("swh", "mlt")]
    account = Account()
    assert len(read_items(lines(tmp_path, *rows), task(where={"lugha": "swh"}), account)) == 1
    assert account.facts() == {"rows": 2, "used": 1, "entities": 1, "dropped": {"where": 1}}


def test_spans_that_do_not_fit_are_shown_in_one_line(tmp_path: Path) -> None:
    spans = [[0, 4, "PER"], [0, 10, "PER"], [16, 23, "LOC"], [16, 99, "LOC"], [11, 14, "X"]]
    path = lines(tmp_path, {"text": TEXT, "label": spans})
    account = Account()
    read_split("ner", Task(train=str(path), validation="-", test="-"), "train", tmp_path, account=account)
    assert reading_notes([account]) == [
        "read export.jsonl: an export of doccano",
        "read export.jsonl: 5 entities, of which 1 left out: leave the text; 1 left out: overlap another entity; "
        "1 widened to whole words",
    ]
    assert account.facts()["spans"] == {
        "left out: leave the text": 1,
        "widened to whole words": 1,
        "left out: overlap another entity": 1,
    }


def test_offsets_of_another_text_are_refused(tmp_path: Path) -> None:
    path = lines(tmp_path, {"text": "Juma", "label": [[10, 15, "PER"], [16, 23, "LOC"], [0, 4, "PER"]]})
    with pytest.raises(UserError, match=r"2 of 3 entities are outside their texts.*were the texts changed"):
        read_items(path, task())


def test_a_malformed_span_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = lines(tmp_path, {"text": TEXT, "label": [[0, 5, "PER"]]}, {"text": TEXT, "label": [["PER", 0, 5]]})
    with pytest.raises(UserError, match=r"line 2, column 'label': expected spans as in other rows"):
        read_items(path, task())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": TEXT, "label": None}, "expected a list of spans as in other rows, got None"),
        ({"text": TEXT, "label": [[0, 5, " "]]}, "line 2: expected a label for each span, got ' '"),
        ({"text": TEXT, "label": [{"start": 0.5, "end": 5, "label": "X"}]}, "expected a whole number for start"),
        ({"text": ["x"], "label": []}, "line 2, column 'text': expected text, got a list"),
    ],
)
def test_rows_of_other_forms_are_errors_with_their_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_items(lines(tmp_path, {"text": TEXT, "label": [[0, 5, "PER"]]}, row), task())


def labels(start: int, end: int, label: str, **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label], "text": TEXT[start:end]}
    return {"from_name": "aina", "to_name": "text", "type": "labels", "value": value} | more


def choices(*names: str) -> dict[str, Any]:
    return {"from_name": "maoni", "to_name": "text", "type": "choices", "value": {"choices": list(names)}}


def tool_task(number: int, text: str, *annotations: dict[str, Any], key: str = "text") -> dict[str, Any]:
    return {"id": number, "data": {key: text}, "annotations": list(annotations), "predictions": [{"result": []}]}


def by(person: Any, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "completed_by": person,
        "was_cancelled": False,
        "ground_truth": False,
        "result": list(results),
    } | more


def test_label_studios_labels(tmp_path: Path) -> None:
    path = array(
        tmp_path,
        tool_task(1, "Hakuna jina", by(1)),
        tool_task(2, TEXT, by(1, labels(0, 10, "PER"), labels(16, 23, "LOC"), choices("chanya"))),
        tool_task(3, TEXT, by(1, labels(0, 5, "PER"), was_cancelled=True)),
        tool_task(4, TEXT),
    )
    account = Account()
    assert read_items(path, task(label="aina"), account) == [PLAIN, Item(WORDS, TAGS)]
    assert account.facts() == {"rows": 4, "used": 2, "entities": 2, "dropped": {"not annotated": 1, "cancelled": 1}}
    assert read_items(path, task(metric="entity_f1")) == [PLAIN, Item(WORDS, TAGS)]
    assert read_items(path, task(label="maoni")) == [Item(TEXT, "chanya")]
    with pytest.raises(UserError, match=r"choose one: label: aina \(entities\), label: maoni \(classes\)"):
        read_items(path, task())
    with pytest.raises(UserError, match=r"no labels called 'aima'; did you mean aina\?"):
        read_items(path, task(label="aima"))


def test_label_studios_choices(tmp_path: Path) -> None:
    path = array(
        tmp_path,
        tool_task(1, "nzuri", by({"id": 4, "email": "a@b"}, choices("chanya")), key="maandishi"),
        tool_task(2, "mbaya", by(4, choices("hasi")), key="maandishi"),
        tool_task(3, "kitu", by(4), key="maandishi"),
    )
    account = Account()
    assert read_items(path, task(), account) == [Item("nzuri", "chanya"), Item("mbaya", "hasi")]
    assert account.dropped == {"not annotated": 1}
    path = array(tmp_path, tool_task(1, "nzuri", by(1, choices("chanya", "hasi"))))
    with pytest.raises(UserError, match=r"row 1, column 'maoni': expected one label for the text, got 2 labels"):
        read_items(path, task())


def test_annotators_of_one_task(tmp_path: Path) -> None:
    juma, asha = by("juma", choices("chanya")), by("asha", choices("hasi"))
    account = Account()
    assert read_items(array(tmp_path, tool_task(1, "x", juma, juma)), task(), account) == [Item("x", "chanya")]
    assert account.dropped == {"annotated more than once": 1}
    path = array(tmp_path, tool_task(1, "x", juma, asha))
    with pytest.raises(
        UserError, match=r"annotators juma and asha disagree; choose one with where: {completed_by: asha}"
    ):
        read_items(path, task())
    assert read_items(path, task(where={"completed_by": "asha"})) == [Item("x", "hasi")]
    path = array(tmp_path, tool_task(1, "x", juma, asha | {"ground_truth": True}))
    assert read_items(path, task()) == [Item("x", "hasi")]


def test_label_studios_offsets_are_checked_against_the_marked_text(tmp_path: Path) -> None:
    """Older versions count UTF-16 units, newer ones characters."""
    text = "👍🏾👍🏾 a b c Juma"
    for start, unit in ((11, None), (15, "UTF-16 units")):
        place = labels(start, start + 4, "PER")
        place["value"]["text"] = "Juma"
        account = Account()
        (item,) = read_items(array(tmp_path, tool_task(1, text, by(1, place))), task(), account)
        assert item.label[-2:] == ["O", "B-PER"]
        assert account.notes == [("export.json", f"an export of Label Studio{f', offsets in {unit}' if unit else ''}")]


def test_labels_of_other_things_than_text_are_refused(tmp_path: Path) -> None:
    path = array(tmp_path, tool_task(1, "<p>x</p>", by(1, labels(0, 5, "PER", type="hypertextlabels"))))
    with pytest.raises(
        UserError, match=r"no labels of plain text, but hypertextlabels; .* <Labels> or <Choices> on <Text>"
    ):
        read_items(path, task())
    with pytest.raises(UserError, match="no text in it was annotated"):
        read_items(array(tmp_path, tool_task(1, "x")), task())
    many = tool_task(1, "x", by(1, choices("a")), key="moja")
    many["data"]["mbili"] = "y"
    with pytest.raises(UserError, match=r"row 1: no column 'text' with the text; columns: moja, mbili"):
        read_items(array(tmp_path, many), task())
    assert read_items(array(tmp_path, many), task(text="mbili")) == [Item("y", "a")]


def min_row(number: int, **values: Any) -> dict[str, Any]:
    dates = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    return {"id": number} | values | {"annotator": 1, "annotation_id": number, "lead_time": 2.5} | dates


def test_label_studios_json_min(tmp_path: Path) -> None:
    spans = [labels(0, 10, "PER")["value"], labels(16, 23, "LOC")["value"]]
    path = array(tmp_path, min_row(1, text="Hakuna jina", chanzo="a"), min_row(2, text=TEXT, aina=spans, chanzo="b"))
    account = Account()
    assert read_items(path, task(), account) == [PLAIN, Item(WORDS, TAGS)]
    assert account.notes == [("export.json", "an export of Label Studio JSON-MIN")]

    path = array(tmp_path, min_row(1, text="nzuri", maoni="chanya"), min_row(2, text="mbaya", maoni="hasi"))
    assert read_items(path, task()) == [Item("nzuri", "chanya"), Item("mbaya", "hasi")]
    path = array(tmp_path, min_row(1, text="nzuri", maoni="chanya", chanzo="gazeti"))
    with pytest.raises(UserError, match=r"choose one: label: maoni \(classes\), label: chanzo \(classes\)"):
        read_items(path, task())
    assert read_items(path, task(label="maoni")) == [Item("nzuri", "chanya")]
    path = array(tmp_path, min_row(1, maandishi="nzuri", maoni={"choices": ["chanya"]}))
    with pytest.raises(UserError, match=r"no column 'text' with the text; columns: id, maandishi, maoni"):
        read_items(path, task())
    assert read_items(path, task(text="maandishi")) == [Item("nzuri", "chanya")]


def prodigy(text: str, number: int = 1, **values: Any) -> dict[str, Any]:
    return (
        {"text": text, "_input_hash": number, "_task_hash": -number}
        | values
        | {"answer": values.get("answer", "accept")}
    )


def test_prodigys_spans(tmp_path: Path) -> None:
    spans = [
        {"start": 0, "end": 10, "token_start": 0, "token_end": 1, "label": "PER"},
        {"start": 16, "end": 23, "token_start": 3, "token_end": 3, "label": "LOC"},
    ]
    tokens = [{"text": "Amina", "start": 0, "end": 5, "id": 0, "ws": True}]
    path = lines(
        tmp_path,
        prodigy("Hakuna jina", 1, tokens=tokens, spans=[]),
        prodigy(TEXT, 2, tokens=tokens, spans=spans),
        prodigy("x", 3, spans=spans, answer="reject"),
        prodigy("x", 4, spans=spans, answer="ignore"),
    )
    account = Account()
    assert read_items(path, task(), account) == [PLAIN, Item(WORDS, TAGS)]
    assert account.dropped == {"rejected": 1, "ignored": 1}
    assert account.notes == [("export.jsonl", "an export of Prodigy")]
    bare = lines(tmp_path, {"text": "Hakuna jina", "spans": []}, {"text": TEXT, "spans": spans})
    assert read_items(bare, task()) == [PLAIN, Item(WORDS, TAGS)]


def test_prodigys_classes(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        prodigy("nzuri", 1, label="chanya", spans=[]),
        prodigy("mbaya", 2, label="hasi"),
        prodigy("kitu", 3, label="hasi", answer="reject"),
    )
    account = Account()
    assert read_items(path, task(), account) == [Item("nzuri", "chanya"), Item("mbaya", "hasi")]
    assert account.facts()["dropped"] == {"rejected": 1}
    options = [{"id": "chanya", "text": "😀"}, {"id": 2, "text": "hasi"}]
    path = lines(
        tmp_path,
        prodigy("nzuri", 1, options=options, accept=["chanya"]),
        prodigy("mbaya", 2, options=options, accept=[2]),
        prodigy("kitu", 3, options=options, accept=[]),
    )
    assert read_items(path, task()) == [Item("nzuri", "chanya"), Item("mbaya", "hasi")]
    path = lines(
        tmp_path, prodigy(TEXT, spans=[{"start": 0, "end": 5, "label": "PER"}], options=options, accept=["chanya"])
    )
    with pytest.raises(UserError, match=r"choose one: label: spans \(entities\), label: accept \(classes\)"):
        read_items(path, task())
    assert read_items(path, task(label="accept")) == [Item(TEXT, "chanya")]
    assert read_items(path, task(label="spans"))[0].label == ["B-PER", "O", "O", "O", "O"]


def test_a_text_that_was_annotated_twice_in_prodigy(tmp_path: Path) -> None:
    path = lines(tmp_path, prodigy("nzuri", 1, label="chanya"), prodigy("nzuri", 1, label="hasi"))
    with pytest.raises(UserError, match=r"line 2: the text of .*line 1 again, with other labels"):
        read_items(path, task())
    rows = [prodigy("nzuri", 1, label=label, _annotator_id=f"data-{who}") for who, label in (("a", "x"), ("b", "y"))]
    with pytest.raises(UserError, match=r"where: {_annotator_id: data-b}"):
        read_items(lines(tmp_path, *rows), task())


def test_ordinary_tables_are_read_as_before(tmp_path: Path) -> None:
    rows = [
        {"text": "nzuri", "label": "chanya", "entities": [[0, 5, "X"]], "spans": [{"start": 0, "end": 2, "label": "Y"}]}
    ]
    assert read_items(lines(tmp_path, *rows), task()) == [Item("nzuri", "chanya")]
    assert read_items(lines(tmp_path, {"text": ["Juma"], "label": ["B-PER"], "spans": []}), task()) == [
        Item(["Juma"], ["B-PER"])
    ]
