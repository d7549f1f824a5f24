"""Names that lead out of a folder: in addresses, in what a hub lists, and as symbolic links in a workspace."""

import random
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.downloads import download, download_path
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import hub_file
from lrl_adapt.workspace.hub_files import find_hub_files
from lrl_adapt.workspace.hub_folder import hub_folder
from lrl_adapt.workspace.locations import local_files

from .. import hub as stand_in
from ..fuzz import each_seed, shown_on_failure, text
from ..hub import Hub

ADDRESSES = 3000  # for each seed
PARTS = (
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%2f..%2f",
    "%00",
    "%0a",
    "/",
    "//",
    ".lock",
    ".x.partial",
    "x",
    "%",
    "%ff",
    "?",
    "#",
    "@",
    ":",
    "a" * 300,
    "ħ",
    "\\",
    "[",
)


@each_seed
def test_a_download_stays_in_its_folder(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for _ in range(ADDRESSES):
        name = "".join(rng.choice((*PARTS, text(rng))) for _ in range(rng.randrange(6)))
        address = f"https://example.org/{name}"
        with shown_on_failure(address):
            try:
                path = download_path(address, tmp_path)
            except UserError as error:
                assert "not a valid address" in str(error)
                continue
            folder = path.parent
            assert folder.parent == tmp_path
            assert path.resolve() == path
            folder.mkdir(exist_ok=True)
            path.with_name(f".{path.name}.partial").write_text("x")
            path.write_text("x")
            assert not path.name.startswith(".")
            assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2F..", ".lock", "a%00b", "a" * 300, "%2e%2e%2f" * 9 + "made"])
def test_odd_names_of_downloads(hub: Hub, name: str, tmp_path: Path, no_waiting: None) -> None:
    with pytest.raises(UserError) as refused:
        download(f"{hub.address}/web/{name}", tmp_path / "cache")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "path", ["../../x", "a/../../b/c", "..", "a/..", "./a", "a//b", "a@../b", "a@refs/pr/../b", "a/%2e%2e/x"]
)
def test_a_hub_address_has_no_steps_up(hub: Hub, path: str) -> None:
    hub.put("datasets/me/sib/a/x.csv")
    with pytest.raises(UserError) as refused:
        local_files(
            f"hf://datasets/me/sib{'' if path.startswith('a@') else '/'}{path.removeprefix('a')}", Path("cache")
        )
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["../../../../made.json", "/made.json", "a/../../../../../made.json"])
def test_what_a_hub_lists_is_not_written_outside_the_cache(
    hub: Hub, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put("datasets/me/sib/a.json")
    hub.put("models/me/adapter/a.json")
    entries, info, refused = stand_in._entries, Hub._info, []

    def hostile(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
        return [*entries(*arguments, **options), *({**one, "path": name} for one in entries(*arguments, **options))]

    def hostile_info(*arguments: Any, **options: Any) -> dict[str, Any]:
        described = info(*arguments, **options)
        return described | {"siblings": [*described["siblings"], {"rfilename": name}]}

    monkeypatch.setattr(stand_in, "_entries", hostile)
    monkeypatch.setattr(Hub, "_info", hostile_info)
    for fetch in (
        lambda: find_hub_files("hf://datasets/me/sib/*.json", several=True).download(),
        lambda: find_hub_files(f"hf://datasets/me/sib/{name}").download(),
        lambda: hub_folder("me/adapter", ["*.json"]),
        lambda: hub_file("me/sib", name, "main"),
    ):
        try:
            fetch()
        except UserError as error:
            refused.append(str(error))
            assert "\n" not in str(error)
    assert "names a file outside its folder" in refused[-1]
    assert not list(tmp_path.rglob("made.json"))
    assert not Path("/made.json").exists()


@pytest.mark.parametrize("place", ["folder", "partial", "resume_dir", "damaged"])
def test_a_link_out_of_the_workspace_is_replaced_and_not_followed(place: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("x")
    artifact = Artifact(tmp_path / "runs", "corpus", "corpus", {"a": 1})
    artifact.root.mkdir()
    links = {
        "folder": artifact.folder,
        "partial": artifact.folder.with_name(f".{artifact.folder.name}.partial"),
        "resume_dir": artifact.resume_dir,
        "damaged": artifact.root / f".{artifact.folder.name}.damaged",
    }
    links[place].symlink_to(outside)
    if place == "damaged":
        artifact.folder.mkdir()
        (artifact.folder / "manifest.json").write_text("{")
    assert artifact.build(lambda draft: (draft.folder / "made.txt").write_text("y") and None)
    assert (artifact.folder / "made.txt").read_text() == "y"
    assert not artifact.folder.is_symlink()
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]
