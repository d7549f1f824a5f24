"""The stand-in of the hub, filled: a repository for each data set and model of the table, and ConceptNet's dump.

    python -m lrl_adapt.tests.rehearsal.standin FOLDER

serves it until it is interrupted; `--break sib200.columns.label` changes one fact.
"""

import argparse
import hashlib
import threading
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from ..hub import Hub, Repository
from .datasets import WRITERS, write_card, write_conceptnet
from .facts import Facts, load_facts
from .tasks import TASKS, write_task


def write_repositories(folder: Path, facts: Facts, only: Collection[str] = ()) -> dict[str, Repository]:
    """Write what the table describes (`only` some of it) and return what the hub is to know of each repository."""
    known = {}
    for name, about in facts.items():
        if only and name not in only:
            continue
        if name == "conceptnet":
            write_conceptnet(folder / "web", facts)
            continue
        if "address" in about:
            write_task(folder / "web" / urlsplit(about["address"]).path.strip("/") / about["revision"], facts, name)
            continue
        repository = folder / about["repository"]
        write_card(repository, about)
        if name in WRITERS:
            WRITERS[name](repository, facts)
        elif name in TASKS:
            write_task(repository, facts, name)
        else:
            from .models import write_model  # torch and transformers take seconds

            write_model(repository, name, about)
        known[about["repository"]] = Repository(
            commit=about.get("revision") or hashlib.sha1(name.encode()).hexdigest(),
            gated="auto" if about.get("gated") else False,
        )
    return known


def start(folder: Path, facts: Facts, only: Collection[str] = (), port: int = 0) -> Hub:
    """A hub that serves what the table describes."""
    return Hub(folder, write_repositories(folder, facts, only), port)


def main() -> None:
    """Serve the stand-in for people who want to look at it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where its files are written")
    parser.add_argument("--break", dest="changed", default="", metavar="FACT", help="change one fact of the table")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    hub = start(given.folder, load_facts(given.changed), port=given.port)
    print(f"HF_ENDPOINT={hub.address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
