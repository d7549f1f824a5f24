"""The section of a recipe for text: `corpus`."""

import codecs
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ByteSize, Field, field_validator, model_validator

from .field_types import Count, Locations, Section, Share, Text
from .identify import Identify
from .text_sources import OWN_FILES, SourceReference, TextSource, default_source


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class Corpus(Section):
    """Text of the language: files, and sources on the hub; GlotCC where neither is given."""

    files: Locations = Field(
        default=[],
        description="Files, folders or globs: txt, csv, tsv, jsonl, json, parquet, pdf, docx, odt, epub, html, srt, "
        "vtt, usfm, usx; or hf://datasets/OWNER/NAME/PATH, which may be a glob. They take precedence over sources.",
    )
    sources: Annotated[list[SourceReference], BeforeValidator(_as_list)] = Field(
        default=[],
        description="Sources on the hub, the preferred one first: glotcc, fineweb2, wikipedia, finepdfs, hplt, madlad; "
        "NAME@REVISION; or the path of a YAML file. Empty: glotcc if there are no files.",
    )
    share: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default={},
        description="Largest share of max_bytes and max_documents by source, {wikipedia: 0.3}; files stands for the "
        "files. The others divide the rest equally; what one of them lacks goes to the others.",
    )
    text_column: Text | None = Field(
        default=None, description="Column with the text in csv, tsv, jsonl and parquet files; null: content, else text."
    )
    sample_by: Literal["line", "paragraph", "document"] = Field(
        default="line",
        description="One document of a txt file: a line, a paragraph (up to a blank line; wrapped lines are joined) or "
        "the file. In pdf, docx and the like, line and paragraph both mean a paragraph.",
    )
    encoding: str | None = Field(
        default=None,
        description="Encoding of txt, html, srt, vtt and usfm files, as Python names it: cp1252, iso8859-3, …; null: "
        "UTF-8, else the one that fits, which is reported.",
    )
    sampling: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Below 1: repeat smaller files (one for each language), so that the shares of all are proportional "
        "to their sizes raised to this power (multilingual models: 0.3 to 0.7); at most 100 times, after max_bytes.",
    )
    cut: Literal["lines", "sentences"] = Field(
        default="lines",
        description="Split documents at line breaks, or into sentences. Long lines are always split into sentences.",
    )
    max_bytes: Annotated[ByteSize, Field(gt=0)] | None = Field(
        default=None, description="Keep a sample of whole documents of about this size, e.g. 100MB; null: all."
    )
    max_documents: Count | None = Field(default=None, description="Keep a sample of this many documents; null: all.")
    min_characters: Annotated[int, Field(ge=1)] = Field(default=10, description="Drop lines with fewer characters.")
    max_characters: Annotated[int, Field(ge=50)] = Field(
        default=2000,
        description="Split lines with more characters into sentences, and those at spaces; drop longer words.",
    )
    min_letters: Share = Field(
        default=0.5, description="Drop lines with a smaller share of letters; spaces do not count."
    )
    min_script: Share = Field(
        default=0.7, description="Drop lines with a smaller share of letters in the language's script."
    )
    min_probability: Share = Field(
        default=0.5, description="GlotCC: drop pages whose language was identified with a lower probability."
    )
    drop_warnings: list[str] = Field(
        default=["repetition", "repetition_sent"],
        description="GlotCC: drop pages with one of these quality warnings. Others: tiny, short_sentences, long_word.",
    )
    drop_religious: bool = Field(default=False, description="GlotCC: drop pages in its religious categories.")
    drop_boilerplate: bool = Field(
        default=True, description="Drop menus, breadcrumbs, code, web addresses and copyright notices."
    )
    drop_near_duplicates: bool = Field(
        default=True, description="Drop near-duplicates of earlier lines (MinHash, similarity from about 0.7)."
    )
    drop_task_lines: bool = Field(
        default=True, description="Drop lines that occur, exactly or nearly, in the recipe's task data."
    )
    identify: Identify | None = Field(
        default=None, description="Check whether each line is in the language; null: no check."
    )
    transliterate: Literal["latin"] | None = Field(
        default=None,
        description="latin: the adapter reads this and all later text in Latin letters, romanised by uroman; for "
        "scripts that the base cannot read. null: as it is.",
    )
    repair: bool = Field(default=True, description="Repair broken encodings (mojibake, HTML entities) with ftfy.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        """The name by which Python knows the encoding, so that cp1252 and windows-1252 are one setting."""
        if encoding is None:
            return None
        try:
            "a".encode(encoding)  # fails for codecs that are not of text, too
        except (LookupError, UnicodeError) as error:
            raise ValueError(
                f"unknown encoding {encoding!r}: expected one of Python's names: utf-16, cp1252, cp1251, iso8859-3, …"
            ) from error
        return codecs.lookup(encoding).name

    @model_validator(mode="after")
    def _some_length_fits(self) -> "Corpus":
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters {self.min_characters} is more than max_characters {self.max_characters}: no line fits"
            )
        if self.identify is not None and self.identify.uses_ngrams and not (self.identify.trusted or self.files):
            raise ValueError("identify.trusted: name text in the language, since the corpus has no files")
        if self.sampling < 1 and (self.sources or not self.files):
            raise ValueError(
                "sampling needs files, one for each language, and no sources: name them, or set sampling to 1"
            )
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> "Corpus":
        names = self.origin_names
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"sources: {repeated} is named twice")
        if unknown := next((name for name in self.share if name not in names), None):
            raise ValueError(f"share: {unknown} is not a source of this corpus; expected {', '.join(names)}")
        if self.share and self.max_bytes is None and self.max_documents is None:
            raise ValueError("share divides max_bytes or max_documents: set one of them")
        if sum(self.share.values()) > 1 + 1e-9:
            raise ValueError(f"share: the shares add up to {sum(self.share.values()):g}, which is more than 1")
        return self

    @property
    def used_sources(self) -> list[TextSource]:
        """The sources on the hub, the preferred one first."""
        return self.sources or ([] if self.files else [default_source()])

    @property
    def origin_names(self) -> list[str]:
        """What the text comes from, the preferred one first: `files` for the files, and the names of the sources."""
        return [*([OWN_FILES] if self.files else []), *(source.name for source in self.used_sources)]
