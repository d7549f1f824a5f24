"""The files of an adapter that belong on the hub, without the paths of this machine in its configuration."""

import json
from pathlib import Path
from typing import Any

from ...eval.inference.published import LANGUAGE_ADAPTER, PUBLISHED_FILES, TASK_FILE
from ...training.adapters.files import CONFIG, PICKLE
from ...training.tensors import refuse_pointers
from ...workspace.errors import UserError
from ...workspace.hub_upload import Content
from .subject import Subject

LOADED_FROM = ("name_or_path", "_name_or_path")
"""Fields in which transformers records where a model or a tokenizer was loaded from."""


def contents(subject: Subject) -> dict[str, Content]:
    """The files to upload, by their paths in the repository; of a task adapter the language adapter's too.

    Raises UserError for an adapter without weights in the safetensors format.
    """
    files = _files(subject)
    if subject.language_adapter is not None:
        below = _files(subject.language_adapter)
        files |= {f"{LANGUAGE_ADAPTER}/{name}": content for name, content in below.items()}
    return files


def _files(subject: Subject) -> dict[str, Content]:
    """Those in the adapter's folder itself: not the last step's adapter, logs, pictures or the manifest."""
    paths = sorted({path for pattern in PUBLISHED_FILES for path in subject.folder.glob(pattern) if path.is_file()})
    refuse_pointers(paths)
    if not any(path.suffix == ".safetensors" for path in paths):
        hint = f"; convert {PICKLE} with `lrl-adapt export`" if (subject.folder / PICKLE).is_file() else ""
        raise UserError(f"{subject.folder} contains no weights in the safetensors format{hint}")
    return {path.name: _public(path, subject) for path in paths}


def _public(path: Path, subject: Subject) -> Content:
    """The file as it is, or a JSON file without paths of this machine and with what readers elsewhere need."""
    if path.name == CONFIG:
        base = subject.base
        revision = base.revision if base.hub_id and base.revision != "main" else None
        return _changed(path, {"base_model_name_or_path": base.hub_id, "revision": revision})
    if path.name == TASK_FILE:
        return _changed(path, {"max_length": subject.max_length})
    if path.name in ("config.json", "tokenizer_config.json"):
        return _changed(path, {})
    return path


def _changed(path: Path, fields: dict[str, Any]) -> bytes:
    content = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in content.items() if name not in LOADED_FROM}
    return (json.dumps(kept | fields, indent=2, ensure_ascii=False) + "\n").encode()
