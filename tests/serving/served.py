"""A workspace with adapters of several types and languages on one tiny base, and servers of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from lrl_adapt.serving.app import create_app
from lrl_adapt.serving.catalogue import Catalogue, make_catalogue
from lrl_adapt.serving.shared_base import SharedBase
from lrl_adapt.workspace.progress import QUIET

from ..eval.made import TAGS, TOPICS, make_adapter, make_base, make_scores


def make_workspace(folder: Path) -> Path:
    """seq_bn_inv in Swahili with topic and ner, LoRA in Zulu, (IA)³ in Uyghur, a full model in Xhosa."""
    base = make_base(folder)
    adapter = make_adapter(folder, base, "seq_bn_inv")
    make_adapter(folder, base, "lora", language="zul_Latn")
    make_adapter(folder, base, "ia3", language="uig_Arab")
    make_adapter(folder, base, "full", language="xho_Latn")
    make_scores(folder, base, adapter, "topic", TOPICS, per_token=False)
    ner = make_scores(folder, base, adapter, "ner", TAGS, per_token=True)
    make_scores(folder, base, adapter, "pos", ["ADJ", "NOUN"], per_token=True)
    make_scores(folder, base, None, "sentiment", ["hasi", "chanya"], per_token=False)
    shutil.copytree(ner.folder, folder / "scores" / "uig_Arab" / ner.folder.name)
    return folder


def catalogue_of(workspace: Path, **options: Any) -> Catalogue:
    """All adapters of the workspace."""
    arguments = {"adapters": None, "base": None, "language": None, "progress": QUIET, **options}
    return make_catalogue(workspace=workspace, **arguments)


@contextmanager
def client_of(workspace: Path, **options: Any) -> Iterator[TestClient]:
    """A running server of the workspace."""
    catalogue = catalogue_of(workspace)
    app = create_app(catalogue, SharedBase.load(catalogue.base), **options)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
