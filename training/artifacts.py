"""Which artifacts training makes, and where they are: described without loading torch or transformers."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..recipes.control import control_name
from ..recipes.schema import Base, Recipe
from ..workspace.artifacts import (
    Artifact,
    Prepared,
    file_hash,
    finished_folders,
    read_artifact,
    read_manifest,
    resolve_inputs,
)
from ..workspace.errors import UserError
from .transliterate import TRANSLITERATION, romanizer_name

FUSED_SOURCES = ("text", "graph")
BASE_FILES = (
    *("config.json", "*.safetensors", "*.bin", "tokenizer*", "vocab*", "merges*", "*tokens*.json", "*.model"),
    TRANSLITERATION,
)
TRAINED_ROWS = "vocabulary.safetensors"
"""In an adapter's folder: embeddings of new pieces, or of the base's own."""
OWN_READING_FILES = {TRAINED_ROWS, TRANSLITERATION}
"""In the folder of an adapter that reads text in another way than its base: at least one of them."""
DATA = ("corpus", "graph")
"""Kinds and names of the artifacts that adapters are trained on."""
BASE_FACT = "tokenizer_of"
"""Fact in a tokens artifact's manifest: the base whose tokenizer was used."""


# Raise one when the same recipe and text give other tokens, another base or another adapter (initialisation, masking,
# loss, order of batches), so that those made before are not reused.
TOKENS_CACHE_VERSION = 2
SCRATCH_CACHE_VERSION = 3
ADAPTER_CACHE_VERSION = 3
WHOLE_WORD_CACHE_VERSION = 4  # of adapters trained with whole_word_mask
VOCABULARY_CACHE_VERSION = 1


def base_name(base: Base) -> str:
    """Short name for folders and tables: xlm-roberta-base, scratch."""
    return "scratch" if base.model is None else Path(base.model).name


def base_identity(base: Base) -> dict[str, Any]:
    """What decides the content of a base that is loaded: hub id and revision, or the hashes of a folder's files."""
    if base.model is None:
        return {}
    folder = Path(base.model)
    new_head = {"new_head": True} if base.new_head else {}
    if not folder.is_dir():
        return {"model": base.model, "revision": base.revision} | new_head
    files = sorted({file for pattern in BASE_FILES for file in folder.glob(pattern)})
    return {file.name: file_hash(file) for file in files} | new_head


def scratch_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact | None:
    """The recipe's base with random weights; None when the recipe names a model."""
    if recipe.base.from_scratch is None:
        return None
    unread = set() if recipe.base.from_scratch.alphabet else {"alphabet"}
    return Artifact(
        workspace / "bases" / recipe.language,
        "scratch",
        "base",
        {**recipe.base.from_scratch.artifact_settings(exclude=unread), "code": SCRATCH_CACHE_VERSION},
        parents=prepared.all,
    )


def vocabulary_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact | None:
    """The base's tokenizer with the recipe's new pieces, learnt on its corpus, or else its graph; None without any.

    Raises UserError if the reference text is missing.
    """
    settings = recipe.vocabulary
    if not settings.pieces:
        return None
    artifact = Artifact(
        workspace / "vocabularies" / recipe.language,
        base_name(recipe.base),
        "vocabulary",
        {"pieces": settings.pieces, "code": VOCABULARY_CACHE_VERSION},
        {"base": base_identity(recipe.base)},
        parents=prepared.all[:1],
    )
    if settings.reference is None:
        return artifact
    path = Path(settings.reference)
    return resolve_inputs(artifact, {"reference": lambda: _reference_hash(path)})


def _reference_hash(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"vocabulary.reference: no such file: {path}")
    return file_hash(path)


def adapter_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact:
    """The recipe's language adapter, or the control in its place; for that of another language, pass its recipe."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    assert recipe.trained is recipe  # of another language, its own recipe says what is trained
    control = {} if recipe.control is None else {"control": control_name(recipe.control)}
    section = {
        "language": recipe.language,
        "source": recipe.source,
        "adapter": {} if recipe.control == "head" else recipe.adapter.settings(),
        "training": recipe.training.settings(),
        "code": WHOLE_WORD_CACHE_VERSION if recipe.training.whole_word_mask else ADAPTER_CACHE_VERSION,
        **control,
    }
    if fused_recipes(recipe):
        section["adapter"]["fusion_coupling"] = recipe.adapter.fusion_coupling
    vocabulary = vocabulary_artifact(recipe, workspace, prepared)
    if vocabulary:
        section["vocabulary"] = recipe.vocabulary.artifact_settings(include={"initialisation", "train"})
    section |= _transliteration(recipe)
    kind = [] if recipe.control == "head" else [recipe.adapter.type]
    return Artifact(
        workspace / "adapters" / recipe.language,
        "-".join([base_name(recipe.base), recipe.source, *kind, *control.values()]),
        "adapter",
        section,
        {"base": base_identity(recipe.base)},
        training_data(recipe, prepared)
        + ((scratch,) if scratch else ())
        + ((vocabulary,) if vocabulary else ())
        + tuple(fused_artifacts(recipe, workspace, prepared).values()),
    )


def training_data(recipe: Recipe, prepared: Prepared) -> tuple[Artifact, ...]:
    """The prepared data that the recipe's adapter is trained on."""
    return prepared.of("text" if recipe.control == "text-fusion" else recipe.source)


