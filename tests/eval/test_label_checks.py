import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from lrl_adapt.eval.label_checks import skeleton
from lrl_adapt.eval.task_data import read_task
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.workspace.errors import UserError

SENTENCE = "Juma B-{0}\nanaishi O\nNairobi B-{1}\nleo O\n\n"


def tagged(folder: Path, **splits: Sequence[str]) -> Task:
    """A task whose splits have the sentence ten times, with these two types of entities."""
    for split, types in splits.items():
        (folder / f"{split}.txt").write_text(SENTENCE.format(*types) * 10, encoding="utf-8")
    return Task(**{split: str(folder / f"{split}.txt") for split in splits})


def classes(folder: Path, **splits: Sequence[str]) -> Task:
    """A task whose splits have these labels, or that has one `file` with them."""
    for split, labels in splits.items():
        rows = [f"neno {number}\t{label}" for number, label in enumerate(labels)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *rows]), encoding="utf-8")
    return Task(**{split: str(folder / f"{split}.tsv") for split in splits})


@pytest.mark.parametrize(
    ("train", "test", "wrong", "meant"),
    [
        (("PER", "LOC"), ("Person", "Location"), "Location", "LOC"),
        (("PER", "LOC"), ("Person", "LOC"), "Person", "PER"),
        (("PERS", "ORG"), ("PER", "ORG"), "PER", "PERS"),
        (("PER", "ORG"), ("PER", "Organisation"), "Organisation", "ORG"),
        (("PER", "LOC"), ("per", "LOC"), "per", "PER"),
        (("PER", "LOC"), ("PER", "GPE"), "GPE", "LOC"),
        (("PER", "DATE"), ("PER", "TIME"), "TIME", "DATE"),
        (("PER", "MISC"), ("PER", "OTH"), "OTH", "MISC"),
        (("PER", "LOC"), ("PER", "LO\u0421"), "LO\u0421", "LOC"),  # a Cyrillic С
    ],
)
def test_types_of_entities_under_other_names_than_in_train_are_refused(
    tmp_path: Path, train: Sequence[str], test: Sequence[str], wrong: str, meant: str
) -> None:
    for split in ("validation", "test"):
        others = {"train": train, "validation": train, "test": train, split: test}
        task = tagged(tmp_path, **others)
        message = f"eval.ner.{split}: entity type {wrong!r}.* is not in train; did you mean {meant!r}"
        with pytest.raises(UserError, match=message):
            read_task("ner", task, tmp_path)
    names = [f"{prefix}-{name}" for name in dict.fromkeys([*train, *test]) for prefix in "BI"]
    assert read_task("ner", task.model_copy(update={"labels": ["O", *names]}), tmp_path).label_notes == ()


def test_types_that_stand_in_one_split_alone_are_told(tmp_path: Path) -> None:
    task = tagged(tmp_path, train=("PER", "LOC"), validation=("PER", "LOC"), test=("PER", "DATE"))
    assert read_task("ner", task, tmp_path).label_notes == (
        "entity type 'DATE' occurs in test but not in train, so it cannot be learnt",
        "train has entity types that test lacks: 'LOC'",
    )
    # a scheme with both is no other name for one
    both = tagged(tmp_path, train=("PER", "LOC"), validation=("PER", "LOC"), test=("LOC", "GPE"))
    assert (
        "entity type 'GPE' occurs in test but not in train, so it cannot be learnt"
        in read_task("ner", both, tmp_path).label_notes
    )


def test_parts_of_speech_are_compared_like_classes(tmp_path: Path) -> None:
    for split, noun in (("train", "NOUN"), ("validation", "NOUN"), ("test", "noun")):
        (tmp_path / f"{split}.conllu").write_text(
            "".join(f"{n}\tneno\t_\t{tag}\t_\t_\t0\tdep\t_\t_\n" for n, tag in enumerate((noun, "VERB"), 1))
        )
    task = Task(**{s: str(tmp_path / f"{s}.conllu") for s in ("train", "validation", "test")}, label="upos")
    with pytest.raises(UserError, match=r"eval\.others\.pos\.test: tag 'noun' \(1 of 2\) is not in train; .*'NOUN'"):
        read_task("pos", task.model_copy(update={"metric": "accuracy"}), tmp_path)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("\u0430fya", "afya"),  # a Cyrillic а
        ("AFYA", "afya"),
        ("\uff41fya", "afya"),  # a wide a
        ("habari_njema", "habari njema"),
        ("habari-njema", "habari njema"),
    ],
)
def test_labels_that_look_alike_are_refused_with_what_tells_them_apart(tmp_path: Path, wrong: str, meant: str) -> None:
    good = ["afya", "habari njema"] * 5
    task = classes(tmp_path, train=good, validation=good, test=[*good, *[wrong] * 4])
    with pytest.raises(UserError, match=f"did you mean {meant!r}") as error:
        read_task("mood", task, tmp_path)
    assert wrong.isascii() or ascii(wrong) in str(error.value)


