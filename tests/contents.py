"""What a workspace holds, to compare it with another one."""

import json
from pathlib import Path
from typing import Any


def content(workspace: Path) -> dict[str, Any]:
    """Every file of the finished artifacts by its path in the workspace, without times, paths, logs and reports."""
    files: dict[str, Any] = {}
    for file in sorted(workspace.rglob("*")):
        name = file.relative_to(workspace).as_posix()
        if file.is_dir() or "/." in f"/{name}" or name.startswith(("logs/", "reports/")):
            continue
        if file.name == "manifest.json":
            manifest = json.loads(file.read_text())
            files[name] = {key: manifest[key] for key in ("key", "facts", "section")}
        elif file.name == "metrics.jsonl":
            entries = [json.loads(line) for line in file.read_text().splitlines()]
            timed = {"tokens_per_second", "peak_share", "memory_mb"}
            files[name] = [{key: value for key, value in entry.items() if key not in timed} for entry in entries]
        elif file.suffix not in {".png", ".md"}:
            files[name] = file.read_bytes()
    return files
