"""The rehearsal: the real-world commands of the README and the recipes, as they are written, against a stand-in hub.

    python -m lrl_adapt.tests.rehearsal.run

Each track of `steps.yaml` has an empty home, cache and workspace of its own; tracks run at the same time. Prints a
transcript, and at the end what went otherwise than expected, with exit code 1.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..hub import Hub
from .facts import Facts, load_facts
from .items import pages
from .standin import write_repositories

ROOT = Path(__file__).parents[2]
STEPS = Path(__file__).with_name("steps.yaml")
SHORT = """
training.max_steps=4
training.eval_steps=2
training.batch_tokens=512
training.max_length=64
training.validation_tokens=500
eval.seeds=[1]
eval.mlm.max_sentences=3
eval.mlm.max_length=64
eval.training.num_train_epochs=1
eval.training.max_length=64
"""
"""What LRL_ADAPT_SET says in every step, so that training and scoring take seconds."""
TIME_LIMIT = 600  # seconds for a command, on a machine that has much else to do
NEVER = ("Traceback", "Warning:")
"""What no command may show: a library's warning says nothing that a user can act on."""


@dataclass(frozen=True)
class Step:
    """A command and what is expected of it."""

    about: str
    command: str
    written_in: str = ""
    """The file of the repository in which this command stands, word for word."""
    exit_code: int = 0
    shows: Sequence[str] = ()
    """Texts that the output must hold, line breaks and runs of spaces apart."""
    hides: Sequence[str] = ()
    """Texts that it must not hold."""
    downloads_nothing: bool = False
    """No file's content may be asked for."""
    asks_nobody: bool = False
    """Not a single request may be made."""
    forgets: Sequence[str] = ()
    """Folders of the workspace that are removed before, so that their content has to be made again."""
    graph: bool = False
    """Whether the recipe reads ConceptNet, whose address is to be the stand-in's."""
    environment: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    """Further lines of LRL_ADAPT_SET, in place of an edit of the recipe."""