@pytest.mark.parametrize("place", range(0, 24, 3))  # of the rare name: in train, in validation or in test
def test_names_in_one_file_are_compared_before_it_is_split(tmp_path: Path, place: int) -> None:
    labels = ["sport", "saħħa", "xogħol"] * 8
    labels[place] = "Sport"
    task = classes(tmp_path, file=labels)
    with pytest.raises(UserError) as error:
        read_task("topic", task, tmp_path)
    assert str(error.value) == (
        f"eval.topic.file: label 'Sport' (1 of 24, “neno {place}”) and 'sport' (7) look like one label; correct the "
        "file, or list all names in eval.topic.labels"
    )
    listed = task.model_copy(update={"labels": ["sport", "Sport", "saħħa", "xogħol"]})
    assert len(read_task("topic", listed, tmp_path).labels) == 4


def test_two_names_for_one_type_in_one_file_are_refused_once(tmp_path: Path) -> None:
    sentences = [f"{number} O\nJuma B-{('PER', 'Person')[number % 2]}\nMoshi B-LOC\n" for number in range(20)]
    (tmp_path / "all.conll").write_text("\n".join(sentences), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_task("ner", Task(file=str(tmp_path / "all.conll")), tmp_path)
    assert re.fullmatch(
        r"eval\.ner\.file: entity type 'PER' \(10 of 40, “\d+ Juma Moshi”\) and 'Person' \(10\) look like one entity "
        r"type; correct the file, or list all names in eval\.ner\.labels",
        str(error.value),
    )


def test_two_unicode_forms_of_a_label_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = ["b\u00fabur\u00fa", "rere"] * 5, ["bu\u0301buru\u0301", "rere"] * 5
    data = read_task("mood", classes(tmp_path, train=composed, validation=composed, test=decomposed), tmp_path)
    assert data.labels == ["b\u00fabur\u00fa", "rere"]
    assert Counter(item.label for item in data.splits["test"]) == {"b\u00fabur\u00fa": 5, "rere": 5}
    assert data.notes == [
        "test: labels in another Unicode form or with invisible characters, read as 'b\u00fabur\u00fa' (5)"
    ]


def test_splits_of_one_label_or_without_entities_are_told(tmp_path: Path) -> None:
    data = read_task("mood", classes(tmp_path, train=["x", "y"], validation=["x", "y"], test=["x", "x"]), tmp_path)
    assert data.label_notes == (
        "test has only one label, 'x'",
        "train has labels that test lacks: 'y'",
    )
    task = tagged(tmp_path, train=("PER", "LOC"), validation=("PER", "LOC"), test=("PER", "LOC"))
    (tmp_path / "test.txt").write_text("Juma O\nanaishi O\n")
    assert read_task("ner", task, tmp_path).label_notes[0] == "test has no entities, so entity F1 is meaningless"


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["0", "3"], r"numeric tags need names: eval\.ner\.labels, in order, as in \[O, B-PER, I-PER\]"),
        (
            ["O", "PER"],
            r"'PER' is not .*; entity tags begin with B- or I-, as in I-PER; if these are not entities",
        ),
        (["NOUN", "VERB"], r"'NOUN' is not an IOB or BIOES tag, .*; if these are not entities, set metric: acc"),
        (["B-PER", "0"], "'0' is not an IOB or BIOES tag.*; did you mean O"),
    ],
)
def test_tags_of_no_scheme_say_what_to_do(tmp_path: Path, tags: list[str], told: str) -> None:
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.txt").write_text("".join(f"neno {tag}\n" for tag in tags))
    task = Task(**{split: str(tmp_path / f"{split}.txt") for split in ("train", "validation", "test")})
    with pytest.raises(UserError, match=told):
        read_task("ner", task, tmp_path)


def test_skeletons_keep_what_tells_labels_apart() -> None:
    assert skeleton("Very_Negative") == skeleton("very negative") == "verynegative"
    assert len({skeleton(label) for label in ("1", "2", "+", "-", "B", "c", "5 stars", "4 stars")}) == 8
    assert skeleton("-1") != skeleton("1") != skeleton("_1")


def test_labels_of_signed_numbers_are_different(tmp_path: Path) -> None:
    labels = ["1", "0"] * 5
    data = read_task("mood", classes(tmp_path, train=labels, validation=labels, test=[*labels, "-1"]), tmp_path)
    assert data.label_notes == ("label '-1' occurs in test but not in train, so it cannot be learnt",)
    signed = ["1", "0", "-1"] * 5
    assert (
        read_task("mood", classes(tmp_path, train=signed, validation=signed, test=signed), tmp_path).label_notes == ()
    )


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [("PROPN", "PRON"), ("nummod", "nmod"), ("alarm_get", "alarm_set"), ("cash_arrival", "card_arrival")],
)
def test_names_that_are_merely_near_are_told_and_not_refused(tmp_path: Path, rare: str, frequent: str) -> None:
    train = [frequent, "x"] * 30
    data = read_task("mood", classes(tmp_path, train=train, validation=train, test=[*train, rare]), tmp_path)
    assert data.label_notes == (
        f"label {rare!r} occurs in test but not in train, so it cannot be learnt; a typo for {frequent!r}?",
    )


def test_two_names_that_look_alike_in_train_are_told_once(tmp_path: Path) -> None:
    labels = ["afya", "Afya"] * 5
    data = read_task("mood", classes(tmp_path, train=labels, validation=labels, test=labels), tmp_path)
    assert data.label_notes == ("label 'Afya' occurs in train 5 times, 'afya' 5 times: a typo?",)
