"""Text sources: data sets on the hub with text in many languages, each described by a YAML file in `sources/`."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from ..workspace.errors import UserError, nearest
from ..workspace.locations import is_file
from .code_forms import CodeForm, code_in
from .field_types import Section, Text
from .languages import Language, UnknownLanguageError, find_language
from .yaml_files import read_yaml

FOLDER = Path(__file__).parent / "sources"
DEFAULT = "glotcc"
OWN_FILES = "files"
"""What `corpus.share` and tables call the files of `corpus.files`; no source may have this name."""
CODE = "{code}"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class TextSource(Section):
    """A data set on the hub with text in many languages, in files that are named by language."""

    name: str = Field(description="Name in corpus.share, tables and messages; of a YAML file, the file's name.")
    title: str = Field(default="", description="Name for readers, such as FineWeb-2; empty: the hub id.")
    repository: str = Field(description="Hub id of the data set: OWNER/NAME.")
    revision: str = Field(default="main", description="Branch, tag or commit.")
    files: str = Field(
        description="Path of the files of one language in the repository, with {code} for the language's code and "
        "*, ?, [...] in the name of the file: data/{code}/train/*.parquet."
    )
    code: CodeForm = Field(
        default="language",
        description="Form of the language's code: language (swh_Latn), glotcc (swh-Latn), glotlid (swh_Latn, with "
        "GlotLID's labels: ekk_Latn), wikipedia (sw), bcp47 (sw, ta_Latn).",
    )
    codes: dict[str, Text] = Field(
        default={}, description="Codes that differ from that form, by language: {tgl_Latn: fil}; empty: not covered."
    )
    text: Text = Field(default="text", description="Column with the text.")
    id: Text | None = Field(
        default=None,
        description="Column that identifies a page and thereby decides its split; null: the text itself.",
    )
    escaped_line_breaks: bool = Field(
        default=False, description="Line breaks in the text are written as a backslash and an n."
    )
    licence: str = Field(default="", description="Licence of the data set, used where its card states none.")
    terms: str = Field(default="", description="Terms of the text itself, where the licence covers only its packaging.")
    quality: str = Field(default="", description="What is known of the quality of the text.")
    layout: Literal["run", "seen", "unseen"] = Field(
        default="unseen",
        description="How sure the layout is. run: lrl-adapt has read it from the hub; seen: from pages of the hub or "
        "from code that reads it; unseen: neither.",
    )

    @field_validator("name")
    @classmethod
    def _other_name_than_own_files(cls, name: str) -> str:
        if name == OWN_FILES or not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"{name!r} cannot be the name of a source: use letters, digits, - and _, and not files")
        return name

    @field_validator("repository")
    @classmethod
    def _hub_id(cls, repository: str) -> str:
        if not REPOSITORY.fullmatch(repository):
            raise ValueError(f"expected a hub id, OWNER/NAME, got {repository!r}")
        return repository

    @field_validator("files")
    @classmethod
    def _names_the_language(cls, files: str) -> str:
        if CODE not in files:
            raise ValueError(f"write {CODE} where the path has the language's code, got {files!r}")
        return files

    @field_validator("codes")
    @classmethod
    def _known_languages(cls, codes: dict[str, str]) -> dict[str, str]:
        try:
            return {find_language(language).code: code for language, code in codes.items()}
        except UnknownLanguageError as error:
            raise ValueError(str(error)) from error

    @property
    def shown(self) -> str:
        """The name for readers."""
        return self.title or self.repository

    def code_of(self, language: Language) -> str:
        """The source's code of a language; "" if the source is known not to have it."""
        return self.codes.get(language.code, code_in(self.code, language))

    def address(self, language: Language) -> str:
        """The files of a language as an `hf://` address, which may be a pattern."""
        path = self.files.replace(CODE, self.code_of(language))
        return f"hf://datasets/{self.repository}@{self.revision}/{path}"

    def identity(self, language: Language) -> str:
        """What decides the text of a language: address and columns, for the key of a corpus."""
        escaped = " escaped" if self.escaped_line_breaks else ""
        return f"{self.address(language)} {self.text} {self.id}{escaped}"


def bundled_sources() -> dict[str, TextSource]:
    """The bundled sources by name, the default first."""
    names = sorted((path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (name != DEFAULT, name))
    return {name: _bundled(name) for name in names}


@cache
def _bundled(name: str) -> TextSource:
    return TextSource.model_validate(_contents(FOLDER / f"{name}.yaml"))


def default_source() -> TextSource:
    """The source of text where a recipe names none: GlotCC."""
    return _bundled(DEFAULT)


def is_glotcc(source: TextSource) -> bool:
    """Whether a source is the bundled GlotCC, at any revision."""
    return source.model_copy(update={"revision": default_source().revision}) == default_source()


def is_source_file(reference: str) -> bool:
    """Whether a reference to a source is the path of a YAML file, not a bundled name."""
    return reference.endswith((".yaml", ".yml"))


def _resolved(value: Any) -> Any:
    """The source that a name (`glotcc`, `glotcc@REVISION`) or the path of a YAML file stands for, for pydantic.

    Raises ValueError for an unknown name and a file that cannot be read.
    """
    if not isinstance(value, str):
        return value
    if is_source_file(value):
        try:
            return _contents(Path(value))
        except UserError as error:
            raise ValueError(str(error)) from error
    name, _, revision = value.partition("@")
    bundled = [path.stem for path in FOLDER.glob("*.yaml")]
    if name not in bundled:
        near = nearest(name, bundled)
        known = f"bundled sources: {', '.join(sorted(bundled))}; one of your own is named by the path of its YAML file"
        raise ValueError(f"no source is called {name!r}; " + (f"did you mean {near}?" if near else known))
    return _bundled(name).model_dump() | ({"revision": revision} if revision else {})


def _contents(path: Path) -> dict[str, Any]:
    """The contents of a source's file. Raises UserError if it cannot be read."""
    if not is_file(path):
        raise UserError(f"no such file: {path}")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a source is a mapping (repository, files, code, text, ...)")
    return {"name": path.stem} | raw


SourceReference = Annotated[TextSource, BeforeValidator(_resolved)]
"""A source, given by its bundled name, by the path of a YAML file, or as a mapping."""
