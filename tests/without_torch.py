"""Commands in a process that cannot import torch."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

CODE = """
import json, sys
sys.modules["torch"] = None
from typer.testing import CliRunner
from lrl_adapt.cli.app import app
ended = [CliRunner().invoke(app, words, env=variables, input="") for words, variables in json.loads(sys.argv[1])]
print(json.dumps([(one.exit_code, " ".join(one.stderr.split())) for one in ended]))
"""


def run_without_torch(commands: Iterable[tuple[Sequence[str], Mapping[str, str]]]) -> list[tuple[int, str]]:
    """Exit code and standard error, with single spaces, of commands with these environment variables."""
    words = [sys.executable, "-c", CODE, json.dumps(list(commands))]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
