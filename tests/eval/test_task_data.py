import re
from pathlib import Path

import pytest
from lrl_adapt.eval.task_data import read_task, to_iob2
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.task_files import task_inputs
from lrl_adapt.workspace.errors import UserError


def write(folder: Path, suffix: str, text: str) -> Task:
    for split in ("train", "validation", "test"):
        (folder / f"{split}{suffix}").write_text(text, encoding="utf-8")
    return Task(**{split: str(folder / f"{split}{suffix}") for split in ("train", "validation", "test")})


def test_labels_do_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    one = read_task("topic", write(first, ".csv", "text,label\na,sports\nb,health\n"), tmp_path)
    two = read_task("topic", write(second, ".csv", "text,label\nb,health\na,sports\n"), tmp_path)
    assert one.labels == two.labels == ["health", "sports"]
    assert [item.label for item in one.splits["test"]] == ["sports", "health"]


def test_numbers_become_the_recipes_names(tmp_path: Path) -> None:
    task = write(tmp_path, ".csv", "text,label\na,1\nb,0\n").model_copy(update={"labels": ["negative", "positive"]})
    data = read_task("sentiment", task, tmp_path)
    assert [item.label for item in data.splits["train"]] == ["positive", "negative"]
    with pytest.raises(UserError, match="label '2' is not among negative, positive"):
        read_task(
            "sentiment",
            write(tmp_path, ".csv", "text,label\na,2\n").model_copy(update={"labels": task.labels}),
            tmp_path,
        )


def test_conll_sentences_with_spaces_tabs_and_no_last_blank_line(tmp_path: Path) -> None:
    data = read_task("ner", write(tmp_path, ".txt", "Asha B-PER\nanaishi\tO\n\n\nMoshi B-LOC"), tmp_path)
    assert [item.text for item in data.splits["test"]] == [["Asha", "anaishi"], ["Moshi"]]
    assert data.labels == ["O", "B-LOC", "B-PER"]


