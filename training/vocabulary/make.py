"""A recipe's new pieces: learnt on its prepared text, kept as an artifact, and put into a base."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from ...recipes.schema import Recipe
from ...workspace.artifacts import Artifact, Draft, Prepared
from ...workspace.errors import UserError
from ...workspace.progress import QUIET, Progress
from ..artifacts import vocabulary_artifact
from ..base import load_base_tokenizer, load_tokenizer
from ..tokens import Sequences, sample_texts
from ..transliterate import romanise
from .extend import count_words, read_state, vocabulary_size, with_pieces
from .focus import focus_rows, require_gensim
from .layers import append_rows, split_vocabulary
from .pieces import learn_new_pieces, number_of_pieces, splitter_of
from .reference import changed_share, reference_text, without_changes
from .rows import initial_rows

MOST_LINES = 200_000  # of text that pieces are learnt on, spread over all of it


def training_tokenizer(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress = QUIET) -> Any:
    """The tokenizer that the recipe's adapter is trained with: the base's, or that with new pieces."""
    tokenizer = load_base_tokenizer(recipe, workspace, prepared, progress)
    return extended_tokenizer(recipe, workspace, prepared, tokenizer, progress)


def extended_tokenizer(
    recipe: Recipe, workspace: Path, prepared: Prepared, tokenizer: Any, progress: Progress = QUIET
) -> Any:
    """The base's tokenizer with the recipe's new pieces, which are learnt unless that is finished; itself without any.

    For corpus.transliterate it is one that romanises text. Raises UserError for a tokenizer to which no pieces can be
    added, where the base reads all text well, and where uroman or gensim is missing.
    """
    if recipe.transliterates:
        return romanise(tokenizer, recipe.language)
    artifact = vocabulary_artifact(recipe, workspace, prepared)
    if artifact is None:
        return tokenizer
    if recipe.vocabulary.initialisation == "focus":
        require_gensim()
    artifact.build(lambda draft: _learn(recipe, artifact, tokenizer, draft, progress), progress)
    if not artifact.manifest()["facts"]["pieces"]:
        return tokenizer
    extended = load_tokenizer(str(artifact.folder), None, "vocabulary")
    extended.name_or_path = tokenizer.name_or_path
    return extended


def reading_without(recipe: Recipe, workspace: Path, prepared: Prepared) -> dict[str, Any]:
    """Facts on the recipe's new pieces, for manifests: how many, and how the base reads the text without them."""
    artifact = vocabulary_artifact(recipe, workspace, prepared)
    if artifact is None:
        return {}
    facts = artifact.manifest()["facts"]
    return {
        "new_pieces": facts["pieces"],
        "tokens_per_word_without": facts["tokens_per_word_before"],
        "unknown_share_without": facts["unknown_share_before"],
        "reference_words_changed": facts["reference_words_changed"],
    }


def put_new_pieces(
    base: PreTrainedModel, tokenizer: Any, extended: Any, recipe: Recipe, data: Sequence[Sequences]
) -> dict[str, int]:
    """Lengthen the base's vocabulary from that of its `tokenizer` to that of `extended`, with initialised rows.

    The new rows are modules of their own, beside the frozen ones; for `full`, which trains all rows, they are appended.
    With `vocabulary.train: all` the modules also have the rows of those pieces of the base that occur in the training
    `data`, special tokens left out; then their number is returned, for the manifest.
    """
    size = vocabulary_size(tokenizer)
    pieces = extended.convert_ids_to_tokens(list(range(size, vocabulary_size(extended))))
    settings = recipe.vocabulary
    if not pieces and settings.train != "all":
        return {}
    embedding: Any = base.get_input_embeddings()
    seed, known_rows = recipe.training.seed, {}
    if pieces and settings.initialisation == "focus":
        by_id = focus_rows(embedding.weight, data, extended, size, seed)
        known_rows = {pieces[number - size]: row for number, row in by_id.items()}
    rows = initial_rows(embedding.weight, tokenizer, pieces, settings.initialisation, seed, known_rows)
    if recipe.adapter.type != "full" or recipe.control == "head":
        base_ids = _base_pieces(tokenizer, size, data) if settings.train == "all" else None
        split_vocabulary(base, size, rows, trained=settings.train != "none", base_ids=base_ids)
        return {} if base_ids is None else {"trained_base_pieces": len(base_ids)}
    decoder: Any = base.get_output_embeddings()
    bias = {} if decoder.bias is None else {"bias": decoder.bias.mean().detach()}
    append_rows(base, size, {"rows": rows, **bias})
    return {}


def _base_pieces(tokenizer: Any, size: int, data: Sequence[Sequences]) -> torch.Tensor:
    """The ids, ascending, of the pieces of the base, without special tokens, that occur in tokenised text."""
    ids = np.unique(np.concatenate([tokens.pieces() for tokens in data]))
    return torch.from_numpy(ids[(ids < size) & ~np.isin(ids, tokenizer.all_special_ids)])


def _learn(recipe: Recipe, artifact: Artifact, tokenizer: Any, draft: Draft, progress: Progress) -> None:
    settings = recipe.vocabulary
    state = read_state(tokenizer)
    texts = list(progress.track(sample_texts(artifact.parents, MOST_LINES), "text for new pieces, lines"))
    words, spaced_words = count_words(tokenizer, texts), max(1, sum(len(text.split()) for text in texts))
    reference = count_words(tokenizer, reference_text(settings.reference))
    splitter, of_reference = (splitter_of(state, counts) for counts in (words, reference))
    most = number_of_pieces(splitter, words) if settings.pieces == "auto" else settings.pieces
    pieces = learn_new_pieces(splitter, tokenizer.get_vocab().keys(), words, most)
    pieces = without_changes(of_reference, pieces, reference)
    if not pieces and settings.pieces != "auto":
        raise UserError(
            "vocabulary.pieces: the base reads this text well, so there are no pieces to add: remove the section"
        )
    before, after = (version.count_pieces(words) for version in (splitter, splitter.with_pieces(pieces)))
    draft.facts |= {
        "pieces": len(pieces),
        "tokens_per_word_before": round(before.total() / spaced_words, 4),
        "tokens_per_word_after": round(after.total() / spaced_words, 4),
        "unknown_share_before": round(before[None] / max(1, before.total()), 4),
        "unknown_share_after": round(after[None] / max(1, after.total()), 4),
        "reference_words_changed": round(changed_share(of_reference, pieces, reference), 6),
    }
    with_pieces(tokenizer, state, pieces).save_pretrained(str(draft.folder))
    progress.say(_summary(draft.facts) if pieces else "the base reads this text well, so no new pieces are added")


def _summary(facts: dict[str, Any]) -> str:
    return (
        f"{facts['pieces']:,} new pieces: unknown tokens {facts['unknown_share_before']:.1%} -> "
        f"{facts['unknown_share_after']:.1%}, tokens per word {facts['tokens_per_word_before']:.2f} -> "
        f"{facts['tokens_per_word_after']:.2f}; "
        f"{facts['reference_words_changed']:.2%} of the words of the reference text are split in another way"
    )
