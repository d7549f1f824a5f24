"""Every format that is read, from files to a corpus, to scores and to predictions, with the right values."""

import html
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from ..corpora.documents.test_pdf import write_pdf
from .small import _WORDS, SMALL, invoke

pytestmark = pytest.mark.slow
PEOPLE, PLACES = ("Amina Juma", "Asha Café"), ("Nairobi", "Dodoma", "Mombasa")
TAGS = ["B-PER", "I-PER", "O", "B-LOC", *["O"] * 9]
COUNT = 60
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODT = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)
SETTINGS = """\
adapter: {type: none}
eval:
  seeds: [1]
  training: {num_train_epochs: 1, reduction_factor: 2, learning_rate: 0.01}
"""


def sentence(number: int) -> list[str]:
    """Who goes where, in the words and signs that tags are given to."""
    rng = random.Random(number)
    return [*PEOPLE[number % 2].split(), "anakwenda", PLACES[number % 3], *rng.choices(_WORDS, k=8), "."]


WORDS = [sentence(number) for number in range(COUNT)]
TEXTS = [" ".join(words[:-1]) + "." for words in WORDS]
SPANS = [
    [(0, text.index(" anakwenda"), "PER"), (start := text.index("anakwenda ") + 10, text.index(" ", start), "LOC")]
    for text in TEXTS
]


def lines(form: str, comment: str = "") -> str:
    """The sentences as CoNLL: `form` is a line for {number}, {word} and {tag}."""
    blocks = [
        comment + "\n".join(form.format(number=n, word=word, tag=tag) for n, (word, tag) in enumerate(pairs, 1))
        for pairs in (list(zip(words, TAGS, strict=True)) for words in WORDS)
    ]
    return "\n\n".join(blocks) + "\n"


