"""Bars where they can be drawn, lines elsewhere; other libraries' settings as they were."""

import io
from typing import Any

import pytest
from lrl_adapt.workspace import progress_bars
from lrl_adapt.workspace.library_logs import quiet_libraries
from lrl_adapt.workspace.progress_bars import ProgressBars
from transformers.utils import logging


def shown_by(console: progress_bars.Console) -> str:
    """What three steps of work print."""
    bars = ProgressBars()
    file = io.StringIO()
    console.file = file
    bars._err = console  # type: ignore[assignment]
    assert list(bars.track(range(3), "words", 3)) == [0, 1, 2]
    return file.getvalue()


def test_a_terminal_shows_a_bar_and_a_file_a_line() -> None:
    assert "━" in shown_by(progress_bars._Log(force_terminal=True, width=80))
    assert shown_by(progress_bars._Log()).startswith("words: 3 in ")


def test_work_within_work_shows_lines_above_the_bar() -> None:
    bars, file = ProgressBars(), io.StringIO()
    bars._err = progress_bars._Log(file=file, force_terminal=True, width=80, color_system=None)
    for _ in bars.track(range(2), "outer", 2):
        assert list(bars.track(range(3), "inner", 3)) == [0, 1, 2]
    assert file.getvalue().count("inner: 3 in ") == 2
    assert "2/2" in file.getvalue()


def test_facts_of_several_lines_are_on_one_line_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bars, "SECONDS_BETWEEN_LINES", -1.0)
    bars, file = ProgressBars(), io.StringIO()
    bars._err = progress_bars._Log(file=file, width=80)
    for _ in bars.track(range(1), "steps", 2):
        bars.status({"running": "one\ntwo"})
    assert file.getvalue().startswith("steps: 1 of 2, running one; two, remaining ")


@pytest.mark.parametrize("has_widgets", [True, False])
def test_a_notebook_shows_bars_if_ipywidgets_is_installed(has_widgets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spec: Any = object() if has_widgets else None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec if name == "ipywidgets" else None)
    assert progress_bars._draws_bars(progress_bars.Console(force_jupyter=True)) == has_widgets


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bars = ProgressBars(quiet=True)
    bars.say("one")
    assert list(bars.track(range(3), "two")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_other_libraries_are_as_loud_afterwards_as_before() -> None:
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    with quiet_libraries():
        assert logging.get_verbosity() == 40
        assert not logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == 20
    assert logging.is_progress_bar_enabled()
    logging.set_verbosity_warning()
