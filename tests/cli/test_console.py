"""What is shown of users' texts and names: as they are, on terminals of every kind."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.cli.console import Terminal, json_line
from lrl_adapt.cli.texts import read_texts
from lrl_adapt.workspace import progress_bars
from typer.testing import CliRunner

from ..eval.made import TOPICS, make_adapter, make_base, make_scores

MARKUP = "Tazama [1] na [/] [na] [red]x[/red] :cat: [MASK]"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    base = make_base(folder)
    adapter = make_adapter(folder, base, "seq_bn")
    make_scores(folder, base, adapter, "topic", TOPICS, per_token=False)
    return folder


def test_text_in_titles_columns_cells_and_lines_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.table(f"title {MARKUP}", [f"column {MARKUP}"], [[f"cell {MARKUP}"]])
    terminal.say(f"line {MARKUP}")
    assert list(terminal.track([1], f"bar {MARKUP}")) == [1]
    shown = capsys.readouterr()
    out, err = ("".join(text.split()) for text in shown)  # wrapped to the width
    marked = "".join(MARKUP.split())
    assert all(f"{where}{marked}" in out.replace("│", "").replace("┃", "") for where in ("title", "column", "cell"))
    assert all(f"{where}{marked}" in err for where in ("line", "bar"))


def test_folders_stay_whole_on_a_terminal_of_any_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = f"scores/swh_Latn/{'bert-base-' * 7}1a2b3c4d"
    for width, shown in ((80, f"\n{folder}\n"), (200, f"│ {folder} │")):
        monkeypatch.setenv("COLUMNS", str(width))
        Terminal().table("Dry run", ("step", "folder"), [("scores", folder), ("tokens", "")])
        out = capsys.readouterr().out
        assert shown in out
        assert out.count(folder) == 1


def test_text_in_a_live_bar_and_its_table_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, shown = Terminal(), io.StringIO()
    terminal._err = progress_bars._Log(file=shown, force_terminal=True, width=300, **progress_bars.LITERAL)

    def items() -> Iterable[int]:
        terminal.status({f"column {MARKUP}": f"cell {MARKUP}"})
        yield 1

    assert list(terminal.track(items(), f"bar {MARKUP}", 1)) == [1]
    assert all(f"{where} {MARKUP}" in shown.getvalue() for where in ("column", "cell", "bar"))


def test_fill_mask_shows_a_text_with_brackets_as_it_is(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRL_ADAPT_HOME", str(workspace))
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["fill-mask", "--top", "1", "Tazama [1] na [/] [MASK]"])
    assert shown.exit_code == 0, shown.output
    assert "Tazama [1] na [/] [MASK]: mask 1" in shown.stdout


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lrl_adapt.cli", *words]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    return subprocess.run(command, env=plain | environment, capture_output=True, check=False, timeout=120)


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
LATIN = {"PYTHONIOENCODING": "latin-1"}


@pytest.mark.parametrize("environment", [LATIN, ASCII, {"LC_ALL": "C"}])
@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["languages", "--search", "yoruba"], 0, "Yoruba"),
        (["recipes", "check", "Ọ̀rọ̀"], 2, "no recipe file or bundled recipe is called"),
    ],
)
def test_commands_work_on_terminals_that_lack_letters(
    words: list[str], code: int, shown: str, environment: dict[str, str]
) -> None:
    result = run(words, **environment)
    assert result.returncode == code, result.stderr
    assert shown.encode() in result.stdout + result.stderr
    assert b"This is a bug" not in result.stderr


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (LATIN, ["fill-mask", "--json", "--top", "1", "-a", "none", "--base"]),
        (ASCII, ["predict", "-t", "topic", "--base"]),
    ],
)
@pytest.mark.slow
def test_json_stays_json_on_terminals_that_lack_letters(
    workspace: Path, environment: dict[str, str], words: list[str]
) -> None:
    text = "Ọ̀rọ̀ 😀 é [MASK]"
    base = str(next((workspace / "bases" / "swh_Latn").glob("scratch-*")))
    result = run([*words, base, text], **environment, LRL_ADAPT_HOME=str(workspace), HF_HUB_OFFLINE="1")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.decode("ascii"))["text"] == text


def test_json_has_letters_where_it_is_written_in_utf8() -> None:
    assert json_line({"a": "ọ😀"}, io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == '{"a": "ọ😀"}'
    assert json_line({"a": "ọ😀"}, io.TextIOWrapper(io.BytesIO(), "cp1252")) == '{"a": "\\u1ecd\\ud83d\\ude00"}'


def test_arguments_are_utf8_whatever_the_locale_says() -> None:
    misread = "Ọ̀rọ̀".encode().decode("ascii", "surrogateescape")
    assert list(read_texts([misread, "a"], None)) == ["Ọ̀rọ̀", "a"]
