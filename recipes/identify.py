"""The section of a recipe that checks whether the lines of a corpus are in its language: `corpus.identify`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from .field_types import Locations, Section
from .languages import find_language

GLOTLID = "cis-lmu/glotlid"
GLOTLID_FILE = "model_v3.bin"  # model.bin, as of this commit; 1.69 GB, Apache-2.0
GLOTLID_COMMIT = "74cb50b709c9eefe0f790030c6c95c461b4e3b77"
GLOTLID_BYTES = 1_690_000_000  # about, as the hub shows it


def _code(text: str) -> str:
    return find_language(text).code


class Identify(Section):
    """How lines in other languages are recognised, and what happens to them."""

    model: Literal["auto", "glotlid", "ngrams"] = Field(
        default="auto",
        description="glotlid: GlotLID v3, for about 2,000 languages (1.7 GB, from the hub); ngrams: character n-grams, "
        "learned from trusted and neighbours; auto: ngrams if neighbours are given, else glotlid.",
    )
    trusted: Locations = Field(
        default=[],
        description="ngrams: text in the language, as files, folders, globs or addresses; empty: the corpus's files, "
        "of which at most a tenth should be in other languages.",
    )
    neighbours: dict[Annotated[str, AfterValidator(_code)], Locations] = Field(
        default={},
        description="ngrams: text in each language that the lines may be in, {ind_Latn: texts/ind.txt}.",
    )
    min_probability: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        default=0.95, description="A line counts as another language's from this probability on."
    )
    drop: bool = Field(default=False, description="Drop these lines; false: only count them and list examples.")

    @property
    def uses_ngrams(self) -> bool:
        """Whether the model is one of character n-grams, which is trained here."""
        return self.model == "ngrams" or (self.model == "auto" and bool(self.neighbours))

    def settings(self) -> dict[str, Any]:
        """What enters the key of a corpus besides the content of the files, JSON-ready."""
        ngrams: dict[str, Any] = {"model": "ngrams", "neighbours": sorted(self.neighbours)}
        model = ngrams if self.uses_ngrams else {"model": "glotlid", "commit": GLOTLID_COMMIT}
        return {**model, "min_probability": self.min_probability, "drop": self.drop}

    @model_validator(mode="after")
    def _has_text(self) -> "Identify":
        if self.uses_ngrams and not self.neighbours:
            raise ValueError("model: ngrams needs neighbours, such as {ind_Latn: texts/ind.txt}")
        return self
