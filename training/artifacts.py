"""Which artifacts training makes, and where they are: described without loading torch or transformers."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..recipes.schema import Base, Recipe
from ..workspace.artifacts import MANIFEST, Artifact, Prepared, file_hash, read_manifest

FUSED_SOURCES = ("text", "graph")
BASE_FILES = ("config.json", "*.safetensors", "*.bin", "tokenizer*", "vocab*", "merges*", "*tokens*.json", "*.model")
BASE_FACT = "tokenizer_of"
"""Fact in a tokens artifact's manifest: the base whose tokenizer was used."""


# Raise one when the same recipe and text give other tokens, another base or another adapter (initialisation, masking,
# loss, order of batches), so that those made before are not reused.
TOKENS_CACHE_VERSION = 2
SCRATCH_CACHE_VERSION = 3
ADAPTER_CACHE_VERSION = 3


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


def adapter_artifact(recipe: Recipe, workspace: Path, prepared: Prepared) -> Artifact:
    """The recipe's language adapter."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    section = {
        "language": recipe.language,
        "source": recipe.source,
        "adapter": recipe.adapter.settings(),
        "training": recipe.training.settings(),
        "code": ADAPTER_CACHE_VERSION,
    }
    if recipe.source == "fusion":
        section["adapter"]["fusion_coupling"] = recipe.adapter.fusion_coupling
    return Artifact(
        workspace / "adapters" / recipe.language,
        f"{base_name(recipe.base)}-{recipe.source}-{recipe.adapter.type}",
        "adapter",
        section,
        {"base": base_identity(recipe.base)},
        prepared.of(recipe.source)
        + ((scratch,) if scratch else ())
        + tuple(fused_artifacts(recipe, workspace, prepared).values()),
    )


def fused_recipes(recipe: Recipe) -> dict[str, Recipe]:
    """By source, the recipes of the adapters that a fusion fuses; empty for any other source."""
    sources = FUSED_SOURCES if recipe.source == "fusion" else ()
    return {source: recipe.model_copy(update={"source": source}) for source in sources}


def fused_artifacts(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Artifact]:
    """By source, the adapters that a fusion fuses."""
    return {source: adapter_artifact(part, workspace, prepared) for source, part in fused_recipes(recipe).items()}


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
        for source in prepared.of(recipe.source)
    ]


def tokenizer_owner(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Any]:
    """The base whose tokenizer is used, as the manifest of its tokens records it."""
    scratch = scratch_artifact(recipe, workspace, prepared)
    return {"scratch": scratch.key} if scratch else base_identity(recipe.base)


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
    for file in sorted((workspace / "tokens").glob(f"[!.]*/[!.]*/{MANIFEST}")):
        yield read_manifest(file.parent)
