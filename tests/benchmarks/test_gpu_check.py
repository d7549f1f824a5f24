"""The run on a GPU, tried without one: each part by itself, results as they come, and what it says when it cannot."""

import argparse
import json
import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from lrl_adapt.benchmarks import gpu_check
from lrl_adapt.benchmarks.gpu_check import Part

SCRIPT = Path(gpu_check.__file__)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go. Of the parts, in this order, one is done, one fails, one takes too long and one is done."""
    out = tmp_path / "results.json"
    scripts = {
        "measures": "import sys; open(sys.argv[-1], 'w').write('{\"speed\": 3}'); print('measured')",
        "fails": "print('begins'); raise ValueError('the reason')",
        "hangs": "import time; print('waits', flush=True); time.sleep(600)",
        "looks": f"import json; print(sorted(json.load(open({str(out)!r}))['parts']))",
    }
    parts = []
    for name, content in scripts.items():
        (tmp_path / f"{name}.py").write_text(content)
        parts.append(Part(name, 20 if name == "hangs" else 120, f"{tmp_path}/{name}.py"))
    parts.append(Part("together", 120, "benchmarks/no_such_script.py"))
    monkeypatch.setattr(gpu_check, "PARTS", tuple(parts))
    monkeypatch.setattr(gpu_check, "TRIAL_FACTOR", 1)
    return out


def check(out: Path, monkeypatch: pytest.MonkeyPatch, *words: str, commit: str = "abc") -> tuple[int, dict[str, dict]]:
    command = ["gpu_check.py", "--cpu", "--out", str(out), "--commit", commit, *words]
    monkeypatch.setattr(sys, "argv", command)
    return gpu_check.main(), json.loads(out.read_text())["parts"]


def test_a_part_that_fails_or_hangs_does_not_stop_the_others(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, parts = check(out, monkeypatch)
    assert code == 1
    assert {name: part["status"] for name, part in parts.items()} == {
        "measures": "done",
        "fails": "failed",
        "hangs": "timed out",
        "looks": "done",
    }
    assert parts["measures"]["measurements"] == {"speed": 3}
    assert parts["measures"]["output"] == "measured"
    assert parts["fails"]["reason"] == "ValueError: the reason"
    assert parts["hangs"]["reason"] == "it took more than 20 s"
    assert parts["hangs"]["output"] == "waits"
    assert parts["looks"]["output"] == "['fails', 'hangs', 'measures']"  # were written by then


def test_finished_parts_of_the_same_commit_are_skipped(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("--parts", "measures", "fails")
    check(out, monkeypatch, *wanted)
    capsys.readouterr()
    code, _ = check(out, monkeypatch, *wanted)
    printed = capsys.readouterr().out
    assert code == 1
    assert "measures: done before\n" in printed
    assert "fails: failed: ValueError: the reason\n" in printed
    assert "not done: fails; run the same command again to try these alone" in printed
    for words, commit in ((("--again",), "abc"), ((), "another"), ((), "another-dirty"), ((), "another-dirty")):
        code, parts = check(out, monkeypatch, "--parts", "measures", *words, commit=commit)
        assert (code, parts["measures"]["commit"]) == (0, commit)
        assert "measures: done\n" in capsys.readouterr().out


def test_parts_for_which_there_is_no_time_are_named(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, parts = check(out, monkeypatch, "--minutes", "0", "--parts", "measures")
    assert code == 1
    assert (parts["measures"]["status"], parts["measures"]["reason"]) == ("not run", "the time was used up")


def test_wheels_are_installed_for_the_parts_and_for_the_peer(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in (1, 2):
        folder = tmp_path / f"wheels{number}"
        folder.mkdir()
        with zipfile.ZipFile(folder / "carried-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("carried.py", f"NUMBER = {number}")
            wheel.writestr("carried-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: carried\nVersion: 1\n")
            wheel.writestr(
                "carried-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr("carried-1.dist-info/RECORD", "carried.py,,\n")
    (tmp_path / "train.py").write_text(
        "import subprocess, sys; import carried, lrl_adapt.benchmarks.gpu_check; print(carried.NUMBER, flush=True)\n"
        "peer = sys.argv[sys.argv.index('--peer') + 1]\n"
        "subprocess.run([peer, '-c', 'import carried; print(carried.NUMBER)'], check=True)\n"
    )
    monkeypatch.setattr(gpu_check, "PARTS", (Part("train", 120, f"{tmp_path}/train.py"),))
    monkeypatch.setattr(gpu_check, "TEST_PACKAGES", ("carried",))
    folders = ("--wheels", str(tmp_path / "wheels1"), "--peer-wheels", str(tmp_path / "wheels2"))
    code, parts = check(out, monkeypatch, *folders, "--parts", "train")
    assert (code, parts["train"]["output"]) == (0, "1\n2")
    assert parts["train"]["settings"] == f"{tmp_path}/train.py --peer PEER"


def test_missing_packages_are_named_with_the_command_that_fetches_them(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "TEST_PACKAGES", ("pytest>=1000", "no-such-package", "hypothesis>=1"))
    with pytest.raises(SystemExit) as end:
        check(out, monkeypatch)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert f"{sys.executable} lacks no-such-package, pytest>=1000.\n" in error
    pinned = next(line for line in (SCRIPT.parents[1] / "constraints.txt").read_text().split() if "pytest==" in line)
    assert f" no-such-package {pinned}\nthen run this again with --wheels wheels" in error
    assert not out.exists()


BENCHMARKS = [
    part for part in gpu_check.PARTS if part.command.startswith("benchmarks/") and gpu_check.script_exists(part)
]


@pytest.mark.parametrize("part", BENCHMARKS, ids=lambda part: part.name)
def test_the_scripts_know_the_options_they_are_given(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_end(parser: argparse.ArgumentParser) -> argparse.Namespace:
        parse(parser)
        raise InterruptedError

    script, *fixed = part.command.split()
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
    for options in (part.options, part.trial_options):
        monkeypatch.setattr(sys, "argv", [script, *fixed, *options.split(), "--json", "results.json"])
        with pytest.raises(InterruptedError):
            runpy.run_path(str(SCRIPT.parents[1] / script), run_name="__main__")


@pytest.mark.slow
def test_without_a_gpu_it_says_so() -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [sys.executable, SCRIPT], env=environment, capture_output=True, check=False, text=True, timeout=300
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("no GPU: torch 2")
    assert ended.stderr.endswith("or try the script with --cpu\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.slow
def test_its_own_parts_run_at_tiny_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, parts = check(tmp_path / "out.json", monkeypatch, "--parts", "attention-lines", "loss")
    assert code == 0
    attention = parts["attention-lines"]["measurements"]["attention"]
    measured = {(row["attention"], row["dropout"]): row["error"] for row in attention if "error" in row}
    assert measured.keys() == {(name, dropout) for name in ("groups", "one group") for dropout in (0.0, 0.1)}
    assert all(0 < error < 0.02 for error in measured.values())  # bf16
    cannot_run = {row["cannot_run"] for row in attention if row["attention"] == "varlen"}
    assert cannot_run == {"it needs a GPU", "it has no dropout"}
    assert [row["shape"] for row in parts["loss"]["measurements"]] == ["mBERT"] * 4
