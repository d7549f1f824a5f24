"""Everything that a hub or a server may answer instead of a file: success after a retry, or one line and exit code 2.

For all that is downloaded: GlotCC's text, task data, bases, ConceptNet's dump.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.corpora.prepare import prepare_corpus
from lrl_adapt.pipeline.outcome import exit_code_of
from lrl_adapt.training.base import load_masked_lm, load_tokenizer
from lrl_adapt.workspace.artifacts import file_hash
from lrl_adapt.workspace.checksums import SHA256
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import forget_answers, hub_file
from lrl_adapt.workspace.locations import local_file, local_files

from .. import bases
from ..corpora.test_sources import recipe
from ..hub import Hub, Repository
from ..rehearsal.facts import load_facts
from ..rehearsal.standin import write_repositories

pytestmark = pytest.mark.usefixtures("no_waiting")
DUMP = "web/downloads/assertions.csv.gz"


def glotcc(hub: Hub, workspace: Path) -> bytes:
    artifact = prepare_corpus(recipe(sources=["glotcc"]), workspace)
    return (artifact.folder / "train.parquet").read_bytes()


def task_data(hub: Hub, workspace: Path) -> bytes:
    (file,) = local_files("hf://datasets/me/sib/data/mlt_Latn/train.tsv", workspace / "downloads")
    return file.read_bytes()


def base(hub: Hub, workspace: Path) -> bytes:
    tokenizer = load_tokenizer("owner/mmbert", None, "base.model")
    model = load_masked_lm("owner/mmbert", None, "base.model")
    weights = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
    return weights + repr(tokenizer("habari za watoto")["input_ids"]).encode()


def dump_address(hub: Hub) -> str:
    return f"{hub.address}/{DUMP.removeprefix('web/')}"


def conceptnet(hub: Hub, workspace: Path) -> bytes:
    return local_file(dump_address(hub), workspace / "downloads").read_bytes()


READ: dict[str, Callable[[Hub, Path], bytes]] = {
    "glotcc": glotcc,
    "task_data": task_data,
    "base": base,
    "conceptnet": conceptnet,
}


RIGHT: dict[str, bytes] = {}
"""What each of them gives, by the first test of it: every fault must come to the same."""


@pytest.fixture
def full(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """All that is read."""
    hub.known |= write_repositories(hub.folder, load_facts(), ["glotcc"])
    hub.put("datasets/me/sib/data/mlt_Latn/train.tsv", "1\thabari\n" * 40)
    bases.write_mmbert(hub.folder / "models/owner/mmbert")
    dump = hub.put(DUMP, "assertions\n" * 1000)
    monkeypatch.setitem(SHA256, dump_address(hub), file_hash(dump))
    return hub


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and the message where that is no success after a retry; one for the hub, one for the dump."""

    set_up: Callable[[Hub], None]
    hub_says: str = ""
    server_says: str = ""
    harmless: tuple[str, ...] = ()
    """What is read all the same: transformers asks first for a file that it can do without."""

    def message(self, source: str) -> str:
        if source in self.harmless:
            return ""
        return self.server_says if source == "conceptnet" else self.hub_says


def always(status: int, hub_says: str, server_says: str) -> Fault:
    end = rf".*\({status}\)$"
    return Fault(lambda hub: setattr(hub, "status", status), hub_says + end, server_says + end)


def at_first(*statuses: int, **more: Any) -> Fault:
    """These answers about the first file; 0: as it should be. The hub's client asks with HEAD before GET."""
    return Fault(lambda hub: setattr(hub, "first", [*statuses]), **more)


def lie(kind: str, hub_says: str) -> Fault:
    return Fault(lambda hub: setattr(hub, "lie", kind), hub_says, "expected SHA-256 .* run the command again")


def drip(hub: Hub) -> None:
    hub.drip, hub.slow = 40, 0.001


FAULTS = {
    "401": always(401, "requires a token: set HF_TOKEN", "requires a login"),
    "403": always(403, "accept its conditions there, then set HF_TOKEN", "refuses access"),
    "404": always(404, "check the name", "no such file"),
    "416": always(416, "changed during the download: run the command again", "cannot be downloaded"),
    "429": always(429, "wait a few minutes", "wait a few minutes"),
    "500": always(500, "internal error: try again later", "internal error; try again later"),
    "503": always(503, "is down: try again later", "is down; try again later"),
    "429 with Retry-After": at_first(429, 429),
    "500 at first": at_first(500),
    "503 at first": at_first(503),
    "503 for the content": at_first(0, 503, 503),
    "416 for the content": at_first(0, 416, hub_says="run the command again", harmless=("base",)),
    "redirect loop": Fault(
        lambda hub: setattr(hub, "loop", True), "redirects in a loop: try again later", "redirects in a loop; check"
    ),
    "cut": Fault(lambda hub: setattr(hub, "cuts", 2)),
    "slow drip": Fault(drip),
    "wrong size": lie("size", "the download was interrupted; run the command again"),
    "wrong hash": lie("hash", "does not have the SHA-256 that the hub states: run the command again"),
}


def mend(hub: Hub) -> None:
    """Answer everything as it should be."""
    hub.status, hub.first, hub.cuts, hub.loop, hub.lie, hub.drip, hub.slow = None, [], 0, False, "", 1, 0.0
    forget_answers()


@pytest.mark.parametrize("source", READ)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_overcome_or_told_in_one_line(full: Hub, tmp_path: Path, source: str, fault: str) -> None:
    read, about = READ[source], FAULTS[fault]
    message = about.message(source)
    forget_answers()
    about.set_up(full)
    if message:
        with pytest.raises(UserError, match=message) as error:
            read(full, tmp_path / "runs")
        assert "\n" not in str(error.value)
        assert exit_code_of(error.value) == 2
        left = [file.name for file in tmp_path.rglob("*")]
        assert not [
            name for name in left if name == "manifest.json" or name.endswith((".incomplete", ".parquet.partial"))
        ]
        mend(full)
    content = read(full, tmp_path / "runs")
    assert content == RIGHT.setdefault(source, content)


def test_wrong_content_is_refused_where_an_earlier_commit_of_the_branch_is_cached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, path = "datasets/me/sib", "train.tsv"
    hub.put(f"{repository}/{path}", "habari\n" * 40)
    assert hub_file("me/sib", path, "main").read_text() == "habari\n" * 40
    hub.put(f"{repository}/{path}", "mvua\n" * 40)
    hub.known[repository] = Repository(commit="b" * 40)
    hub.lie = "hash"
    for _ in range(2):
        with pytest.raises(UserError, match=r"me/sib: train.tsv: the content received does not have the SHA-256"):
            hub_file("me/sib", path, "main")
    monkeypatch.setattr(Path, "unlink", refuse)  # also where the cache may only be read
    with pytest.raises(UserError, match=r"does not have the SHA-256"):
        hub_file("me/sib", path, "main")
    monkeypatch.undo()
    mend(hub)


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_wrong_shards_and_tokenizers_are_refused(hub: Hub) -> None:
    folder = hub.folder / "models/owner/sharded"
    bases.write_glot500(folder)
    load_masked_lm(str(folder), None, "base.model").save_pretrained(folder, max_shard_size="10KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    for read in (load_masked_lm, load_tokenizer):
        hub.lie = "hash"
        with pytest.raises(UserError, match=r"owner/sharded: \S+: the content received does not have the SHA-256"):
            read("owner/sharded", None, "base.model")
        mend(hub)
        read("owner/sharded", None, "base.model")
