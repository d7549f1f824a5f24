"""`predict` and `fill-mask` as a user meets them: arguments, files, pipes, and what is said of mistakes."""

import json
from pathlib import Path

import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.cli.fill_mask import _percent
from typer.testing import CliRunner

from ..eval.made import TAGS, TEXTS, TOPICS, make_adapter, make_base, make_scores
from ..without_torch import run_without_torch


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    base = make_base(folder)
    adapter = make_adapter(folder, base, "seq_bn")
    make_scores(folder, base, adapter, "topic", TOPICS, per_token=False)
    make_scores(folder, base, adapter, "ner", TAGS, per_token=True)
    return folder


@pytest.fixture(autouse=True)
def place(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(workspace))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def invoke(*words: str, piped: bytes | str | None = None):
    return CliRunner().invoke(app, list(words), input=piped)


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_arguments_files_and_pipes_give_one_object_a_line(place: Path) -> None:
    given = invoke("predict", "-t", "ner", *TEXTS)
    assert given.exit_code == 0, given.output
    want = rows(given.stdout)
    assert [row["text"] for row in want] == TEXTS
    assert "task adapter" in given.stderr
    assert "ner-scratch" in given.stderr
    lines = "\ufeff" + "\r\n".join(TEXTS)
    assert rows(invoke("predict", "-t", "ner", piped=lines).stdout) == want
    Path("texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    assert rows(invoke("predict", "-t", "ner", "--file", "texts.txt").stdout) == want
    written = invoke("predict", "-t", "ner", "--file", "texts.txt", "--out", "found.jsonl")
    assert written.stdout.strip() == "found.jsonl"
    assert rows(Path("found.jsonl").read_text(encoding="utf-8")) == want


def test_paragraphs_of_a_document_are_texts() -> None:
    cues = [f"00:0{number}:00,000 --> 00:0{number}:01,000\n{text}" for number, text in enumerate(TEXTS)]
    Path("talk.srt").write_text("\n\n".join(cues), encoding="utf-8")
    labelled = invoke("predict", "-t", "topic", "--file", "talk.srt")
    assert [row["text"] for row in rows(labelled.stdout)] == TEXTS
    assert f"read talk.srt: subtitle timings removed: {len(TEXTS)}" in labelled.stderr


def test_blank_lines_keep_their_place() -> None:
    result = rows(invoke("predict", "-t", "topic", piped=f"\n{TEXTS[0]}\n\n").stdout)
    assert [row["text"] for row in result] == ["", TEXTS[0], ""]
    assert [row["label"] is None for row in result] == [True, False, True]


def test_a_score_folder_needs_no_task(workspace: Path) -> None:
    folder = next((workspace / "scores" / "swh_Latn").glob("topic-*"))
    for place in (folder, folder / "task-adapter"):
        (row,) = rows(invoke("predict", "--adapter", str(place), TEXTS[0]).stdout)
        assert set(row["probabilities"]) == set(TOPICS)


def test_small_probabilities_keep_two_digits() -> None:
    assert [_percent(share) for share in (0.25, 0.001, 0.0005, 0.000014, 1.2e-9, 0.0)] == [
        "25.0%",
        "0.1%",
        "0.05%",
        "0.0014%",
        "0.00000012%",
        "0%",
    ]


def test_candidates_side_by_side_or_as_json(workspace: Path) -> None:
    adapter = str(next((workspace / "adapters" / "swh_Latn").glob("scratch-*")))
    shown = invoke("fill-mask", "Amina anaishi [MASK]", "--top", "2")
    assert shown.exit_code == 0, shown.output
    assert "none" in shown.stdout
    assert Path(adapter).name in shown.stdout
    message = rows(invoke("fill-mask", "-a", "none", "-a", adapter, "--json", "--top", "2", "mvua {mask}").stdout)
    assert [row["adapter"] for row in message] == ["none", adapter]
    assert all(len(row["candidates"]) == 2 and row["mask"] == 1 for row in message)
    for candidate in message[0]["candidates"]:
        assert set(candidate) == {"token", "text", "probability"}


@pytest.mark.parametrize(
    ("words", "piped", "message"),
    [
        (["predict", "x"], "", "no task given"),
        (["predict", "-t", "topik", "x"], "", "(available: ner, topic): run `lrl-adapt eval --task topik`"),
        (["predict", "-t", "ner", "-l", "mlt", "x"], "", "no task adapter for ner in mlt_Latn"),
        (["predict", "-t", "ner", "-l", "xx", "x"], "", "--language: unknown language 'xx'"),
        (["predict", "-t", "ner", "-a", "nowhere", "x"], "", "no such folder: nowhere"),
        (["predict", "-t", "ner"], " \n\n", "no text in standard input"),
        (["predict", "-t", "ner", ""], "", "no text in the arguments"),
        (["predict", "-t", "ner"], b"\xff\xfe", "standard input: not UTF-8"),
        (["predict", "-t", "ner", "--file", "nowhere.txt"], "", "no such file: nowhere.txt"),
        (["predict", "-t", "ner", "--file", "a.txt", "x"], "", "not both"),
        (["predict", "-t", "ner", __file__], "", "is a file: write --file"),
        (["predict", "-t", "ner", "--file", "a.CSV"], "", "expected lines of text, not a table"),
        (["fill-mask", "--file", "a.jsonl"], "", "expected lines of text, not a table"),
        (["predict", "-t", "ner", "--file", "nowhere.pdf"], "", "no such file: nowhere.pdf"),
        (["predict", "-t", "ner", "--file", "nowhere.docx"], "", "no such file: nowhere.docx"),
        (["predict", "-t", "ner", "--file", "nowhere.html"], "", "no such file: nowhere.html"),
        (["predict", "-t", "ner", "--out", "no/a.jsonl", "x"], "", "there is no folder no"),
        (["predict", "-t", "ner", "--out", ".", "x"], "", "it already exists"),
        (["fill-mask", "x"], "", "there is no mask in 'x'"),
        (["fill-mask", "[MASK]", "-a", "nowhere"], "", "no such folder: nowhere"),
        (["fill-mask", "[MASK]", "-a", "none"], "", "no base is known"),
        (["fill-mask", "[MASK]", "--base", "x/y"], "", "--base needs --adapter"),
        (["fill-mask", "[MASK]", "-l", "mlt"], "", "no language adapter for mlt_Latn"),
    ],
)
def test_mistakes_are_told_in_one_line(words: list[str], piped: str | bytes, message: str) -> None:
    result = invoke(*words, piped=piped)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not result.stdout


CHECKED_EARLY = (
    ("predict x", "no task given"),
    ("predict -t mlm x", "mlm has no task adapter; use lrl-adapt fill-mask"),
    ("predict -t topik x", "contains no task adapter for topik (available: ner, topic)"),
    ("predict -t ner -a nowhere x", "no such folder: nowhere"),
    ("predict -t ner --language-adapter nowhere x", "no such folder: nowhere"),
    ("predict -t ner --file nowhere.txt", "no such file: nowhere.txt"),
    ("predict -t ner --out . x", "it already exists"),
    ("fill-mask x", "there is no mask in 'x'"),
    ("fill-mask --file nowhere.txt", "no such file: nowhere.txt"),
    ("fill-mask [MASK] -a nowhere", "no such folder: nowhere"),
    ("fill-mask [MASK] -l mlt", "no language adapter for mlt_Latn"),
    ("import-adapter nowhere --base x --out y", "no such folder: nowhere"),
    ("import-adapter . --base x --out .", "--out . already exists"),
    ("export nowhere --out y", "no such folder: nowhere"),
    ("export . --out .", "--out . already exists"),
    ("export . --out y --format pickle", "choose one of peft, adapterhub, transformers, onnx, merged"),
    ("export . --out y --format merged --bits 4", "--bits: only with --format peft; got --format merged"),
    ("push nowhere me/swahili", "no such folder: nowhere"),
    ("push . swahili", "give it with its owner, as OWNER/NAME"),
    ("export . --out y --bits 3", "choose one of 8, 4, 1"),
    ("export . --out y --format adapterhub --name a/b", "use letters, digits"),
    ("merge . nowhere --out y", "no such folder: nowhere"),
    ("merge . . --weights 1 --out y", "there are 2 adapters but 1 weight: give one"),
    ("merge . . --sweep 0,1 --out .", "--out . already exists"),
)


def test_arguments_are_checked_before_torch_is_imported() -> None:
    ended = run_without_torch((command.split(), {}) for command, _ in CHECKED_EARLY)
    for (exit_code, said), (command, message) in zip(ended, CHECKED_EARLY, strict=True):
        assert message in said, command
        assert exit_code == 2, command
