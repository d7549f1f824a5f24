import gzip
import itertools
import json
import random
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.corpora.prepare import corpus_artifact, prepare_corpus
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.recipes.splits import SPLITS
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError

from ..hub import COMMIT, Hub
from ..said import Said
from .pages import write_pages


def recipe(file: Path, **corpus) -> Recipe:
    section = {"files": [str(file)], "drop_near_duplicates": False, **corpus}  # the pages are as like as two peas
    return Recipe.model_validate({"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": section})


def rows(artifact: Artifact, split: str) -> list[dict[str, str]]:
    return pyarrow.parquet.read_table(artifact.folder / f"{split}.parquet").to_pylist()


def test_pages_stay_whole_and_no_line_stands_in_two_splits(tmp_path: Path, pages: Path) -> None:
    artifact = prepare_corpus(recipe(pages), tmp_path / "runs")
    documents = {split: {row["document"] for row in rows(artifact, split)} for split in SPLITS}
    texts = {split: {row["text"] for row in rows(artifact, split)} for split in SPLITS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not documents[one] & documents[other]
        assert not texts[one] & texts[other]
    assert len(set.union(*documents.values())) == 300
    facts = artifact.manifest()["facts"]
    assert facts["counts"] == {"kept": 900, "too short": 300}
    assert facts["lines"] == {split: len(rows(artifact, split)) for split in SPLITS}
    assert facts["bytes"] == {split: sum(len(row["text"]) for row in rows(artifact, split)) for split in SPLITS}
    card = (artifact.folder / "card.md").read_text()
    assert "Swahili" in card
    assert f"| train | {facts['documents']['train']} | {facts['lines']['train']} |" in card
    assert "| too short | 300 | 900 |" in card


def test_rows_without_text_are_counted_as_pages(tmp_path: Path) -> None:
    lines = [f"Sentensi ya {number} inasema jambo jipya kuhusu shule na mji." for number in range(100)]
    (tmp_path / "a.txt").write_text("\n\n".join(lines))
    facts = prepare_corpus(recipe(tmp_path / "a.txt"), tmp_path / "runs").manifest()["facts"]
    assert facts["pages"] == {"kept": 100, "empty": 99}


def test_the_split_is_80_10_10_and_stable_when_pages_are_added(tmp_path: Path, pages: Path) -> None:
    many = prepare_corpus(recipe(write_pages(tmp_path / "many.parquet", range(5000))), tmp_path / "runs")
    counts = many.manifest()["facts"]["documents"]
    assert counts["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts["test"] / 5000 == pytest.approx(0.1, abs=0.02)
    before = prepare_corpus(recipe(pages), tmp_path / "runs")
    after = prepare_corpus(recipe(write_pages(tmp_path / "more.parquet", range(400))), tmp_path / "runs")
    for split in SPLITS:
        assert {row["text"] for row in rows(before, split)} <= {row["text"] for row in rows(after, split)}


def test_a_second_prepare_is_nothing_and_another_setting_a_folder_beside(tmp_path: Path, pages: Path) -> None:
    first = prepare_corpus(recipe(pages), tmp_path / "runs")
    created = first.manifest()["created"]
    moved = pages.rename(tmp_path / "moved.parquet")  # the path does not count, the content does
    again = prepare_corpus(recipe(moved), tmp_path / "runs")
    assert (again.folder, again.manifest()["created"]) == (first.folder, created)
    other = prepare_corpus(recipe(moved, min_characters=30), tmp_path / "runs")
    assert other.folder != first.folder
    assert other.folder.parent == first.folder.parent


def test_max_bytes_takes_a_sample_of_whole_pages(tmp_path: Path) -> None:
    pages = write_pages(tmp_path / "pages.parquet", range(3000))
    artifact = prepare_corpus(recipe(pages, max_bytes="20KB"), tmp_path / "runs")
    facts = artifact.manifest()["facts"]
    assert 20_000 <= sum(facts["bytes"].values()) < 20_200  # the last page is kept whole
    texts = [row["text"] for split in SPLITS for row in rows(artifact, split)]
    numbers = Counter(int(text.rstrip(".").rsplit(" ", 1)[1]) for text in texts)
    assert set(numbers.values()) == {3}  # every page whole
    assert 1000 < sum(numbers) / len(numbers) < 2000  # from all over the file, not its head
    assert len(rows(artifact, "test")) > 0
    counts = facts["counts"]
    assert counts["kept"] + counts["over the cap"] + counts.get("not sampled", 0) + counts["too short"] == 12_000
    more = prepare_corpus(recipe(pages, max_bytes="40KB"), tmp_path / "runs")
    assert set(texts) <= {row["text"] for split in SPLITS for row in rows(more, split)}


def test_the_sample_does_not_depend_on_how_much_is_staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = write_pages(tmp_path / "pages.parquet", range(3000))
    whole = prepare_corpus(recipe(pages, max_bytes="20KB"), tmp_path / "whole")
    monkeypatch.setattr(
        "lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 2000
    )  # so that the sample narrows while pages are read
    narrowed = prepare_corpus(recipe(pages, max_bytes="20KB"), tmp_path / "narrowed")
    assert narrowed.manifest()["facts"]["pages"]["not sampled"] > 1000
    assert all(rows(whole, split) == rows(narrowed, split) for split in SPLITS)


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_documents": 0}, "max_documents"),
        ({"min_characters": 300, "max_characters": 200}, "no line fits"),
        ({"min_script": 1.5}, "min_script"),
    ],
)
def test_rules_that_no_text_can_meet(pages: Path, corpus: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(pages, **corpus)


def test_max_documents(tmp_path: Path, pages: Path) -> None:
    artifact = prepare_corpus(recipe(pages, max_documents=50), tmp_path / "runs")
    assert sum(artifact.manifest()["facts"]["documents"].values()) == 50


def test_an_empty_language_and_an_interruption_leave_nothing(tmp_path: Path, pages: Path) -> None:
    with pytest.raises(UserError, match="no line of text is left for swh_Latn"):
        prepare_corpus(recipe(pages, min_characters=500), tmp_path / "runs")

    class Stop:
        def say(self, text: str) -> None:
            pass

        def track(self, items, label, total=None):
            for item in items:
                yield item
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(recipe(pages), tmp_path / "runs", Stop())
    assert not list((tmp_path / "runs").rglob("*.parquet"))
    assert not corpus_artifact(recipe(pages), tmp_path / "runs").exists
    assert prepare_corpus(recipe(pages), tmp_path / "runs").exists


def test_a_line_of_many_pages_is_kept_once(tmp_path: Path) -> None:
    rows_ = [{"text": f"Ukurasa wa namba {n}.\nHaki zote zimehifadhiwa.", "warc-record-id": str(n)} for n in range(200)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows_)))
    artifact = prepare_corpus(recipe(tmp_path / "a.jsonl"), tmp_path / "runs")
    texts = [row["text"] for split in SPLITS for row in rows(artifact, split)]
    assert len(texts) == len(set(texts)) == 201
    assert artifact.manifest()["facts"]["counts"]["duplicate"] == 199


