"""AdapterHub's format."""

from pathlib import Path

from ...training.adapters.adapterhub import export_adapterhub
from ...training.vocabulary.files import reads_differently
from ...workspace.errors import UserError
from .request import Request, Written


def write(request: Request, folder: Path) -> Written:
    """Write the adapter into `folder` as `adapters` reads it. Raises UserError for what AdapterHub does not support."""
    request.require_adapter("adapterhub")
    if reads_differently(request.source):
        raise UserError(
            f"{request.source} has trained embeddings or reads romanised text, which AdapterHub's format cannot hold"
        )
    return Written(export_adapterhub(request.load(), request.name, folder))
