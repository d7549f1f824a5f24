"""AdapterHub's format."""

from pathlib import Path

from ...training.adapters.adapterhub import export_adapterhub
from .request import Request, Written


def write(request: Request, folder: Path) -> Written:
    """Write the adapter into `folder` as `adapters` reads it. Raises UserError for what AdapterHub does not support."""
    request.require_adapter("adapterhub")
    return Written(export_adapterhub(request.load(), request.name, folder))
