"""All that is to be checked and measured on a GPU, within a few minutes: `make gpu-check`.

    python benchmarks/gpu_check.py                              # with a Python that has torch for CUDA
    python benchmarks/gpu_check.py --wheels wheels --peer-wheels peer-wheels     # offline
    python benchmarks/gpu_check.py --parts machine tests --again
    python benchmarks/gpu_check.py --cpu                        # tiny sizes, to try the script itself

Runs PARTS one after the other, each in a process of its own with a time limit: one that fails does not stop the others.
The results are written after each part, and a part that this commit has finished with the same settings is skipped.
Nothing is downloaded and no data is needed: models have random weights, and text is made up.

--wheels is a folder of wheels that this Python lacks; they are installed into a temporary folder. --peer-wheels holds
AdapterHub's `adapters` and the versions of the libraries that it needs; without it AdapterHub is not compared.

Exit code: 0 if all parts are done, 1 if one is not, 2 if nothing could be run. Uses the standard library alone until
the wheels are installed, so that it can say what is missing.
"""

import argparse
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
RESULTS, TRIAL_RESULTS = ROOT / "docs/performance-gpu.json", ROOT / "build/performance-trial.json"
KEPT_OUTPUT = 6000  # characters of a part's output, the last ones
SHORTEST = 10  # seconds that must be left to begin another part
TRIAL_FACTOR = 10  # longer limits on a CPU, which may be busy
TEST_PACKAGES = ("hypothesis", "pytest")  # what its tests need besides the package's dependencies
# warnings are no errors here: the versions of the libraries may be others than those of constraints.txt
TESTS = "-m pytest tests/training/test_gpu.py -v --tb=short -p no:cacheprovider -o filterwarnings="
LINES = "--made-up --text lines --precisions bf16 --sequences 32 --steps 10 --threads 4"
DOCUMENTS = "--made-up --text documents --precisions bf16 --sequences 16 --steps 6 --threads 4"
TRIAL = "--made-up --shape tiny --sequences 4 --longest 32 --steps 1 --rounds 1 --threads 1"

TRIAL_ATTENTION = "--sequences 2 --longest 16 --rounds 1"
PPPL = "benchmarks/pppl.py --made-up --rounds 1"
TRIAL_PPPL = "--shape base-mini --sentences 3"


@dataclass(frozen=True)
class Part:
    """A script of benchmarks/ or a module's tests, and how it is run."""

    name: str
    limit: int
    """Seconds that it may take."""
    command: str
    """What follows `python`."""
    options: str = ""
    """On a GPU."""
    trial_options: str = ""
    """With --cpu."""


PARTS = (  # the most important first, should the time not suffice for all
    Part("machine", 60, "benchmarks/machine.py"),
    Part("tests", 150, TESTS),
    Part("attention-lines", 45, "benchmarks/attention.py --text lines", "--sequences 128", TRIAL_ATTENTION),
    Part("attention-documents", 45, "benchmarks/attention.py --text documents", "--sequences 16", TRIAL_ATTENTION),
    Part("train-mbert-lines", 75, "benchmarks/train.py", f"--shape mbert {LINES}", f"--text lines {TRIAL}"),
    Part("train-mbert-documents", 75, "benchmarks/train.py", f"--shape mbert {DOCUMENTS}", f"--text documents {TRIAL}"),
    Part("train-xlmr-lines", 90, "benchmarks/train.py", f"--shape xlmr {LINES}", f"--text lines {TRIAL}"),
    Part("train-xlmr-documents", 90, "benchmarks/train.py", f"--shape xlmr {DOCUMENTS}", f"--text documents {TRIAL}"),
    Part("pppl-mbert", 60, PPPL, "--shape mbert", TRIAL_PPPL),
    Part("loss", 45, "benchmarks/loss.py --shapes mBERT", "XLM-R --tokens 2400", "--tokens 2 --rounds 1"),
    # several adapters trained at once; skipped where there is no such script
    Part("together", 90, "benchmarks/together.py", "--count 8", "--count 2 --sequences 2 --rounds 1"),
    Part("pppl-xlmr", 60, PPPL, "--shape xlmr", TRIAL_PPPL),
)


def main() -> int:
    """Run what is not yet done; the exit code."""
    arguments = read_arguments()
    if not arguments.cpu:
        require_gpu()
    with tempfile.TemporaryDirectory() as folder:
        environment, peer = set_up(arguments, Path(folder))
        results = Results(arguments.out or (TRIAL_RESULTS if arguments.cpu else RESULTS), arguments.commit or commit())
        deadline = time.monotonic() + 60 * arguments.minutes
        for part in PARTS:
            if part.name in arguments.parts and script_exists(part):
                run_part(part, arguments, results, deadline, environment, peer)
    return results.report(arguments.parts)


