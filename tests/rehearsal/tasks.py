"""The bundled tasks of other kinds than those of the paper: their files on the stand-in, and what they hold."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lrl_adapt.recipes.examples import Item
from lrl_adapt.workspace.locations import alternatives

from .facts import Facts
from .items import ROWS, labelled, tagged
from .words import vocabulary

OF_WORDS = (".txt", ".conllu", ".iob2")
TASKS = ("afrisenti", "masakhaner2", "masakhapos", "ud_maltese", "uner_slovak", "brighter", "afrixnli", "xnli")
"""Names in the table; XNLI is what AfriXNLI is learnt from."""
NUMBERED = ("afrixnli", "xnli")  # whose labels are numbers in the files
CONLLU = "{number}\t{word}\t_\t{tag}\t_\t_\t0\t_\t_\t_"
LINES = {".txt": "{word} {tag}", ".conllu": CONLLU, ".iob2": "{number}\t{word}\t{tag}\t-\t-"}


def examples(facts: Facts, name: str, language: str, split: str) -> list[Item]:
    """What a split of a task holds."""
    about = facts[name]
    if Path(about["files"]).suffix in OF_WORDS:
        in_iob = about["labels"][0] == "O"
        sentences = tagged(facts, language, split, name) if in_iob else _with_tags(facts, name, language, split)
        return [Item(words, tags) for words, tags in sentences]
    rows = labelled(facts, name, language, split)
    if "pair" in about["columns"]:
        return [Item(text, label, f"{text[:-1]} {number}") for number, (text, label) in enumerate(rows)]
    if "label" in about["columns"]:
        return [Item(text, label) for text, label in rows]
    second = about["labels"][-1]  # a column for each label: some texts have two, some none
    lists = [sorted({label, second}) if number % 4 else [] for number, (_, label) in enumerate(rows)]
    return [Item(text, labels) for (text, _), labels in zip(rows, lists, strict=True)]


def _with_tags(facts: Facts, name: str, language: str, split: str) -> Iterator[tuple[list[str], list[str]]]:
    """Words with a tag each, such as parts of speech."""
    rng, words = random.Random(f"{name} {language} {split}"), vocabulary(language)
    for _ in range(ROWS[split]):
        tokens = words.sentence(rng).split()
        yield tokens, [facts[name]["labels"][len(token) % len(facts[name]["labels"])] for token in tokens]


def write_task(folder: Path, facts: Facts, name: str) -> None:
    """The files of a task: in its repository's folder, or under the path of its address."""
    from .datasets import write_rows

    about = facts[name]
    for language, code in about["languages"].items():
        for split, own_name in about["splits"].items():
            file = folder / about["files"].format(language=code, split=own_name)
            items = examples(facts, name, language, split)
            if file.suffix in OF_WORDS:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n".join(_lines(item, file.suffix) for item in items), encoding="utf-8")
            else:
                write_rows(
                    file, [_row(item, about, number, numbered=name in NUMBERED) for number, item in enumerate(items)]
                )


def _lines(item: Item, ending: str) -> str:
    """A sentence of words with tags."""
    words = enumerate(zip(item.text, item.names, strict=True), 1)
    lines = [LINES[ending].format(number=number, word=word, tag=tag) for number, (word, tag) in words]
    comments = [] if ending == ".txt" else [f"# text = {' '.join(item.text)}"]
    return "".join(f"{line}\n" for line in [*comments, *lines])


def _row(item: Item, about: Facts, number: int, *, numbered: bool) -> dict[str, Any]:
    columns, labels = about["columns"], about["labels"]
    row: dict[str, Any] = dict.fromkeys(about.get("unread", []), str(number)) | {columns["text"]: item.text}
    if "pair" in columns:
        row[columns["pair"]] = item.pair
    if "label" not in columns:
        return row | {label: int(label in item.label) for label in labels}
    return row | {columns["label"]: labels.index(item.label) if numbered else item.label}


def bundled_task(name: str, language: str) -> Any:
    """A bundled task in a language; of XNLI, as AfriXNLI has it with transfer from that language."""
    from lrl_adapt.recipes.loading import load_recipe

    task = "afrixnli" if name == "xnli" else name
    changes = [f"language={'hau' if name == 'xnli' else language}", f"eval.others={{mine: {task}}}", "eval.topic=null"]
    if task == "afrixnli":
        changes.append("eval.transfer_from=eng")
    recipe = load_recipe("mbert", [*changes, "eval.ner=null"])
    return recipe.eval.learnt("mine")


def disagreements_of_tasks(facts: Facts) -> Iterator[str]:
    """What the bundled task files say otherwise than the table."""
    for name in TASKS:
        about = facts[name]
        place = about.get("address") or f"hf://{about['repository']}"
        revision = about.get("revision", "")
        separator = "/" if "address" in about else "@"
        for language, code in about["languages"].items():
            task = bundled_task(name, language)
            for split, own_name in about["splits"].items():
                file = about["files"].format(language=code, split=own_name)
                address = f"{place}{separator if revision else ''}{revision}/{file}"
                if address not in alternatives(getattr(task, split)):
                    yield f"{name}, {language}: {getattr(task, split)} is not {address}"
            columns = {"text": task.text, "pair": task.text_pair, "label": task.label}
            if any(columns[key] != column for key, column in about.get("columns", {}).items()):
                yield f"{name}: columns {columns} are not {about['columns']}"
            if (stated := task.labels or task.label_columns) and list(stated) != about["labels"]:
                yield f"{name}: labels {stated} are not {about['labels']}"


def check_task(name: str, facts: Facts, cache: Path) -> None:
    """Read all files of a task as lrl-adapt does it. Raises AssertionError where they hold something else."""
    from huggingface_hub import constants
    from lrl_adapt.recipes.task_files import read_split

    def on_stand_in(location: str) -> str:
        return location if location.startswith("hf://") else f"{constants.ENDPOINT}{urlsplit(location).path}"

    about = facts[name]
    for language, code in about["languages"].items():
        task = bundled_task(name, language)
        for split, own_name in about["splits"].items():
            file = about["files"].format(language=code, split=own_name)
            (location,) = {each for each in alternatives(getattr(task, split)) if each.endswith(f"/{file}")}
            on_hub = task.model_copy(update={split: on_stand_in(location)})
            assert read_split("mine", on_hub, split, cache) == examples(facts, name, language, split)
