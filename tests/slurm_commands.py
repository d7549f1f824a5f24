"""Stand-ins for sbatch, squeue, scancel and scontrol, which keep what they are given."""

from pathlib import Path

import pytest

COMMANDS = {
    "sbatch": """
[ "$1" = --version ] && exit
number=$(($(ls "$FOLDER"/*.script 2>/dev/null | wc -l) + 101))
[ "$number" = "$REFUSED" ] && { echo "sbatch: error: too many jobs" >&2; exit 1; }
cat > "$FOLDER/$number.script"
printf '%s\\n' "$@" > "$FOLDER/$number.options"
for word; do case "$word" in --job-name=*) name=${word#*=};; esac; done
echo "$number|PENDING|Priority|$name" >> "$FOLDER/queue"
echo "$number;cluster"
""",
    "squeue": 'case "$*" in *--jobs=*) cat "$FOLDER/state";; *) cat "$FOLDER/queue";; esac\n',
    "scancel": 'echo "$@" >> "$FOLDER/cancelled"\n',
    "scontrol": 'echo "$@" >> "$FOLDER/controlled"\n',
}


class Commands:
    """The stand-ins in `folder`, which are found first on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        for name, script in COMMANDS.items():
            (folder / name).write_text(f'#!/bin/sh\nFOLDER="{folder}"\n{script}')
            (folder / name).chmod(0o755)
        (folder / "queue").touch()
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    @property
    def submitted(self) -> list[str]:
        """The numbers of the jobs, in order."""
        return sorted(path.stem for path in self._folder.glob("*.options"))

    def options(self, number: str) -> dict[str, str]:
        """The options of a job by their names, without the dashes."""
        lines = (self._folder / f"{number}.options").read_text().splitlines()
        return {name.removeprefix("--"): value for name, _, value in (line.partition("=") for line in lines)}

    def script(self, number: str) -> str:
        return (self._folder / f"{number}.script").read_text()

    def set_queue(self, *lines: str) -> None:
        """What squeue prints: NUMBER|STATE|REASON|NAME."""
        (self._folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    def set_state(self, state: str) -> None:
        """What squeue prints for the job that asks."""
        (self._folder / "state").write_text(state)

    def said_to(self, command: str) -> list[str]:
        """What scancel (`cancelled`) or scontrol (`controlled`) was given, one line for each call."""
        file = self._folder / command
        return file.read_text().splitlines() if file.exists() else []
