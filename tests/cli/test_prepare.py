"""What `prepare` refuses: data without text to train on, to validate on, or to score."""

import gzip
import json
from pathlib import Path

import pytest
from lrl_adapt.cli.app import app
from typer.testing import CliRunner

RECIPE = """language: swh_Latn
base:
  from_scratch: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, vocab_size: 300}
"""
ENOUGH = [f"Sentensi ya {number} inasema jambo jipya kuhusu shule na mji." for number in range(200)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "recipe.yaml").write_text(RECIPE + "corpus: {files: text.txt, drop_near_duplicates: false}\n")
    return tmp_path


def prepare(*more: str):
    return CliRunner().invoke(app, ["prepare", *more])


def edges(count: int) -> bytes:
    details = json.dumps({"license": "cc:by-sa/4.0", "weight": 1.0})
    words = [(f"/c/sw/neno_{number}", f"/c/en/word_{number}") for number in range(count)]
    lines = [f"/a/[/r/Synonym/,{a}/,{b}/]\t/r/Synonym\t{a}\t{b}\t{details}\n" for a, b in words]
    return gzip.compress("".join(lines).encode())


def test_a_corpus_with_an_empty_split_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "text.txt").write_text(ENOUGH[0] + "\nFupi.\n12\n", encoding="utf-8")
    for _ in range(2):  # what was made stays, and is refused again
        result = prepare()
        assert result.exit_code == 2
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert "corpus for swh_Latn has no train and no test text (0 train, 1 validation, 0 test lines)" in line
        assert "this text has only 1 document; give 50 or more (each line of a txt file is one" in line
        assert "or drop less: too short 2 (corpus.min_characters)" in line
    assert list((folder / "runs").glob("data/swh_Latn/corpus-*/manifest.json"))
    (folder / "text.txt").write_text("\n".join(ENOUGH), encoding="utf-8")
    assert prepare().exit_code == 0


def test_one_long_document_is_refused_however_many_lines_it_has(folder: Path) -> None:
    (folder / "book.jsonl").write_text(json.dumps({"text": "\n".join(ENOUGH)}) + "\n", encoding="utf-8")
    result = prepare("--set", "corpus.files=book.jsonl")
    assert result.exit_code == 2
    assert "whole documents go to one split" in result.stderr
    assert "(200 train, 0 validation, 0 test lines)" in result.stderr
    assert "this text has only 1 document; give 50 or more" in result.stderr


def test_a_graph_with_an_empty_split_is_refused(folder: Path) -> None:
    (folder / "dump.csv.gz").write_bytes(edges(2))
    recipe = RECIPE + "source: graph\ngraph: {conceptnet: dump.csv.gz, languages: own+pivot}\n"
    (folder / "recipe.yaml").write_text(recipe)
    result = prepare()
    assert result.exit_code == 2
    assert "graph for swh_Latn has no" in result.stderr
    assert "graph.languages=all" in result.stderr
    (folder / "dump.csv.gz").write_bytes(edges(100))
    assert prepare().exit_code == 0


def test_run_refuses_it_too_before_it_trains(folder: Path) -> None:
    (folder / "text.txt").write_text(ENOUGH[0], encoding="utf-8")
    result = CliRunner().invoke(app, ["run", "--task", "mlm"])
    assert result.exit_code == 2
    assert "has no" in result.stderr
    assert not (folder / "runs" / "adapters").exists()


def test_the_fields_that_left_no_line_are_named(folder: Path) -> None:
    (folder / "text.txt").write_text("Fupi.\n", encoding="utf-8")
    result = prepare()
    assert result.exit_code == 2
    assert "give more text, or drop less of it: too short 1 (corpus.min_characters)" in result.stderr


def test_counts_of_zero_are_in_the_json_object_only(folder: Path) -> None:
    (folder / "dump.csv.gz").write_bytes(edges(100))
    recipe = RECIPE + "source: graph\ngraph: {conceptnet: dump.csv.gz, languages: own+pivot}\n"
    (folder / "recipe.yaml").write_text(recipe)
    shown = prepare().stdout
    assert "rows 100" in shown
    assert "malformed" not in shown
    graph = json.loads(prepare("--json").stdout)["artifacts"][-1]
    assert graph["facts"]["counts"]["malformed"] == 0


def test_train_names_what_changed_since_the_corpus_was_prepared(folder: Path) -> None:
    texts = folder / "texts"
    texts.mkdir()
    (texts / "one.txt").write_text("\n".join(ENOUGH), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE + "corpus: {files: texts/, drop_near_duplicates: false}\n")
    assert "corpus for swh_Latn does not exist yet: first run `lrl-adapt prepare` with" in refusal("train")
    assert prepare().exit_code == 0
    (made,) = (folder / "runs").glob("data/swh_Latn/corpus-*")
    (texts / "two.txt").write_text("Habari mpya kutoka mji wa pili.\n", encoding="utf-8")
    advice = "run `lrl-adapt prepare` again, with the same recipe and options, or `lrl-adapt run` for all steps"
    assert f"error: the corpus files changed since {made.name} was prepared: {advice}" in refusal("train")
    assert f"error: the corpus files changed since {made.name} was prepared: {advice}" in refusal(
        "eval", "--task", "mlm"
    )
    (texts / "two.txt").unlink()
    rows = "".join(f"habari {number},{'xy'[number % 2]}\n" for number in range(40))
    (folder / "mood.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    tasks = refusal("train", "--set", "eval.others={mood: {file: mood.csv}}")
    assert f"error: the task data, whose texts are kept out of the corpus, changed since {made.name} was" in tasks


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 2
    return result.stderr


def test_what_is_kept_of_each_file_is_shown(folder: Path) -> None:
    (folder / "a.txt").write_text("\n".join(ENOUGH), encoding="utf-8")
    (folder / "b.txt").write_text("Sentensi mpya iko hapa pia.\n12\n", encoding="utf-8")
    shown = prepare("--set", "corpus.files=[a.txt, b.txt]").stdout
    assert "│ corpus, lines │" in shown
    rows = [" ".join(line.split("│")).split() for line in shown.splitlines() if ".txt " in line]
    assert rows[:2] == [["a.txt", "200", "200"], ["b.txt", "2", "1"]]