def read_arguments() -> argparse.Namespace:
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="time for all parts together (default: 8)")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, help="run these alone")
    parser.add_argument("--wheels", type=Path, help="folder of wheels that this Python lacks")
    parser.add_argument("--peer-wheels", type=Path, help="folder of wheels for AdapterHub")
    parser.add_argument("--out", type=Path, help=f"results (default: {RESULTS.relative_to(ROOT)})")
    parser.add_argument("--commit", help="what to record as the commit where there is no git")
    parser.add_argument("--again", action="store_true", help="also run parts that are done")
    parser.add_argument("--cpu", action="store_true", help="try the script at tiny sizes, without a GPU")
    return parser.parse_args()


def run_part(
    part: Part,
    arguments: argparse.Namespace,
    results: "Results",
    deadline: float,
    environment: dict[str, str],
    peer: Path | None,
) -> None:
    """Run one part unless it is done, and record how it went."""
    words = [*part.command.split(), *(part.trial_options if arguments.cpu else part.options).split()]
    if part.command.endswith("train.py"):
        words += ["--peer", str(peer)] * (peer is not None)
        words += ["--one-by-one"] * results.has_little_memory()
    settings = " ".join(word.replace(str(peer), "PEER") for word in words)
    if results.is_done(part.name, settings) and not arguments.again:
        print(f"{part.name}: done before")
        return
    seconds_left = deadline - time.monotonic()
    if seconds_left < SHORTEST:
        results.record(part.name, settings, status="not run", reason="the time was used up")
        return
    limit = min(part.limit * (TRIAL_FACTOR if arguments.cpu else 1), seconds_left)
    print(f"{part.name}: python {settings} (at most {limit:.0f} s)", flush=True)
    measurements = Path(environment["TMPDIR"], f"{part.name}.json")
    writes_json = not part.command.startswith("-m")
    started = time.monotonic()
    command = [sys.executable, *words, *(["--json", str(measurements)] * writes_json)]
    exit_code, output = run(command, limit, environment)
    print(output, flush=True)
    facts: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1), "output": output[-KEPT_OUTPUT:]}
    if measurements.is_file():
        facts["measurements"] = json.loads(measurements.read_text(encoding="utf-8"))
    if exit_code is None:
        results.record(part.name, settings, status="timed out", reason=f"it took more than {limit:.0f} s", **facts)
    elif exit_code:
        results.record(part.name, settings, status="failed", reason=reason_in(output, exit_code), **facts)
    else:
        results.record(part.name, settings, status="done", **facts)


