import errno
import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from lrl_adapt.workspace.artifacts import (
    MANIFEST,
    Artifact,
    Draft,
    Prepared,
    local_names,
    read_artifact,
    resolve_inputs,
)
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.new_folder import new_folder


def artifact(root: Path, **changes) -> Artifact:
    return Artifact(**{"root": root, "name": "corpus", "kind": "corpus", "section": {"a": 1}, **changes})


def fill(draft: Draft) -> None:
    (draft.folder / "text").write_text("whole")
    draft.facts["lines"] = 1


def test_it_is_made_once_and_found_again(tmp_path: Path) -> None:
    assert not artifact(tmp_path).exists
    assert artifact(tmp_path).build(fill)
    assert not artifact(tmp_path).build(lambda _: pytest.fail("made twice"))
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == [
        artifact(tmp_path).folder.name
    ]


def test_the_manifest_tells_what_made_it(tmp_path: Path) -> None:
    parent = artifact(tmp_path, kind="graph", name="graph")
    made = artifact(tmp_path, inputs={"file": "abc"}, parents=(parent,), section={"a": 1, "name": "Ünï"})
    made.build(fill)
    manifest = made.manifest()
    assert manifest["facts"] == {"lines": 1}
    assert manifest["section"] == {"a": 1, "name": "Ünï"}
    assert manifest["inputs"] == {"file": "abc"}
    assert manifest["parents"] == [str(parent.folder)]
    assert manifest["key"] == made.key
    assert made.folder.name == f"corpus-{made.key[:8]}"
    assert (manifest["kind"], manifest["schema_version"]) == ("corpus", 1)
    assert manifest["versions"]["torch"] == version("torch")
    assert datetime.now(UTC) - datetime.fromisoformat(manifest["created"]) < timedelta(minutes=1)
    assert 0 <= manifest["wall_seconds"] < 60
    assert "Ünï" in (made.folder / MANIFEST).read_text(encoding="utf-8")  # readable, not escaped


def test_the_hash_covers_settings_inputs_and_parents_but_no_path(tmp_path: Path) -> None:
    plain = artifact(tmp_path)
    others = [
        artifact(tmp_path, section={"a": 2}),
        artifact(tmp_path, inputs={"file": "abc"}),
        artifact(tmp_path, parents=(plain,)),
        artifact(tmp_path, kind="graph"),
    ]
    assert len({plain.key, *(other.key for other in others)}) == 5
    assert artifact(tmp_path / "elsewhere").key == plain.key
    moved = artifact(tmp_path, parents=(artifact(tmp_path / "elsewhere"),))
    assert moved.key == others[2].key
    changed = artifact(tmp_path, parents=(artifact(tmp_path, section={"a": 2}),))
    assert changed.key != others[2].key
    assert artifact(tmp_path, section={"b": 2, "a": 1}).key == artifact(tmp_path, section={"a": 1, "b": 2}).key


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_breaks_off_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def broken(draft: Draft) -> None:
        fill(draft)
        raise error

    with pytest.raises(error):
        artifact(tmp_path).build(broken)
    assert not list(tmp_path.rglob("text"))
    assert not artifact(tmp_path).exists
    assert artifact(tmp_path).build(fill)


def test_what_is_killed_is_never_taken_for_whole(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lrl_adapt.workspace.artifacts import Artifact\n"
        "def make(draft): (draft.folder / 'text').write_text('half'); os._exit(9)\n"
        "Artifact(Path(sys.argv[1]), 'corpus', 'corpus', {'a': 1}).build(make)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert list(tmp_path.rglob("text"))  # the half is there, hidden
    assert not artifact(tmp_path).exists
    assert artifact(tmp_path).build(fill)
    assert [file.read_text() for file in tmp_path.rglob("text")] == ["whole"]


def test_a_folder_without_manifest_is_replaced(tmp_path: Path) -> None:
    artifact(tmp_path).folder.mkdir(parents=True)
    (artifact(tmp_path).folder / "old").touch()
    assert artifact(tmp_path).build(fill)
    assert {file.name for file in artifact(tmp_path).folder.iterdir()} == {"text", MANIFEST}


def test_a_manifest_that_cannot_be_read_now_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert artifact(tmp_path).build(fill)

    def stale(*_: object, **__: object) -> str:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Stale"):
        patch.setattr(Path, "read_text", stale)
        artifact(tmp_path).build(fill)
    assert artifact(tmp_path).exists


def test_a_folder_that_appears_while_a_command_writes_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="already exists"), new_folder(out) as partial:
        (partial / "mine").touch()
        out.mkdir()
        (out / "precious").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "precious"]


