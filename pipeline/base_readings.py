"""How the tokenizers of bases read text in a language, before anything is trained."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..recipes.base_names import unknown_base
from ..recipes.yaml_files import BUNDLED
from ..workspace.artifacts import Artifact, finished_folders, read_artifact
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from .texts import file_texts

if TYPE_CHECKING:
    from ..training.tokens import Reading

MOST_LINES = 5000  # the shares hardly change with more


@quiet_libraries()
def read_with_bases(
    language: str, bases: Sequence[str], workspace: Path, files: Sequence[Path] = ()
) -> tuple[str, "dict[str, Reading]"]:
    """What was read, in words, and by the names of bases (hub ids or folders) how each reads it.

    At most `MOST_LINES` lines of the files, or else of the language's newest prepared corpus in the workspace. Raises
    UserError where there is no text, or a base's tokenizer cannot be loaded.
    """
    bases = [name.replace("{recipes}", str(BUNDLED)) for name in bases]
    for name in bases:
        if problem := unknown_base(name, str(BUNDLED)):
            raise UserError(f"--base: {problem}")
    from ..training.base import load_tokenizer
    from ..training.tokens import count_pieces, sample_texts

    if files:
        source, texts = ", ".join(file.name for file in files), list(islice(file_texts(files), MOST_LINES))
    else:
        corpus = _newest_corpus(workspace, language)
        source, texts = corpus.folder.name, list(sample_texts([corpus], MOST_LINES))
    if not any(text.strip() for text in texts):
        raise UserError(f"no text in {source}")
    readings = {name: count_pieces(load_tokenizer(name, None, "--base"), texts) for name in bases}
    return f"{len(texts):,} lines of {source}", readings


def _newest_corpus(workspace: Path, language: str) -> Artifact:
    corpora = [read_artifact(folder) for folder in finished_folders(workspace / "data" / language, "corpus-*")]
    if not corpora:
        raise UserError(
            f"no prepared text in {language} in {workspace}: name a file with --text, or run `lrl-adapt prepare` first"
        )
    return max(corpora, key=lambda corpus: corpus.manifest()["created"])
