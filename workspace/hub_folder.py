"""A folder of a model repository on the Hugging Face hub, by its address: OWNER/NAME, or OWNER/NAME/FOLDER."""

import re
from pathlib import Path

from .errors import UserError
from .hub_errors import hub_errors

ADDRESS = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(/(?P<folder>\w[\w.-]*))?")


def is_hub_address(name: str) -> bool:
    """Whether a name can be that of a folder on the hub: not if it begins with a folder that exists here."""
    return ADDRESS.fullmatch(name) is not None and not Path(name.partition("/")[0]).exists()


def hub_folder(address: str) -> Path:
    """Download a folder unless it is cached; returns its local path.

    Raises UserError if there is no such repository or folder, or if the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    match = ADDRESS.fullmatch(address)
    assert match is not None
    repo, folder = match["repo"], match["folder"]
    with hub_errors(repo):
        snapshot = Path(snapshot_download(repo, allow_patterns=f"{folder}/*" if folder else None))
    if folder is None:
        return snapshot
    if not (snapshot / folder).is_dir():
        raise UserError(f"{repo} has no folder {folder}")
    return snapshot / folder
