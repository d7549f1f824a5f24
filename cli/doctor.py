"""`lrl-adapt doctor`: facts about this machine, for users and bug reports."""

import os
import platform
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from ..workspace.formatting import format_count, format_size
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .preflight import finish_planning
from .steps import labelled_runs

EPILOG = examples("lrl-adapt doctor", "lrl-adapt doctor quickstart", "lrl-adapt doctor --json")
HUB_SECONDS = 3
RecipeArgument = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="Also check the model and data of this recipe.")
]


def doctor_cmd(
    recipe: RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show versions, devices, disk space, and whether the hub can be reached.

    With RECIPE, also check that its model, text, graph and task data are available, with size, licence, and what to do
    if access is refused. Nothing is downloaded.
    """
    from ..pipeline import plan
    from ..workspace.artifacts import library_versions

    terminal = Terminal(as_json=as_json)
    runs = labelled_runs(recipe, options.overrides(changes, language=language)) if recipe else {}
    planned = plan(runs, workspace=workspace)
    facts = {"python": platform.python_version(), "platform": platform.platform(), **library_versions()}
    facts |= {"devices": _devices(), "disk": _disk(workspace), "hub": _hub(), "workspace": str(workspace.resolve())}
    terminal.table("lrl-adapt doctor", ("item", "value"), list(facts.items()))
    if not runs:
        terminal.result(facts)
        return
    planned.check_sources()
    finish_planning(terminal, planned, facts)


def _devices() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    processor = f"{format_count(cores, 'CPU core')}, {format_count(threads, 'thread')}"
    return ", ".join(gpus) or f"no GPU; {processor}"


def _disk(workspace: Path) -> str:
    folder = next(path for path in (workspace.resolve(), *workspace.resolve().parents) if path.exists())
    return f"{format_size(shutil.disk_usage(folder).free)} free in {folder}"


def _hub() -> str:
    """Whether the hub can be reached; never shows a token."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode (HF_HUB_OFFLINE): only cached files are used"
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=HUB_SECONDS).close()  # noqa: S310 - the address of the hub
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"{constants.ENDPOINT} cannot be reached ({getattr(error, 'reason', error)})"
    return f"{constants.ENDPOINT} can be reached"