def existing_data(adapter: Path) -> list[Artifact]:
    """The corpora and graphs that the adapter in a folder with a manifest was trained on, as far as they exist."""
    return [parent for parent in read_artifact(adapter).parents if parent.kind in DATA]


def lacks_data(adapter: Path) -> bool:
    """Whether some of the corpora and graphs that an adapter's manifest names were deleted."""
    named = [name for name in read_manifest(adapter).get("parents", []) if Path(name).name.partition("-")[0] in DATA]
    return len(existing_data(adapter)) < len(named)


def fused_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """By their names in the fusion, the recipes of the adapters that are fused; empty for any other source.

    The control text-fusion has a second text adapter, with the next seed, in the place of the one on the graph.
    """
    if recipe.source != "fusion" or recipe.control == "head":
        return {}
    alone = recipe.model_copy(update={"control": None})
    parts = {source: alone.model_copy(update={"source": source}) for source in FUSED_SOURCES}
    if recipe.control == "text-fusion":
        training = recipe.training.model_copy(update={"seed": recipe.training.seed + 1})
        return {"text": parts["text"], "text2": parts["text"].model_copy(update={"training": training})}
    return parts


def fused_artifacts(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Artifact]:
    """By their names in the fusion, the adapters that are fused."""
    return {name: adapter_artifact(part, workspace, prepared) for name, part in fused_recipes(recipe).items()}


def tokens_artifact(
    source: Artifact, tokenizer_key: str, max_length: int, root: Path, *, line_by_line: bool
) -> Artifact:
    """The tokenised form of `source`; its hash covers data, tokenizer content, settings and code version."""
    section = {
        "tokenizer": tokenizer_key,
        "max_length": max_length,
        "line_by_line": line_by_line,
        "code": TOKENS_CACHE_VERSION,
    }
    return Artifact(root, source.name, "tokens", section, parents=(source,))


def token_artifacts(recipe: Recipe, workspace: Path, prepared: Prepared, tokenizer_key: str) -> list[Artifact]:
    """The recipe's tokenised text, graph or both; `tokenizer_key` is the hash of the base's tokenizer."""
    settings = recipe.training
    root = workspace / "tokens" / recipe.language
    return [
        tokens_artifact(source, tokenizer_key, settings.max_length, root, line_by_line=settings.line_by_line)
        for source in training_data(recipe, prepared)
    ]


def tokenizer_owner(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Any]:
    """The base whose tokenizer is used, and the new pieces, as the manifest of its tokens records them."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    vocabulary = vocabulary_artifact(recipe, workspace, prepared)
    owner = {"scratch": scratch.key} if scratch else base_identity(recipe.base)
    return owner | ({"vocabulary": vocabulary.key} if vocabulary else {}) | _transliteration(recipe)


def _transliteration(recipe: Recipe) -> dict[str, Any]:
    """The script of the text that is read, whose rules are used, and by what; empty for text as it is."""
    return {"transliterate": ["latin", recipe.language, romanizer_name()]} if recipe.transliterates else {}


def known_tokenizer_hash(recipe: Recipe, workspace: Path, prepared: Prepared) -> str | None:
    """The hash of the base's tokenizer as earlier tokens in the workspace record it; None where there are none.

    To compute it, transformers has to load the tokenizer. Other versions of the libraries may give another hash, so
    their records do not count.
    """
    owner = tokenizer_owner(recipe, workspace, prepared)
    installed = {package: version(package) for package in ("transformers", "tokenizers")}
    for manifest in _token_manifests(workspace):
        recorded = {package: manifest["versions"].get(package) for package in installed}
        if recorded == installed and manifest["facts"].get(BASE_FACT) == owner:
            return manifest["section"]["tokenizer"]
    return None


def _token_manifests(workspace: Path) -> Iterator[dict[str, Any]]:
    yield from map(read_manifest, finished_folders(workspace / "tokens", "[!.]*/[!.]*"))