def test_card_and_manifest_count_what_the_files_hold(tmp_path: Path) -> None:
    texts = [
        *(f"Sentensi ndefu ya kutosha {n} – élan." for n in range(100)),
        *["fupi"] * 50,
        *["Sawa na nyingine."] * 50,
    ]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    artifact = prepare_corpus(recipe(tmp_path / "a.txt"), tmp_path / "runs")
    facts, card = artifact.manifest()["facts"], (artifact.folder / "card.md").read_text()
    for split in SPLITS:
        split_rows = rows(artifact, split)
        size = sum(len(row["text"].encode()) for row in split_rows)
        documents = len({row["document"] for row in split_rows})
        assert [facts[name][split] for name in ("documents", "lines", "bytes")] == [documents, len(split_rows), size]
        assert f"| {split} | {documents} | {len(split_rows)} | {size:,} |" in card
    assert sum(facts["lines"].values()) == facts["counts"]["kept"] == 101
    for line in ("| too short | 50 | 150 |", "| duplicate | 49 | 101 | 0.0039 |", "10 to 2000 characters", "a.txt"):
        assert line in card
    assert str(tmp_path) not in card  # a name, not where it lay on this machine


def test_every_format_gives_the_same_corpus(tmp_path: Path) -> None:
    texts = [f"Sentensi ndefu ya kutosha, namba {number}." for number in range(100)]
    table = pyarrow.Table.from_pylist([{"text": text} for text in texts])
    plain = "".join(f"{text}\n" for text in texts)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text(plain)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(plain.encode()))
    (tmp_path / "a.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in texts))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    (tmp_path / "a.tsv").write_text(f"text\n{plain}")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    made = [prepare_corpus(recipe(file), tmp_path / "runs") for file in sorted(tmp_path.glob("a.*"))]
    assert len({artifact.folder for artifact in made}) == 7
    for split in SPLITS:
        assert rows(made[0], split)
        assert all(rows(artifact, split) == rows(made[0], split) for artifact in made)


def test_a_folder_and_a_glob_are_the_files_in_them(tmp_path: Path) -> None:
    for name in ("x/1.txt", "x/2.txt", "x/note.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"Sentensi ya faili linaloitwa {name}.\n")
    folder = corpus_artifact(recipe(tmp_path / "x"), tmp_path / "runs")
    assert corpus_artifact(recipe(tmp_path / "x" / "*.txt"), tmp_path / "runs").key == folder.key
    artifact = prepare_corpus(recipe(tmp_path / "x"), tmp_path / "runs")
    assert sum(len(rows(artifact, split)) for split in SPLITS) == 2


def test_glotcc_is_prepared_once_and_then_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    for number in range(2):
        shard = hub.folder / f"datasets/cis-lmu/GlotCC-V1/v1.0/swh-Latn/swh-Latn_{number}.parquet"
        write_pages(shard, range(number * 50, number * 50 + 50))
    hub.put("datasets/cis-lmu/GlotCC-V1/README.md", "---\nlicense: cc0-1.0\n---\n")
    section = {"drop_near_duplicates": False}
    glotcc = Recipe.model_validate({"language": "swh_Latn", "base": {"from_scratch": {}}, "corpus": section})
    artifact = prepare_corpus(glotcc, tmp_path / "runs")
    assert sum(artifact.manifest()["facts"]["documents"].values()) == 100
    assert artifact.manifest()["inputs"] == {"glotcc": "cis-lmu/GlotCC-V1", "revision": "main", "tasks": {}}
    (source,) = artifact.manifest()["facts"]["sources"]
    assert (source["commit"], source["of"], len(source["files"])) == (COMMIT, 2, 2)
    assert (source["pages"], source["lines"]) == (100, 300)
    card = (artifact.folder / "card.md").read_text()
    assert f"From GlotCC, cis-lmu/GlotCC-V1 at revision main (commit {COMMIT}), 2 of 2 files" in card
    assert source["licence"] == "cc0-1.0"
    assert "Licence: packaging cc0-1.0, the text under Common Crawl's terms of use." in card
    hub.close()
    assert prepare_corpus(glotcc, tmp_path / "runs").folder == artifact.folder


def broken(content: bytes) -> bytes:
    return gzip.compress(content)[:-12]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt.gz", broken(b"Sentensi ndefu ya kutosha.\n" * 5000), "a.txt.gz: not a readable gzip file"),
        ("a.txt", b"", "no line of text is left for swh_Latn"),
        (
            "a.csv",
            b"title\nSentensi\n",
            "a.csv: no column 'text'; columns: title; name the one with the text in corpus.text_column",
        ),
        ("a.jsonl", b'{"text": "Sentensi ndefu"}\n{"text": "\\ud83d"}\n', "a.jsonl, line 2: half a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_told_and_leaves_nothing(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        prepare_corpus(recipe(tmp_path / name), tmp_path / "runs")
    assert message in str(error.value)
    assert not list((tmp_path / "runs").rglob("*.parquet"))
    assert not corpus_artifact(recipe(tmp_path / name), tmp_path / "runs").exists


def test_a_recipe_without_text(tmp_path: Path) -> None:
    graph = {"language": "swh_Latn", "base": {"from_scratch": {}}, "graph": {}, "source": "graph"}
    with pytest.raises(UserError, match="the recipe has no corpus section"):
        prepare_corpus(Recipe.model_validate(graph), tmp_path)


def test_a_giant_page_does_not_push_the_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 5000)
    rng = random.Random(2)
    small = [f"Ukurasa {number} una {' '.join(rng.choices(NOUNS, k=8))}." for number in range(3000)]
    for name in "abcdef":
        giant = "\n".join(f"{name}{number} {' '.join(rng.choices(NOUNS, k=8))}." for number in range(8000))
        pages = [{"text": giant, "warc-record-id": name}, *({"text": text} for text in small)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, pages)))
        facts = prepare_corpus(recipe(tmp_path / f"{name}.jsonl", max_bytes="60KB"), tmp_path / "runs").manifest()[
            "facts"
        ]
        assert sum(facts["bytes"].values()) >= 60_000


