"""`lrl-adapt doctor`: what this machine has, for the user and for bug reports."""

import os
import platform
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

EPILOG = examples("lrl-adapt doctor", "lrl-adapt doctor --json")
HUB_SECONDS = 3


def doctor_cmd(
    workspace: options.Workspace = DEFAULT_WORKSPACE, as_json: options.Json = False, debug: options.Debug = False
) -> None:
    """Show versions, devices, disk space, and whether the hub can be reached."""
    from ..recipes.artifacts import library_versions

    terminal = Terminal(as_json=as_json)
    facts = {"python": platform.python_version(), "platform": platform.platform(), **library_versions()}
    facts |= {"devices": _devices(), "disk": _disk(workspace), "hub": _hub(), "workspace": str(workspace.resolve())}
    terminal.table("lrl-adapt doctor", ("what", "found"), list(facts.items()))
    terminal.result(facts)


def _devices() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return ", ".join(gpus) or f"no GPU; {os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"


def _disk(workspace: Path) -> str:
    there = next(path for path in (workspace.resolve(), *workspace.resolve().parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 1e9:.1f} GB free under {there}"


def _hub() -> str:
    """Reachable, unreachable or offline; never shows a token."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode (HF_HUB_OFFLINE): only cached files are used"
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=HUB_SECONDS).close()  # noqa: S310 - the hub's own address
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"{constants.ENDPOINT} cannot be reached ({getattr(error, 'reason', error)})"
    return f"{constants.ENDPOINT} answers"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("doctor", epilog=EPILOG)(guarded(doctor_cmd))