def jsonl(rows: Sequence[Any]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def label_studio(text: str, spans: list[tuple[int, int, str]], number: int) -> dict[str, Any]:
    results = [
        {"from_name": "aina", "to_name": "text", "type": "labels", "value": value}
        for value in ({"start": s, "end": e, "labels": [label], "text": text[s:e]} for s, e, label in spans)
    ]
    return {"id": number, "data": {"text": text}, "annotations": [{"completed_by": 1, "result": results}]}


def label_studio_min(text: str, spans: list[tuple[int, int, str]], number: int) -> dict[str, Any]:
    marked = [{"start": s, "end": e, "labels": [label], "text": text[s:e]} for s, e, label in spans]
    return {"id": number, "text": text, "label": marked, "annotator": 1, "annotation_id": number, "lead_time": 1.0}


def prodigy(text: str, spans: list[tuple[int, int, str]], number: int) -> dict[str, Any]:
    marked = [{"start": s, "end": e, "label": label} for s, e, label in spans]
    return {"text": text, "spans": marked, "answer": "accept", "_input_hash": number}


def brat() -> dict[str, str]:
    files = {}
    for number, (text, spans) in enumerate(zip(TEXTS, SPANS, strict=True)):
        marks = [f"T{n}\t{label} {s} {e}\t{text[s:e]}" for n, (s, e, label) in enumerate(spans, 1)]
        files |= {f"brat/{number:02}.txt": text, f"brat/{number:02}.ann": "\n".join(marks) + "\n"}
    return files


def webanno() -> str:
    parts, start = ["#FORMAT=WebAnno TSV 3.3", "#T_SP=ner.NamedEntity|value", ""], 0
    values = ["PER[{0}]", "PER[{0}]", "_", "LOC"]
    for number, (words, text) in enumerate(zip(WORDS, TEXTS, strict=True), 1):
        parts += ["", f"#Text={text}"]
        place = start
        for n, word in enumerate(words, 1):
            place = start + text.index(word, place - start)
            value = values[n - 1].format(number) if n <= len(values) else "_"
            parts.append(f"{number}-{n}\t{place}-{place + len(word)}\t{word}\t{value}\t")
            place += len(word)
        start += len(text) + 1
    return "\n".join(parts) + "\n"


def of_all(row: Callable[[str, list[tuple[int, int, str]], int], dict[str, Any]]) -> list[dict[str, Any]]:
    return [row(text, spans, number) for number, (text, spans) in enumerate(zip(TEXTS, SPANS, strict=True))]


CONLLU = "{number}\t{word}\t_\tX\t_\t_\t0\t_\t_\tNER={tag}"
TASKS = {  # name of the task: its settings, and its files
    "conllu": (
        "file: a.conllu, label: NER",
        {"a.conllu": lines(CONLLU, "# text = x\n1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_\n")},
    ),
    "uner": ("file: a.iob2", {"a.iob2": lines("{number}\t{word}\t{tag}\t-\tab", "# sent_id = 1\n")}),
    "conll": ("file: a.conll", {"a.conll": lines("{word}\t{tag}", "# a comment\n")}),
    "utf16": ("file: b.conll", {"b.conll": lines("{word}\t{tag}")}),
    "doccano": ("file: c.jsonl", {"c.jsonl": jsonl(of_all(lambda t, spans, _: {"text": t, "label": spans}))}),
    "studio": ("file: d.json", {"d.json": json.dumps(of_all(label_studio))}),
    "studio_min": ("file: e.json", {"e.json": json.dumps(of_all(label_studio_min))}),
    "prodigy": ("file: f.jsonl", {"f.jsonl": jsonl(of_all(prodigy))}),
    "brat": ("file: brat/", brat()),
    "inception": ("file: g.tsv", {"g.tsv": webanno()}),
}


def zipped(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def docx(path: Path) -> None:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in TEXTS)
    zipped(path, {"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"})


def odt(path: Path) -> None:
    body = "".join(f"<text:p>{text}</text:p>" for text in TEXTS)
    content = f"<office:document-content {ODT}><office:body><office:text>{body}</office:text></office:body>"
    zipped(path, {"META-INF/manifest.xml": "<m/>", "content.xml": f"{content}</office:document-content>"})


def web_page(texts: Sequence[str]) -> str:
    return f"<html><body>{''.join(f'<p>{html.escape(text)}</p>' for text in texts)}</body></html>"


def epub(path: Path) -> None:
    container = '<container><rootfiles><rootfile full-path="a.opf"/></rootfiles></container>'
    package = (
        '<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    chapter = web_page(TEXTS)
    zipped(path, {"META-INF/container.xml": container, "a.opf": package, "a.xhtml": chapter})


def subtitles(sign: str, head: str = "") -> str:
    times = [f"00:{n:02}:00{sign}000 --> 00:{n:02}:04{sign}000" for n in range(COUNT)]
    return head + "\n\n".join(
        f"{n}\n{time}\n{text}" for n, (time, text) in enumerate(zip(times, TEXTS, strict=True), 1)
    )


def pdf(path: Path) -> None:
    pages = []
    for first in range(0, COUNT, 10):
        words = [text.split() for text in TEXTS[first : first + 10]]
        rows = [(n, part, " ".join(each[4 * part : 4 * part + 4])) for n, each in enumerate(words) for part in range(3)]
        pages.append([(1.0, 0.5 + 0.9 * n + 0.2 * part, row) for n, part, row in rows])
    write_pdf(path, pages)


def usx() -> str:
    verses = "".join(f'<para style="p"><verse number="{n}" style="v"/>{text}</para>' for n, text in enumerate(TEXTS, 1))
    return f'<usx version="3.0"><book code="RUT" style="id"/><chapter number="1" style="c"/>{verses}</usx>'


USFM = "\n".join(["\\id RUT", "\\c 1", *(f"\\p\n\\v {n} {text}" for n, text in enumerate(TEXTS, 1))])
PLAIN = "\n".join(TEXTS)
DOCUMENTS: dict[str, Any] = {"a.pdf": pdf, "a.docx": docx, "a.odt": odt, "a.epub": epub, "a.html": web_page(TEXTS)}
DOCUMENTS |= {"a.srt": subtitles(","), "a.vtt": subtitles(".", "WEBVTT\n\n"), "a.usfm": USFM, "a.usx": usx()}
CORPORA = DOCUMENTS | {"utf8.txt": PLAIN, "utf16.txt": PLAIN.encode("utf-16"), "cp1252.txt": PLAIN.encode("cp1252")}
CORPORA |= {"a.jsonl": jsonl([{"text": text} for text in TEXTS]), "a.csv": "text\n" + PLAIN}


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    if callable(content):
        content(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files, in which the base was scored on each of the tasks."""
    folder = tmp_path_factory.mktemp("formats")
    for name, content in (
        CORPORA | {file: text for _, files in TASKS.values() for file, text in files.items()}
    ).items():
        write(folder / name, content)
    write(folder / "b.conll", TASKS["utf16"][1]["b.conll"].encode("utf-16"))
    others = ", ".join(f"{name}: {{{settings}, kind: entities}}" for name, (settings, _) in TASKS.items())
    recipe = SMALL.replace("text.txt", "utf8.txt, drop_task_lines: false, drop_near_duplicates: false") + SETTINGS
    write(folder / "recipe.yaml", f"{recipe}  tasks: [{', '.join(TASKS)}]\n  others: {{{others}}}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in ("prepare", "eval"):
            done = invoke(command, "recipe.yaml", "--workspace", "runs")
            assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_a_task_in_each_format_is_scored_on_the_same_words_and_tags(scored: Path, task: str) -> None:
    (folder,) = (scored / "runs" / "scores" / "swh_Latn").glob(f"{task}-*")
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == COUNT // 5
    assert all(row["words"] in WORDS and row["gold"] == TAGS for row in rows)


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_in_each_format_has_the_same_texts(scored: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scored)
    encoding = ["--set", "corpus.encoding=cp1252"] if name.startswith("cp1252") else []
    done = invoke("prepare", "recipe.yaml", "--workspace", f"of-{name}", "--set", f"corpus.files={name}", *encoding)
    assert done.exit_code == 0, done.output
    read = [
        text
        for split in ("train", "validation", "test")
        for file in (scored / f"of-{name}").glob(f"data/swh_Latn/corpus-*/{split}.parquet")
        for text in pyarrow.parquet.read_table(file)["text"].to_pylist()
    ]
    assert sorted(read) == sorted(TEXTS)


@pytest.mark.parametrize("name", [*DOCUMENTS, "utf8.txt", "utf16.txt"])
def test_predict_reads_the_same_texts_from_each_format(
    scored: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scored)
    done = invoke("predict", "--workspace", "runs", "--task", "conll", "--file", name)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert all("entities" in row for row in rows)