def test_files_of_the_same_content_under_other_names(tmp_path: Path) -> None:
    keys = set()
    for name in ("pages.txt", "pages.2023.txt", "a.b.c.txt"):
        (tmp_path / name).write_text("Sentensi ndefu ya kutosha.\n")
        keys.add(corpus_artifact(recipe(tmp_path / name), tmp_path / "runs").key)
    assert len(keys) == 1


NOUNS = ("mti", "nyumba", "barabara", "kitabu", "mwalimu", "samaki", "chakula", "mlima", "bahari", "mfalme", "shule")


def test_glotccs_own_marks(tmp_path: Path) -> None:
    marks = [
        {},
        {"identification-prob": 0.3},
        {"quality-warnings": ["repetition"]},
        {"quality-warnings": ["short_sentences"]},
        {"categories": ["associations_religieuses"]},
        {"categories": ["religious"], "identification-prob": 0.99},
    ]
    pages = [{"content": f"Ukurasa huu ni wa {noun} tu.", **mark} for noun, mark in zip(NOUNS, marks, strict=False)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, pages)))
    everything = prepare_corpus(recipe(tmp_path / "a.jsonl"), tmp_path / "runs").manifest()["facts"]
    assert everything["pages"] == {"kept": 4, "uncertain language": 1, "quality warning": 1}
    strict = {"drop_religious": True, "drop_warnings": ["short_sentences"], "min_probability": 0}
    facts = prepare_corpus(recipe(tmp_path / "a.jsonl", **strict), tmp_path / "runs").manifest()["facts"]
    assert facts["pages"] == {"kept": 3, "quality warning": 1, "religious": 2}


