"""The files of a language in GlotCC on the hub."""

import hashlib
from dataclasses import replace

from ..workspace.errors import UserError
from ..workspace.hub import HubFolder, list_folder
from .languages import find_language
from .schema import Corpus

FETCHED = 4  # shards are downloaded until they hold this many times the cap


def glotcc_shards(corpus: Corpus, language: str) -> HubFolder:
    """The folder of a language with only its shards, in the order in which they are read; nothing is downloaded.

    The files are `v1.0/<label>/<label>_<i>.parquet`. They are not looked up by configuration, for which `datasets`
    would parse a card of 6,400 lines. If a cap may leave shards unread, their order is pseudo-random, so that the text
    is no sorted part of the whole. Raises UserError if there are none.
    """
    label = find_language(language).glotcc
    folder = list_folder(corpus.glotcc, f"v1.0/{label}", corpus.revision)
    names = sorted(name for name in folder.files if name.endswith(".parquet"))
    if not names:
        raise UserError(f"GlotCC has no text for {label}: name local files in corpus.files")
    if corpus.max_bytes is not None or corpus.max_documents is not None:
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    return replace(folder, files={name: folder.files[name] for name in names})
