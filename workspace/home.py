"""The workspace: the folder that holds all artifacts."""

import os
from pathlib import Path

WORKSPACE_VARIABLE = "LRL_ADAPT_HOME"
DEFAULT_WORKSPACE = Path("lrl-runs")


def workspace_folder(folder: str | Path | None = None) -> Path:
    """`folder`, or by default the one in `LRL_ADAPT_HOME`, or else `./lrl-runs`."""
    return Path(folder or os.environ.get(WORKSPACE_VARIABLE) or DEFAULT_WORKSPACE)
