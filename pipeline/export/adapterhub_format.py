"""AdapterHub's format."""

from pathlib import Path

from ...training.adapters.adapterhub import export_adapterhub
from ...training.vocabulary.files import has_new_pieces
from ...workspace.errors import UserError
from .request import Request, Written


def write(request: Request, folder: Path) -> Written:
    """Write the adapter into `folder` as `adapters` reads it. Raises UserError for what AdapterHub does not support."""
    request.require_adapter("adapterhub")
    if has_new_pieces(request.source):
        raise UserError(f"{request.source} brings new pieces to the vocabulary, which AdapterHub's format cannot hold")
    return Written(export_adapterhub(request.load(), request.name, folder))