def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    started = threading.Event()

    def slow(draft: Draft) -> None:
        started.set()
        time.sleep(1.5)
        fill(draft)

    first = threading.Thread(target=lambda: artifact(tmp_path).build(slow))
    first.start()
    started.wait()
    lines: list[str] = []

    class Listener:
        def say(self, text: str) -> None:
            lines.append(text)

        def track(self, items, label, total=None):
            yield from items

    assert not artifact(tmp_path).build(lambda _: pytest.fail("made twice"), Listener())
    first.join()
    assert "another command is writing" in lines[0]


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lrl_adapt.workspace.artifacts import Artifact\n"
        "def make(draft):\n"
        "    print('started', flush=True); sys.stdin.readline(); (draft.folder / 'text').write_text('first')\n"
        "Artifact(Path(sys.argv[1]), 'corpus', 'corpus', {'a': 1}).build(make)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], text=True, **pipes) as first:
        assert first.stdout.readline() == "started\n"
        made: list[bool] = []
        second = threading.Thread(target=lambda: made.append(artifact(tmp_path).build(fill)))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        first.stdin.write("go\n")
        first.stdin.close()
        second.join(20)
    assert (first.returncode, made) == (0, [False])
    assert (artifact(tmp_path).folder / "text").read_text() == "first"


def test_different_artifacts_do_not_wait_for_each_other(tmp_path: Path) -> None:
    other = artifact(tmp_path, section={"a": 2})
    assert artifact(tmp_path).build(lambda draft: (fill(draft), other.build(fill))[0])
    assert other.exists


def test_a_workspace_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*file.*choose another --workspace"):
        artifact(tmp_path / "file" / "data").build(fill)


def test_no_secret_gets_into_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_sagenotthis")
    artifact(tmp_path).build(fill)
    assert "hf_sagenotthis" in os.environ.values()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or "hf_sagenotthis" not in file.read_text()


def test_prepared_data_by_source(tmp_path: Path) -> None:
    text, graph = artifact(tmp_path), artifact(tmp_path, kind="graph")
    both = Prepared(text, graph)
    assert both.of("text") == (text,)
    assert both.of("graph") == (graph,)
    assert both.of("both") == both.all == (text, graph)
    assert Prepared(None, graph).all == (graph,)


def missing_file() -> str:
    raise UserError("no such file: texts")


def test_a_finished_artifact_takes_the_place_of_one_whose_files_are_missing(tmp_path: Path) -> None:
    described = artifact(tmp_path, sources=("texts/",))
    made = resolve_inputs(described, {"files": lambda: "abc"})
    assert made.inputs == {"files": "abc"}
    made.build(fill)
    result = resolve_inputs(artifact(tmp_path, sources=("texts",)), {"files": missing_file})  # the slash went with it
    assert (result.key, result.folder) == (made.key, made.folder)
    date = made.manifest()["created"][:10]
    assert result.note == f"no such file: texts; using {made.folder.name}, prepared {date} from texts/"
    assert made.note == ""


@pytest.mark.parametrize(
    "changes",
    [{"section": {"a": 2}}, {"kind": "graph"}, {"sources": ("others",)}, {"inputs": {"revision": "x"}}],
)
def test_one_that_differs_in_what_is_known_does_not(tmp_path: Path, changes: dict) -> None:
    resolve_inputs(artifact(tmp_path, sources=("texts",)), {"files": lambda: "abc"}).build(fill)
    with pytest.raises(UserError, match="no such file: texts"):
        resolve_inputs(artifact(tmp_path, **{"sources": ("texts",), **changes}), {"files": missing_file})


def test_the_newest_of_several_is_taken_also_of_those_that_do_not_name_their_sources(tmp_path: Path) -> None:
    old, new = (artifact(tmp_path, inputs={"files": name}, sources=("texts",)) for name in ("a", "b"))
    for made, created in ((old, "2026-01-01T00:00:00"), (new, "2026-01-02T00:00:00")):
        made.build(fill)
        manifest = made.manifest() | {"created": created}
        del manifest["sources"]
        (made.folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    result = resolve_inputs(artifact(tmp_path, sources=("texts",)), {"files": missing_file})
    assert result.key == new.key
    assert result.note.endswith(f"using {new.folder.name}, the newest of 2, prepared 2026-01-02")


def test_an_artifact_is_read_with_its_parents_from_a_workspace_that_moved(tmp_path: Path) -> None:
    edges = artifact(tmp_path / "old" / "data" / "swh", kind="edges", name="edges")
    graph = artifact(tmp_path / "old" / "data" / "swh", kind="graph", name="graph", parents=(edges,))
    edges.build(fill)
    graph.build(fill)
    (tmp_path / "old").rename(tmp_path / "new")
    read = read_artifact(tmp_path / "new" / "data" / "swh" / graph.folder.name)
    assert (read.key, read.name, read.exists) == (graph.key, "graph", True)
    assert [parent.folder for parent in read.parents] == [tmp_path / "new" / "data" / "swh" / edges.folder.name]


def test_names_of_local_files_tell_no_more_of_the_machine(tmp_path: Path) -> None:
    locations = [str(tmp_path), "/home/me/texts/*.txt", "/home/me/a.txt", "https://me:s3cret@example.org/b.txt"]
    assert local_names(locations) == (f"{tmp_path.name}/", "texts/*.txt", "a.txt")