def test_sampling_repeats_the_smaller_files_in_train_alone(tmp_path: Path) -> None:
    """Files of 400, 100 and 100 pages at the square root: the small ones twice, never a line beside its double."""
    for name, pages in (("a", range(400)), ("b", range(400, 500)), ("c", range(500, 600))):
        write_pages(tmp_path / f"{name}.parquet", pages)
    plain, sampled = (
        prepare_corpus(recipe(tmp_path / "*.parquet", sampling=power), tmp_path / "runs") for power in (1.0, 0.5)
    )
    assert sampled.manifest()["facts"]["passes"] == [["a.parquet", 1], ["b.parquet", 2], ["c.parquet", 2]]
    for split in ("validation", "test"):
        assert rows(sampled, split) == rows(plain, split)
    train = [row["text"] for row in rows(sampled, "train")]
    once = Counter(row["text"] for row in rows(plain, "train"))
    assert Counter(train) - once == Counter({text: 1 for text, times in Counter(train).items() if times == 2})
    assert set(train) == set(once)
    assert 0.25 < (len(train) - once.total()) / once.total() < 0.45  # a third of the pages are of the small files
    assert all(one != other for one, other in itertools.pairwise(train))
    assert "b.parquet 2, c.parquet 2" in (sampled.folder / "card.md").read_text()