def run(command: list[str], limit: float, environment: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and what was printed; None when it did not end within `limit` seconds."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            exit_code = process.wait(limit)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            end_group(process)
        output.seek(0)
        return exit_code, output.read().decode(errors="replace").strip()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:  # all have ended
            return
        try:
            process.wait(5)  # torchrun passes the signal on to the processes in other sessions that it started
        except subprocess.TimeoutExpired:
            continue


def reason_in(output: str, exit_code: int) -> str:
    """The most telling line of a failed part's output: pytest's summary, or the last line, which names the error."""
    lines = [line for line in output.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return "; ".join(failed) or (lines[-1] if lines else f"exit code {exit_code}")


class Results:
    """The file of results: of each part its status, reason, settings, time, output and measurements."""

    def __init__(self, path: Path, commit: str) -> None:
        self.path, self.commit = path, commit
        self.parts: dict[str, dict[str, Any]] = {}
        if path.is_file():
            self.parts = json.loads(path.read_text(encoding="utf-8"))["parts"]

    def is_done(self, name: str, settings: str) -> bool:
        """Whether this commit has finished the part; never where changes are not committed."""
        part = self.parts.get(name, {})
        same = (part.get("commit"), part.get("settings")) == (self.commit, settings)
        return same and part["status"] == "done" and not self.commit.endswith(("-dirty", "unknown"))

    def record(self, name: str, settings: str, **facts: Any) -> None:
        """Write the file anew beside its place and put it there, so that no part is lost when this is killed."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.parts[name] = {"commit": self.commit, "time": now, "settings": settings, **facts}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps({"parts": self.parts}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(self.path)
        print(f"{name}: {facts['status']}{': ' * ('reason' in facts)}{facts.get('reason', '')}\n", flush=True)

    def has_little_memory(self) -> bool:
        """Whether the contenders of train.py may not fit beside each other: less than 100 GB of the GPU are free."""
        machine = self.parts.get("machine", {}).get("measurements", {})
        return "gpu" in machine and machine["gpu_memory_free_gb"] < 100

    def report(self, names: list[str]) -> int:
        """Say where the results are and what is not done; the exit code."""
        open_parts = [name for name in names if name in self.parts and self.parts[name]["status"] != "done"]
        print(f"results: {self.path}")
        if open_parts:
            print(f"not done: {', '.join(open_parts)}; run the same command again to try these alone")
        return 1 if open_parts else 0


def require_gpu() -> None:
    """End the program where torch sees no GPU."""
    question = "import torch; print(torch.cuda.is_available(), torch.__version__)"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, check=False, text=True)
    if answer.returncode:
        reason = reason_in(answer.stderr, answer.returncode)
        give_up(f"{sys.executable} has no working torch ({reason}); choose another with make gpu-check PYTHON=...")
    available, version = answer.stdout.split()[-2:]
    if available != "True":
        give_up(
            f"no GPU: torch {version} of {sys.executable} sees none; run this where nvidia-smi lists one and torch is "
            "built for CUDA, or try the script with --cpu"
        )


def set_up(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, str], Path | None]:
    """The environment of the parts, and a Python with AdapterHub; ends the program where packages are missing."""
    (folder / "link").mkdir()
    (folder / "link/lrl_adapt").symlink_to(ROOT)  # the checkout is the package, whatever it is called
    paths = [folder / "link"]
    if arguments.wheels:
        paths.append(install(arguments.wheels, folder / "site"))
    if lacking := lacking_packages([str(path) for path in paths]):
        give_up(f"{sys.executable} lacks {', '.join(lacking)}.\nWhere there is a network, {download_command(lacking)}\n"
                "then run this again with --wheels wheels (make gpu-check WHEELS=wheels)")  # fmt: skip
    peer = peer_python(arguments.peer_wheels, folder) if arguments.peer_wheels else None
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if arguments.cpu:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true", "LRL_ADAPT_GPU_TESTS": "cpu"}
        environment.setdefault("OMP_NUM_THREADS", "1")
    return environment, peer


def install(wheels: Path, target: Path) -> Path:
    """Install a folder's wheels, without their dependencies, into `target`."""
    files = [str(file) for file in sorted(wheels.glob("*.whl"))]
    if not files:
        give_up(f"no wheels in {wheels}")
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", "--upgrade"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), *files]
    installed = subprocess.run(command, capture_output=True, check=False, text=True)
    if installed.returncode:
        give_up(f"{wheels} cannot be installed: {reason_in(installed.stderr, installed.returncode)}")
    return target


def peer_python(wheels: Path, folder: Path) -> Path:
    """A Python that sees the wheels of AdapterHub before the packages of this one."""
    site = install(wheels, folder / "peer")
    script = folder / "peer-python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def lacking_packages(paths: list[str]) -> list[str]:
    """Requirements, those of requirements too, that neither `paths` nor this Python meet: "peft>=0.21"."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return ["packaging"]

    installed = {}
    for distribution in distributions(path=[*paths, *sys.path]):
        installed.setdefault(plain_name(distribution.metadata["Name"]), distribution)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting, seen, lacking = [*project["dependencies"], *TEST_PACKAGES], set(), []
    while waiting:
        requirement = Requirement(waiting.pop())
        name = plain_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name not in installed or not requirement.specifier.contains(installed[name].version, prereleases=True):
            lacking.append(f"{name}{requirement.specifier}")
        elif name not in seen:
            seen.add(name)
            waiting += installed[name].requires or []
    return sorted(set(lacking))


def download_command(lacking: list[str]) -> str:
    """The command that fetches wheels of the tested versions for a Python like this one."""
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    versions = {plain_name(line.partition("==")[0]): line for line in pinned if "==" in line}
    names = [re.split(r"[<>=!~]", each)[0] for each in lacking]
    wanted = " ".join(versions.get(name, name) for name in names)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    platforms = " ".join(f"--platform manylinux{tag}_x86_64" for tag in ("_2_28", "_2_17", "2014"))
    return f"pip download --dest wheels --no-deps --only-binary=:all: --python-version {version} {platforms} {wanted}"


def plain_name(name: str) -> str:
    """A package's name as packages are compared by it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def commit() -> str:
    """The commit of the checkout, with "-dirty" where files but the results were changed; "unknown" without git."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True, text=True).stdout.strip()

    try:
        results = f":!{RESULTS.relative_to(ROOT)}"
        is_dirty = bool(git("status", "--porcelain", "--untracked-files=no", "--", ".", results))
        return git("rev-parse", "--short=12", "HEAD") + "-dirty" * is_dirty
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def script_exists(part: Part) -> bool:
    script = part.command.split()[0]
    return not script.endswith(".py") or (ROOT / script).is_file()


def give_up(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a part that runs is ended, too
    sys.exit(main())
