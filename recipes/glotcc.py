"""GlotCC's files of a language on the hub."""

import hashlib
from dataclasses import replace

from ..workspace.errors import UserError
from ..workspace.hub import HubFolder, list_folder
from .languages import find_language
from .schema import Corpus

FETCHED = 4  # times the cap is fetched before the rest of the shards is left alone


def glotcc_shards(corpus: Corpus, language: str) -> HubFolder:
    """The folder of a language with its shards alone, in the order in which they are read; nothing is downloaded.

    The files are `v1.0/<label>/<label>_<i>.parquet`. They are never found by config name: that would parse a card of
    6,400 lines. Where a cap may leave some unread, the order has no meaning. Raises UserError where there are none.
    """
    label = find_language(language).glotcc
    folder = list_folder(corpus.glotcc, f"v1.0/{label}", corpus.revision)
    names = sorted(name for name in folder.files if name.endswith(".parquet"))
    if not names:
        raise UserError(f"GlotCC has no text for {label}: name local files in corpus.files")
    if corpus.max_bytes is not None or corpus.max_documents is not None:
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    return replace(folder, files={name: folder.files[name] for name in names})