def test_sampling_wants_files() -> None:
    with pytest.raises(ValidationError, match="sampling needs files"):
        recipe(Path("x"), files=[], sampling=0.5)


def test_new_settings_at_their_defaults_leave_the_keys_of_corpora_as_they_were(tmp_path: Path, pages: Path) -> None:
    settings = corpus_artifact(recipe(pages), tmp_path / "runs").section
    assert not {"sampling", "sample_by", "encoding", "sources", "share"} & set(settings)
    by_paragraph = corpus_artifact(recipe(pages, sample_by="paragraph"), tmp_path / "runs").section
    assert by_paragraph == {**settings, "sample_by": "paragraph", "lines": 4}


@pytest.mark.parametrize(("pattern", "lines"), [("*.pdf", 4), ("*.txt", None)])
def test_the_rules_for_lines_are_in_the_key_of_a_corpus_with_pdfs_on_the_hub(
    tmp_path: Path, pattern: str, lines: int | None
) -> None:
    made = recipe(Path("-"), files=[f"hf://datasets/me/books/{pattern}"])
    assert corpus_artifact(made, tmp_path).section.get("lines") == lines


def test_a_corpus_of_documents_counts_what_was_mended(tmp_path: Path) -> None:
    cues = [f"00:{number:02}:00,000 --> 00:{number:02}:05,000\nSentensi ya {number} ni ndefu." for number in range(60)]
    (tmp_path / "a.srt").write_text("\n\n".join(cues))
    verses = [f"\\p\n\\v {number} Aya ya {number} ya kitabu hiki." for number in range(40)]
    (tmp_path / "b.usfm").write_text("\n".join(["\\id RUT", *verses]))
    artifact = prepare_corpus(recipe(tmp_path), tmp_path / "runs")
    facts = artifact.manifest()["facts"]
    assert facts["pages"] == {"kept": 100}
    assert facts["extraction"] == {
        "subtitle timings removed": 60,
        "verse numbers removed": 40,
        "headers and labels removed": 1,
    }
    assert "- subtitle timings removed: 60\n" in (artifact.folder / "card.md").read_text()


def test_all_files_that_cannot_be_read_are_reported_together(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.csv").write_text("title\nSentensi\n")
    (folder / "b.txt").write_text("".join(f"Sentensi ya {number} ni ndefu sana.\n" for number in range(60)))
    (folder / "c.docx").write_text("no Word document")
    (folder / "d.txt").write_text("1\n00:00:01,000 --> 00:00:04,000\nHabari ya asubuhi.\n")
    (folder / "e.pdf").write_bytes(b"no PDF")
    with pytest.raises(UserError) as error:
        prepare_corpus(recipe(folder), tmp_path / "runs")
    title, *lines = str(error.value).splitlines()
    assert title == "4 of 5 files in corpus.files cannot be read:"
    assert [line.split(str(folder) + "/")[1][:5].rstrip(":") for line in lines] == ["a.csv", "c.doc", "d.txt", "e.pdf"]
    assert lines[2] == f"  {folder}/d.txt holds subtitles: rename it to end in .srt"


def test_what_is_kept_of_each_file_is_in_the_manifest(tmp_path: Path) -> None:
    said = Said()
    lines = [f"Sentensi ya {number} ni ndefu sana." for number in range(60)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, "fupi"]))
    (tmp_path / "b.csv").write_text("\n".join(["text", *lines[:5], "Sentensi mpya ni hii hapa."]))
    (tmp_path / "c.txt").write_text("12\n34\n")
    artifact = prepare_corpus(recipe(tmp_path), tmp_path / "runs", said)
    assert artifact.manifest()["facts"]["sources"][0]["by_file"] == [
        {"file": "a.txt", "documents": 61, "lines": 60},
        {"file": "b.csv", "documents": 6, "lines": 1},
        {"file": "c.txt", "documents": 2, "lines": 0},
    ]
    assert "no lines were kept from c.txt" in said.lines
