"""Files in a folder of a model repository on the Hugging Face hub, by its address: OWNER/NAME, or OWNER/NAME/FOLDER."""

import re
from collections.abc import Sequence
from pathlib import Path

from .hub import checked_download
from .hub_errors import hub_errors

ADDRESS = re.compile(r"\w[\w.-]*/\w[\w.-]*(/\w[\w.-]*)?")


def is_hub_address(name: str) -> bool:
    """Whether a name can be that of a folder on the hub: not if it begins with a folder that exists here."""
    return ADDRESS.fullmatch(name) is not None and not Path(name.partition("/")[0]).exists()


def hub_folder(address: str, patterns: Sequence[str]) -> Path:
    """Download the files of a folder that match `patterns`, unless they are cached; returns its local path.

    `patterns` are relative to the folder (`*.json`, `*/config.json`); no `*` stands for several folders. Nothing need
    match: the local folder may be missing. Raises UserError if there is no such repository, or if the files are not
    cached and the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    owner, name, *folders = address.split("/")
    repo, prefix = f"{owner}/{name}", "".join(f"{folder}/" for folder in folders)
    too_deep = "*/" * (1 + max(pattern.count("/") for pattern in patterns))  # for the client, * matches / as well
    with hub_errors(repo), checked_download(repo, "model"):
        snapshot = snapshot_download(
            repo,
            allow_patterns=[f"{prefix}{pattern}" for pattern in patterns],
            ignore_patterns=f"{prefix}{too_deep}*",
        )
    return Path(snapshot, *folders)