@dataclass
class Track:
    """Steps that follow one another, with the places they work in."""

    name: str
    steps: list[Step]
    folder: Path
    hub: Hub
    facts: Facts

    def environment(self, step: Step) -> dict[str, str]:
        """The environment of a step: nothing of the user's own, no token, everything in the track's folder."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        changes = "\n".join([SHORT.strip(), *step.changes])
        if step.graph:
            changes += f"\ngraph.conceptnet={self.hub.address}{urlsplit(self.facts['conceptnet']['address']).path}"
        return {
            **kept,
            "HOME": str(self.folder / "home"),
            "HF_HOME": str(self.folder / "home" / "huggingface"),
            "LRL_ADAPT_HOME": str(self.folder / "workspace"),
            "LRL_ADAPT_SET": changes,
            "HF_ENDPOINT": self.hub.address,
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "160",
            **step.environment,
        }


@dataclass(frozen=True)
class Outcome:
    """What a step printed and how long it took; `complaints` is what was not as expected."""

    step: Step
    output: str
    seconds: float
    complaints: list[str]


def load_tracks() -> dict[str, list[Step]]:
    """The steps of each track."""
    message: dict[str, list[dict[str, Any]]] = yaml.safe_load(STEPS.read_text(encoding="utf-8"))
    return {name: [Step(**step) for step in steps] for name, steps in message.items()}


def perform(step: Step, track: Track) -> Outcome:
    """Run a step's command and compare what it did with what is expected."""
    for name in step.forgets:
        shutil.rmtree(track.folder / "workspace" / name, ignore_errors=True)
    asked = len(track.hub.requests)
    start = time.monotonic()
    try:
        done = subprocess.run(
            ["bash", "-c", step.command],
            check=False,
            cwd=track.folder / "here",
            env=track.environment(step),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, code = f"{error.stdout or ''}\n(stopped after {TIME_LIMIT} s)", -1
    requests = track.hub.requests[asked:]
    return Outcome(step, output, time.monotonic() - start, complaints(step, output, code, requests))


def complaints(step: Step, output: str, code: int, requests: Sequence[str]) -> list[str]:
    """What is not as the step expects."""
    result = [] if code == step.exit_code else [f"exit code {code}, expected {step.exit_code}"]
    message = plain(output)
    result += [f"does not show: {text}" for text in step.shows if plain(text) not in message]
    result += [f"shows: {text}" for text in (*step.hides, *NEVER) if plain(text) in message]
    downloads = [line for line in requests if line.startswith("GET") and "/api/" not in line and line != "GET /"]
    if step.downloads_nothing and downloads:
        result.append(f"downloads {downloads[0]}")
    if step.asks_nobody and requests:
        result.append(f"asks for {requests[0]}")
    if step.written_in and step.command not in commands_in(ROOT / step.written_in):
        result.append(f"is not written in {step.written_in}")
    return result


def plain(text: str) -> str:
    """Text without line breaks and the frames of tables, which depend on the terminal's width."""
    return " ".join(word for word in text.split() if word.strip("│┃|─━"))


def commands_in(file: Path) -> set[str]:
    """The lrl-adapt commands in a text: in blocks of code, in sentences and in a recipe's head, without comments."""
    text = file.read_text(encoding="utf-8").replace("`", "\n")
    lines = [line[line.index("lrl-adapt ") :] for line in text.splitlines() if "lrl-adapt " in line]
    return {re.split(r"\s{2,}|\s#", line)[0].strip() for line in lines}


def play(track: Track, report: "Report") -> None:
    """The steps of a track, one after the other."""
    own_text = track.folder / "here" / "my-texts"
    own_text.mkdir(parents=True)
    text = "\n".join(page["text"] for page in pages("mlt_Latn", 0))
    (own_text / "maltese.txt").write_text(text, encoding="utf-8")
    for step in track.steps:
        report.add(track, perform(step, track))


class Report:
    """The transcript, and what was not as expected."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.failed: list[str] = []
        self._done = 0
        self._lock = threading.Lock()

    def add(self, track: Track, outcome: Outcome) -> None:
        """Print a step and its outcome."""
        step = outcome.step
        with self._lock:
            self._done += 1
            print(f"\n=== {self._done}/{self.steps} {track.name}: {step.about}\n$ {step.command}")
            print(textwrap.indent(outcome.output.rstrip(), "    "))
            if outcome.complaints:
                message = [f"{step.command}: {complaint}" for complaint in outcome.complaints]
                self.failed += message
                print("\n".join(f"FAILED: {complaint}" for complaint in outcome.complaints))
            else:
                code = f", exit code {step.exit_code} as expected" if step.exit_code else ""
                print(f"ok{code} ({outcome.seconds:.0f} s)")
            sys.stdout.flush()


def rehearse(facts: Facts, only: str = "") -> list[str]:
    """All tracks, or those with `only` in their names; returns what was not as expected."""
    chosen = {name: steps for name, steps in load_tracks().items() if only in name}
    report = Report(sum(map(len, chosen.values())))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        served = Path(name) / "hub"
        known = write_repositories(served, facts)
        print(f"the stand-in of the hub is ready ({time.monotonic() - start:.0f} s)")
        tracks = [
            Track(track, steps, Path(name) / f"track-{number}", Hub(served, known), facts)
            for number, (track, steps) in enumerate(chosen.items(), 1)
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda track: play(track, report), tracks))
    print(f"\n{report.steps} commands in {time.monotonic() - start:.0f} s")
    return report.failed


def main() -> None:
    """Rehearse, and end with exit code 1 where something was not as expected."""
    parser = argparse.ArgumentParser(description="Run the README's commands against a stand-in of the hub.")
    parser.add_argument("--break", dest="changed", default="", metavar="FACT", help="change one fact of the table")
    parser.add_argument("--only", default="", metavar="TEXT", help="the tracks with this in their names")
    given = parser.parse_args()
    failed = rehearse(load_facts(given.changed), given.only)
    if failed:
        print(f"\n{len(failed)} expectations failed:\n" + "\n".join(f"  {line}" for line in failed))
        sys.exit(1)
    print("everything was as expected")


if __name__ == "__main__":
    main()