def test_tags_in_parquet_are_named_by_the_recipe(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"tokens": [["Asha", "anaishi"]], "ner_tags": [[1, 0]]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    places = dict.fromkeys(("train", "validation", "test"), str(tmp_path / "x.parquet"))
    task = Task(**places, text="tokens", label="ner_tags", labels=["O", "B-PER"])
    assert read_task("ner", task, tmp_path).splits["test"][0].label == ["B-PER", "O"]


@pytest.mark.parametrize(
    ("name", "suffix", "text", "message"),
    [
        ("topic", ".csv", "txt,label\na,b\n", "no column 'text'; did you mean txt"),
        ("topic", ".csv", "a,b\na,b\n", r"no columns 'text' and 'label'; columns: a, b; eval\.topic\.text, label and"),
        ("topic", ".csv", "text,label\n", "has no examples"),
        ("topic", ".csv", "text,label\na,\n", "line 2, column 'label': the row has no label"),
        ("ner", ".csv", "text,label\na,b\n", "expected CoNLL files"),
        ("ner", ".txt", "Asha\n", "line 1: expected a token and a tag"),
        ("ner", ".txt", "Asha b–PER\n", r"did you mean B-PER\?"),
        ("ner", ".txt", "Asha B-PER\nna 0\n", r"'0' .* at 'na' .*; did you mean O\?"),
        ("ner", ".txt", "Asha B_PER\n", r"eval\.ner\.train: 'B_PER' .*; did you mean B-PER\?"),
        (
            "ner",
            ".txt",
            "Asha PERSON\n",
            "'PERSON' is not an IOB or BIOES tag, at 'Asha' .* if these are not entities, set metric: accuracy",
        ),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, name: str, suffix: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_task(name, write(tmp_path, suffix, text), tmp_path)


def labelled(folder: Path, **splits: list[str]) -> Task:
    for split, labels in splits.items():
        rows = [f"text {number},{label}" for number, label in enumerate(labels)]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return Task(**{split: str(folder / f"{split}.csv") for split in splits})


def test_a_mistyped_label_is_told(tmp_path: Path) -> None:
    good = ["negative", "positive"] * 20
    task = labelled(tmp_path, train=good, validation=good, test=[*good, "negatve"])
    assert read_task("mood", task, tmp_path).label_notes == (
        "label 'negatve' occurs in test but not in train, so it cannot be learnt; a typo for 'negative'?",
    )
    named = task.model_copy(update={"labels": ["negative", "negatve", "positive"]})
    assert read_task("mood", named, tmp_path).label_notes == ()
    with pytest.raises(UserError, match="did you mean 'positive'"):
        read_task("mood", labelled(tmp_path, train=good, validation=good, test=["POSITIVE"] * 5), tmp_path)


@pytest.mark.parametrize("label", ["irrelevant", "class 2", "relevnt " * 2, "zho_Hant"])
def test_labels_that_only_look_alike_are_not_refused(tmp_path: Path, label: str) -> None:
    good = ["relevant", "class 1", "zho_Hans"] * 20
    task = labelled(tmp_path, train=good, validation=good, test=[*good, *[label] * 4])
    assert read_task("mood", task, tmp_path).label_notes == (
        f"label {label.strip()!r} occurs in test but not in train, so it cannot be learnt",
    )


def test_labels_that_cannot_be_learnt_or_may_be_slips_are_told(tmp_path: Path) -> None:
    good = ["negative", "positive"] * 20
    task = labelled(tmp_path, train=[*good, "negatve", "class 1"], validation=good, test=[*good, "mixed", "class 2"])
    assert read_task("mood", task, tmp_path).label_notes == (
        "label 'class 2' occurs in test but not in train, so it cannot be learnt",
        "label 'mixed' occurs in test but not in train, so it cannot be learnt",
        "train has labels that test lacks: 'class 1', 'negatve'",
        "label 'negatve' occurs in train 1 time, 'negative' 20 times: a typo?",
    )


@pytest.mark.parametrize("labels", [None, ["hasi", "chanya", "good", "bad"]])
def test_splits_without_a_common_label_are_refused(tmp_path: Path, labels: list[str] | None) -> None:
    task = labelled(tmp_path, train=["hasi", "chanya"], validation=["hasi", "chanya"], test=["good", "bad"])
    message = "eval.others.mood: no label of test occurs in train: test has 'bad', 'good', train has 'chanya', 'hasi'; "
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        read_task("mood", task.model_copy(update={"labels": labels}), tmp_path)


def test_one_file_of_too_few_rows_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("text,label\nmoja,a\nmbili,b\ntatu,c\n", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^eval\.topic\.file: 3 examples with 3 labels are too few to be split into .*"
    ):
        read_task("topic", Task(file=str(tmp_path / "all.csv")), tmp_path)


def test_labels_that_mark_missing_values_are_told_unless_the_recipe_lists_them(tmp_path: Path) -> None:
    good = ["negative", "positive"] * 20
    task = labelled(tmp_path, train=[*good, *["NaN"] * 20], validation=good, test=[*good, "NaN"])
    message = (
        "label 'NaN' occurs in train 20 times, in test 1 time: a missing value? Remove these rows, or list it in "
        "eval.topic.labels"
    )
    assert read_task("topic", task, tmp_path).label_notes == (message,)
    listed = task.model_copy(update={"labels": ["NaN", "negative", "positive"]})
    assert read_task("topic", listed, tmp_path).label_notes == ()
    for label in ("None", "#N/A", "NULL"):
        message = read_task(
            "topic", labelled(tmp_path, train=[*good, label], validation=good, test=good), tmp_path
        ).label_notes
        assert message[0].startswith(f"label {label!r} occurs in train 1 time: a missing value?")


def test_a_conll_file_that_is_one_long_sentence_is_refused(tmp_path: Path) -> None:
    task = write(tmp_path, ".txt", "Asha B-PER\nanaishi O\n" * 1001)
    message = r"eval\.ner\.train: .*train\.txt: one sentence of 2,002 words: are blank lines missing\?"
    with pytest.raises(UserError, match=message):
        read_task("ner", task, tmp_path)
    task = write(tmp_path, ".txt", "Asha B-PER\nanaishi O\n" * 100)
    assert read_task("ner", task, tmp_path).notes == []
    task = write(tmp_path, ".txt", "Asha B-PER\n\n" + "Asha B-PER\nanaishi O\n" * 501)
    assert read_task("ner", task, tmp_path).notes == [
        "read train.txt, validation.txt, test.txt: one sentence of 1,002 words: are blank lines missing?"
    ]


def test_a_missing_file_names_its_place_in_the_recipe(tmp_path: Path) -> None:
    task = write(tmp_path, ".csv", "text,label\na,b\n")
    Path(task.test).unlink()
    with pytest.raises(UserError, match=r"eval\.topic\.test: no such file"):
        read_task("topic", task, tmp_path)


def test_inputs_are_the_contents_of_local_files_and_the_addresses_of_others(tmp_path: Path) -> None:
    task = write(tmp_path, ".csv", "text,label\na,b\n")
    before = task_inputs("topic", task)
    Path(task.test).write_text("text,label\nc,b\n", encoding="utf-8")
    after = task_inputs("topic", task)
    assert before["train"] == after["train"]
    assert before["test"] != after["test"]
    remote = task.model_copy(update={"test": "hf://datasets/a/b/test.csv"})
    assert task_inputs("topic", remote)["test"] == "hf://datasets/a/b/test.csv"


def test_a_tag_that_the_recipe_does_not_name(tmp_path: Path) -> None:
    task = write(tmp_path, ".txt", "Leo B-DATE\n").model_copy(update={"labels": ["O", "B-PER"]})
    with pytest.raises(UserError, match=r"eval\.ner\.labels lacks B-DATE"):
        read_task("ner", task, tmp_path)


def test_a_negative_number_is_no_label(tmp_path: Path) -> None:
    task = write(tmp_path, ".csv", "text,label\na,-1\n").model_copy(update={"labels": ["negative", "positive"]})
    with pytest.raises(UserError, match="label '-1' is not among"):
        read_task("sentiment", task, tmp_path)


def test_one_file_is_cut_into_three_by_its_texts_and_keeps_the_rows_asked_for(tmp_path: Path) -> None:
    rows = [f"text {number},{'yes' if number % 2 else 'no'},{number % 3}" for number in range(300)]
    (tmp_path / "all.csv").write_text("post,mood,kept\n" + "\n".join(rows), encoding="utf-8")
    task = Task(file=str(tmp_path / "all.csv"), text="post", label="mood", where={"kept": "1"})

    def texts() -> dict[str, set[str]]:
        data = read_task("mood", task, tmp_path)
        return {split: {str(item.text) for item in items} for split, items in data.splits.items()}

    result = texts()
    assert set.union(*result.values()) == {f"text {number}" for number in range(300) if number % 3 == 1}
    assert sum(map(len, result.values())) == 100
    assert len(result["train"]) > len(result["test"]) > len(result["validation"]) > 0
    (tmp_path / "all.csv").write_text("post,mood,kept\n" + "\n".join(reversed(rows)), encoding="utf-8")
    assert texts() == result


@pytest.mark.parametrize(
    ("tags", "want", "changed"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", 0),
        ("I-PER I-PER O I-LOC", "B-PER I-PER O B-LOC", 2),  # IOB1
        ("I-PER B-PER I-PER", "B-PER B-PER I-PER", 1),
        ("B-PER E-PER S-LOC O B-ORG I-ORG E-ORG", "B-PER I-PER B-LOC O B-ORG I-ORG I-ORG", 3),  # BIOES
        ("B-PER L-PER U-LOC U-LOC", "B-PER I-PER B-LOC B-LOC", 3),  # BILOU
        ("B-PER I-LOC", "B-PER B-LOC", 1),
        ("E-PER E-PER", "B-PER B-PER", 2),
    ],
)
def test_tags_of_every_scheme_come_out_as_iob2(tags: str, want: str, changed: int) -> None:
    assert to_iob2(tags.split()) == (want.split(), changed)


def test_tags_that_are_no_entities_stay_as_they_are_with_accuracy(tmp_path: Path) -> None:
    task = write(tmp_path, ".txt", "Asha NOUN\nanaishi VERB\n").model_copy(update={"metric": "accuracy"})
    data = read_task("pos", task, tmp_path)
    assert (data.labels, data.kind, data.repaired) == (["NOUN", "VERB"], "tagging", {})


def test_a_list_of_labels_in_another_scheme_gets_the_tags_that_it_becomes(tmp_path: Path) -> None:
    task = write(tmp_path, ".txt", "Asha I-PER\n").model_copy(update={"labels": ["O", "I-PER"]})
    assert read_task("ner", task, tmp_path).labels == ["O", "I-PER", "B-PER"]


def test_test_items_that_were_trained_on_are_counted(tmp_path: Path) -> None:
    task = write(tmp_path, ".csv", "text,label\na  b,x\nc,y\n")
    Path(task.test).write_text("text,label\na b,x\nd,y\n", encoding="utf-8")
    assert read_task("topic", task, tmp_path).overlap == 1


def test_rows_without_text_are_left_out_and_labels_are_trimmed(tmp_path: Path) -> None:
    data = read_task("topic", write(tmp_path, ".csv", "text,label\n,x\na, x \nb,1.0\n"), tmp_path)
    assert [(item.text, item.label) for item in data.splits["test"]] == [("a", "x"), ("b", "1")]


def test_whole_floats_are_ids_of_labels(tmp_path: Path) -> None:
    task = write(tmp_path, ".jsonl", '{"text": "a", "label": 1.0}\n').model_copy(update={"labels": ["no", "yes"]})
    assert read_task("topic", task, tmp_path).splits["test"][0].label == "yes"


def test_a_file_too_small_to_be_cut(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("text,label\na,x\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"eval\.others\.mood\.file: .* too small to split"):
        read_task("mood", Task(file=str(tmp_path / "all.csv")), tmp_path)


@pytest.mark.parametrize(
    ("rows", "sizes", "few"),
    [
        (
            61,
            "43 train, 6 validation, 12 test examples, split from one file",
            [
                "only 6 examples for validation and 12 examples for test, so scores are unreliable: label more (at "
                "least 10 for validation and 50 for test), or give these splits as files of their own"
            ],
        ),
        (250, "175 train, 25 validation, 50 test examples, split from one file", []),
    ],
)
def test_one_file_is_split_by_exact_shares_and_small_splits_are_reported(
    tmp_path: Path, rows: int, sizes: str, few: list[str]
) -> None:
    text = "".join(f"text {number},{'yes' if number % 2 else 'no'}\n" for number in range(rows))
    (tmp_path / "all.csv").write_text(f"text,label\n{text}", encoding="utf-8")
    task = Task(file=str(tmp_path / "all.csv"))
    assert read_task("mood", task, tmp_path).size_notes == [sizes, *few]
    assert read_task("mood", task, tmp_path, limit=3).size_notes == [sizes, *few]  # a limit is one's own choice


@pytest.mark.parametrize(
    ("repeats", "sizes"),
    [
        ([1] * 3, (1, 1, 1)),
        ([1] * 4, (2, 1, 1)),
        ([1] * 5, (3, 1, 1)),
        ([1] * 8, (5, 1, 2)),
        ([9, 1, 1], None),  # in what order, the hashes decide
        ([1, 9, 1], None),
        ([1, 1, 9], None),
    ],
)
def test_each_split_of_one_file_has_a_text(tmp_path: Path, repeats: list[int], sizes: tuple[int, ...] | None) -> None:
    texts = [f"text {number}" for number, times in enumerate(repeats) for _ in range(times)]
    (tmp_path / "all.csv").write_text("text,label\n" + "".join(f"{text},x\n" for text in texts), encoding="utf-8")
    splits = read_task("mood", Task(file=str(tmp_path / "all.csv")), tmp_path).splits
    assert all(splits.values())
    assert sizes is None or tuple(map(len, splits.values())) == sizes


def test_equal_texts_of_one_file_stay_in_one_split(tmp_path: Path) -> None:
    texts = [f"text {number % 30}" for number in range(80)]  # 20 of them three times
    rows = "".join(f"{text},{'yes' if int(text[5:]) % 2 else 'no'}\n" for text in texts)
    (tmp_path / "all.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    data = read_task("mood", Task(file=str(tmp_path / "all.csv")), tmp_path)
    assert data.overlap == 0
    sizes = {split: len(items) for split, items in data.splits.items()}
    assert sum(sizes.values()) == 80
    assert all(
        abs(sizes[split] - 80 * share) <= 3 for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2))
    )


def test_what_one_file_lacks_is_said_once_and_of_three_files_by_split(tmp_path: Path) -> None:
    rows = "".join(f"{'' if number < 30 else f'text {number}'},x\n" for number in range(90))
    task = write(tmp_path, ".csv", f"text,label\n{rows}")
    loss = "30 of 90 rows skipped: empty text 30"
    assert read_task("mood", task, tmp_path).losses("eval.training.max_length (256)") == [
        f"train, validation, test: {loss}"
    ]
    assert read_task("mood", Task(file=task.train), tmp_path).losses("eval.training.max_length (256)") == [loss]


def test_a_space_of_another_kind_is_part_of_a_token(tmp_path: Path) -> None:
    data = read_task("ner", write(tmp_path, ".txt", "10\u00a0000 O\n"), tmp_path)
    assert data.splits["test"][0].text == ["10 000"]


def test_a_sample_of_train_does_not_depend_on_the_rest(tmp_path: Path) -> None:
    rows = [f"text {number},x" for number in range(50)]
    task = write(tmp_path, ".csv", "\n".join(["text,label", *rows])).model_copy(update={"max_train_samples": 10})

    def texts() -> list[str]:
        data = read_task("topic", task, tmp_path)
        assert len(data.splits["test"]) == 50
        return [str(item.text) for item in data.splits["train"]]

    result = texts()
    assert len(result) == 10
    assert result == [row[:-2] for row in rows if row[:-2] in result]
    left_out = [row for row in rows if row[:-2] not in result]
    kept = [row for row in rows if row not in left_out[:20]]
    Path(str(task.train)).write_text("\n".join(["text,label", *kept]), encoding="utf-8")
    assert texts() == result


def test_unknown_tags_beyond_those_listed_are_counted(tmp_path: Path) -> None:
    lines = ["Asha B-PER", *(f"na X{number}" for number in range(11))]
    (tmp_path / "x.txt").write_text("\n".join(lines), encoding="utf-8")
    task = Task(**dict.fromkeys(("train", "validation", "test"), str(tmp_path / "x.txt")))
    with pytest.raises(UserError) as error:
        read_task("ner", task, tmp_path)
    listed = [line.strip() for line in str(error.value).splitlines()]
    assert [line for line in listed if line.startswith("eval.ner.train: ")][8:] == [
        "eval.ner.train: and 3 more such tags"
    ]
