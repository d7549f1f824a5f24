"""GlotLID (Kargaran et al. 2023, arXiv 2310.16248), a fastText model that knows about 2,000 languages.

Its file is read by `fasttext-predict`, which is fastText without training: 1 MB, no dependencies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..recipes.identify import GLOTLID, GLOTLID_COMMIT, GLOTLID_FILE
from ..recipes.languages import Language
from ..workspace.errors import UserError
from ..workspace.hub import hub_file
from .ngrams import split_in_two

PREFIX = "__label__"
NO_LANGUAGE = ("und", "zxx")  # labels of GlotLID v3 for unknown scripts and for what is no language at all
NGRAMS_INSTEAD = "or give corpus.identify.neighbours, for which nothing is downloaded"


@dataclass(frozen=True)
class GlotLid:
    """Identifies languages with the model in a local file."""

    path: str
    label: str
    """GlotLID's name of the language that the lines should be in."""
    min_probability: float
    name: str = f"{GLOTLID} ({GLOTLID_FILE}, commit {GLOTLID_COMMIT})"
    most_processes: int | None = 1  # each would hold the model, 1.7 GB

    def other_languages(self, lines: Sequence[str]) -> list[str | None]:
        """For each line GlotLID's label if it is another language's, None otherwise.

        Both halves of a line must look like another language than its own, which spares lines that mix languages.
        """
        codes: list[str | None] = [
            label if label != self.label and probability >= self.min_probability and _is_language(label) else None
            for label, probability in self._predict(lines)
        ]
        suspects = [index for index, code in enumerate(codes) if code is not None]
        halves = self._predict([half for index in suspects for half in split_in_two(lines[index])])
        for index, (first, _), (second, _) in zip(suspects, halves[0::2], halves[1::2], strict=True):
            if self.label in (first, second):
                codes[index] = None
        return codes

    def _predict(self, lines: Sequence[str]) -> list[tuple[str, float]]:
        """The most probable label of each line, and its probability; ("", 0) for a line without known n-grams."""
        best = []
        for line in lines:  # one by one: fasttext-predict 0.9.2.4 fails on lists
            labels, probabilities = _load(self.path).predict(line)
            best.append((labels[0].removeprefix(PREFIX), float(probabilities[0])) if labels else ("", 0.0))
        return best


def find_glotlid(language: Language, min_probability: float) -> GlotLid:
    """GlotLID for lines that should be in `language`, downloaded unless it is cached (1.7 GB).

    Raises UserError if its library is missing, if it cannot be downloaded, or if it does not know the language.
    """
    _require_library()
    try:
        path = hub_file(GLOTLID, GLOTLID_FILE, GLOTLID_COMMIT, repo_type="model")
    except UserError as error:
        raise UserError(f"corpus.identify: {error}; {NGRAMS_INSTEAD}") from error
    model = GlotLid(str(path), language.glotcc.replace("-", "_"), min_probability)
    if f"{PREFIX}{model.label}" not in _labels(model.path):
        raise UserError(
            f"corpus.identify: GlotLID does not know {model.label}; give corpus.identify.neighbours instead"
        )
    return model


def _require_library() -> None:
    try:
        import fasttext  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"corpus.identify: GlotLID needs fasttext-predict: pip install 'lrl-adapt[identify]', {NGRAMS_INSTEAD}"
        ) from error


def _is_language(label: str) -> bool:
    return label.partition("_")[0] not in NO_LANGUAGE


@cache
def _load(path: str) -> Any:
    import fasttext

    return fasttext.load_model(path)


def _labels(path: str) -> set[str]:
    """All labels of a model: those of any text, as no limit is set to their number or probability."""
    labels, _ = _load(path).predict("a", k=-1)
    return set(labels)
