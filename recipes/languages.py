"""Languages and their codes in the data sources.

FLORES and SIB-200 write `swh_Latn`, the canonical form here, GlotCC `swh-Latn`, ConceptNet and WikiANN `sw`. The table,
`languages.csv`, was compiled from

- Joshi et al. 2020, "The State and Fate of Linguistic Diversity": resource classes, as printed in the paper below,
- Gurgurov et al. 2025, arXiv 2502.10140: its 30 languages, their sentiment sets and what mBERT and XLM-R saw of them
  (size of Wikipedia and of CC100 in GB, 0 where the paper counts the language as unseen),
- the statistics published with GlotCC-V1 (v1.0-stat-2.zip): labels and numbers of documents,
- the languages of ConceptNet 5.7 after its own aliases,
- the 176 configurations of WikiANN (balanced splits) and the languages of FLORES-200 and SIB-200.
"""

import csv
import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile

from ..workspace.errors import UserError

# GlotCC follows GlotLID, which has other labels for these. Two rows may share one label.
_GLOTCC_LABELS = {
    "est_Latn": "ekk-Latn",
    "grn_Latn": "gug-Latn",
    "pes_Arab": "fas-Arab",
    "prs_Arab": "fas-Arab",
    "tgl_Latn": "fil-Latn",
    "yue_Hant": "yue-Hani",
    "zho_Hans": "cmn-Hani",
    "zho_Hant": "cmn-Hani",
}

# ISO 639-3 macro-languages, which have no row of their own, with their members in the table.
_MACRO_LANGUAGES = {
    "aka": "aka twi",
    "ara": "acm aeb ajp apc arb ars ary arz",
    "aym": "ayr",
    "aze": "azb azj",
    "din": "dik",
    "fas": "pes prs",
    "ful": "fuv",
    "hbs": "bos hrv srp",
    "kau": "knc",
    "kur": "ckb kmr",
    "lav": "ltg lvs",
    "mlg": "plt",
    "mon": "khk",
    "msa": "bjn ind min zsm",
    "nep": "npi",
    "nor": "nno nob",
    "ori": "ory",
    "orm": "gaz",
    "pus": "pbt",
    "que": "quy",
    "sqi": "als",
    "swa": "swh",
    "tmh": "taq",
    "uzb": "uzn",
    "yid": "ydd",
}

# ISO 639-1 codes that neither ConceptNet nor WikiANN uses.
TWO_LETTER_CODES = {
    "ak": "aka",
    "dz": "dzo",
    "kg": "kon",
    "kr": "knc",
    "ks": "kas",
    "lg": "lug",
    "nb": "nob",
    "ny": "nya",
    "om": "gaz",
    "rn": "run",
    "sg": "sag",
    "sn": "sna",
    "ss": "ssw",
    "tn": "tsn",
    "ts": "tso",
    "tw": "twi",
}

# ISO 15924 codes of FLORES and GlotCC that are not among those of Unicode, and codes of Unicode that are not scripts.
_MIXED_SCRIPTS = {"Hans", "Hant", "Jpan", "Kore"}
_NO_SCRIPTS = {"Zinh", "Zyyy", "Zzzz"}

_CODE = re.compile(r"([a-z]{3})_([a-z]{4})")


class UnknownLanguageError(ValueError):
    """The text is not the name of one language; the message says which languages may be meant."""


class AmbiguousLanguageError(UnknownLanguageError):
    """The text is a macro-language or a code of several languages; the message names them."""


@dataclass(frozen=True)
class Language:
    """A language in one script, with its codes and further facts; `None` and "" mean unknown."""

    code: str
    """ISO 639-3 and ISO 15924 as in FLORES-200: `swh_Latn`."""
    name: str
    """English name."""
    conceptnet: str = ""
    """Code in ConceptNet 5.7."""
    wikiann: str = ""
    """Code of the Wikipedia in WikiANN."""
    sentiment: str = ""
    """Sentiment data set of the paper on the Hugging Face hub, such as `DGurgurov/swahili_sa`."""
    joshi_class: int | None = None
    """Resource class, 0 to 5, as the paper prints it."""
    mbert_gb: float | None = None
    """Size of the Wikipedia, for mBERT's pre-training data; 0 if the paper counts the language as unseen."""
    xlmr_gb: float | None = None
    """Size in CC100, XLM-R's pre-training data; 0 if the paper counts the language as unseen."""
    glotcc_documents: int | None = None
    """Documents in GlotCC-V1; languages that share a label share its number."""
    paper: bool = False
    """One of the 30 languages of arXiv 2502.10140."""
    note: str = ""
    """A known mismatch between the sources."""

    @property
    def iso(self) -> str:
        """ISO 639-3 code: `swh`."""
        return self.code[:3]

    @property
    def macro(self) -> str:
        """ISO 639-3 code of its macro-language, by which some data sets call it, `swa`; without one its own."""
        return next((macro for macro, members in _MACRO_LANGUAGES.items() if self.iso in members.split()), self.iso)

    @property
    def script(self) -> str:
        """ISO 15924 code: `Latn`."""
        return self.code[4:]

    @property
    def glotcc(self) -> str:
        """Label in GlotCC-V1: `swh-Latn`."""
        return _GLOTCC_LABELS.get(self.code, self.code.replace("_", "-"))

    @property
    def flores(self) -> str:
        """Label in FLORES-200 and SIB-200: `swh_Latn`."""
        return self.code


# ISO 639-2 and ISO 15924 codes of several languages and scripts: for the text of a base, not a row of the table.
SEVERAL = Language("mul_Zyyy", "Several languages")


@cache
def all_languages() -> tuple[Language, ...]:
    """All languages of the table, sorted by code."""
    text = files(__name__.rpartition(".")[0]).joinpath("languages.csv").read_text(encoding="utf-8")
    return tuple(_from_row(row) for row in csv.DictReader(text.splitlines()))


def find_language(text: str) -> Language:
    """The language with this code in one of the data sources, this ISO code or this English name.

    Case, '-' and '_' make no difference. A full code that is not in the table (`xho-Cyrl`) is a language too if its
    script is valid, as GlotCC has many more labels than the table. `mul` stands for several languages together.

    Raises:
        AmbiguousLanguageError: `text` is a macro-language or a code of several languages.
        UnknownLanguageError: `text` is not a language.
    """
    key = _normalise(text)
    if key in ("mul", "mul_zyyy"):
        return SEVERAL
    exact = _by_full_name().get(key, ())
    if len(exact) == 1:
        return exact[0]
    code = _CODE.fullmatch(key)
    members = _members(code[1] if code else key)
    if members and not exact:
        raise AmbiguousLanguageError(f"{text!r} is a macro-language; use {_join(members)}")
    if code:
        script = code[2].title()
        if not _is_script(script):
            raise UnknownLanguageError(f"unknown script {script!r} in {text!r}; {suggestion(text)}")
        full_code = f"{code[1]}_{script}"
        return Language(code=full_code, name=full_code)
    matches = _by_short_code().get(key, ())
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise AmbiguousLanguageError(f"{text!r} may mean {_join(matches)}; name one")
    raise UnknownLanguageError(f"unknown language {text!r}; {suggestion(text)}")


def language_code(text: str, option: str = "language") -> str:
    """The code that names a language's folders, `swh_Latn`. Raises UserError, naming `option`, for an unknown one."""
    try:
        return find_language(text).code
    except UnknownLanguageError as error:
        raise UserError(f"{option}: {error}") from error


def search_languages(text: str) -> list[Language]:
    """The languages with `text` in a code, the name or the sentiment data set; exact matches first.

    A macro-language gives its members, and a full code that is not in the table the language that it stands for.
    """
    key = _normalise(text)
    code = _CODE.fullmatch(key)
    members = _members(code[1] if code else key)
    texts = {language: {*_keys(language), _normalise(language.sentiment)} for language in all_languages()}
    matches = [language for language in texts if language in members or any(key in part for part in texts[language])]
    if not matches and code and _is_script(code[2].title()):
        return [find_language(text)]
    return sorted(matches, key=lambda language: language not in members and key not in texts[language])


def suggestion(text: str) -> str:
    """What may be meant by an unknown `text`, as the end of a sentence: similar languages, else the forms of codes."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and any(known := [*map(_is_language, parts)]):
        several = f"; a recipe runs several with grid: {{language: [{', '.join(parts)}]}}"
        return "name one language" + (several if all(known) else "")
    key = _normalise(text)
    iso, _, script = key.partition("_")
    nearest = [language for language in all_languages() if script and language.iso == iso]
    if not nearest and _CODE.fullmatch(key):
        scripts = sorted({language.script for language in all_languages()})
        near = difflib.get_close_matches(script.title(), scripts, n=1)
        if near:
            return f"did you mean {iso}_{near[0]}?"
    nearest = (nearest or _nearest(key))[:3]
    return (
        f"did you mean {_join(nearest)}?" if nearest else "expected a code or name such as swh_Latn, swh, sw or Swahili"
    )


def _is_language(text: str) -> bool:
    try:
        return bool(find_language(text))
    except UnknownLanguageError as error:
        return isinstance(error, AmbiguousLanguageError)


def _from_row(row: dict[str, str]) -> Language:
    return Language(
        code=row["code"],
        name=row["name"],
        conceptnet=row["conceptnet"],
        wikiann=row["wikiann"],
        sentiment=row["sentiment"],
        joshi_class=int(row["joshi_class"]) if row["joshi_class"] else None,
        mbert_gb=float(row["mbert_gb"]) if row["mbert_gb"] else None,
        xlmr_gb=float(row["xlmr_gb"]) if row["xlmr_gb"] else None,
        glotcc_documents=int(row["glotcc_documents"]) if row["glotcc_documents"] else None,
        paper=row["paper"] == "1",
        note=row["note"],
    )


def _normalise(text: str) -> str:
    return text.strip().casefold().replace("-", "_")


def _members(macro: str) -> list[Language]:
    """The languages of a macro-language in the table; empty for any other code."""
    isos = _MACRO_LANGUAGES.get(macro, "").split()
    return [language for language in all_languages() if language.iso in isos]


def _is_script(code: str) -> bool:
    from fontTools.unicodedata.Scripts import NAMES  # slow to import, and most languages are in the table

    return code in _MIXED_SCRIPTS or (code in NAMES and code not in _NO_SCRIPTS)


def _full_keys(language: Language) -> set[str]:
    return {_normalise(key) for key in (language.code, language.glotcc, language.name)}


def _short_keys(language: Language) -> set[str]:
    """The short codes of a language except its ISO code, which takes precedence."""
    two_letter = [short for short, iso in TWO_LETTER_CODES.items() if iso == language.iso]
    keys = (language.conceptnet, language.wikiann, language.glotcc[:3], *two_letter)
    return {_normalise(key) for key in keys if key}


def _keys(language: Language) -> set[str]:
    return _full_keys(language) | _short_keys(language) | {language.iso}


@cache
def _by_full_name() -> dict[str, tuple[Language, ...]]:
    """Languages by code, GlotCC label and English name."""
    by_name: dict[str, tuple[Language, ...]] = {}
    for language in all_languages():
        for key in _full_keys(language):
            by_name[key] = (*by_name.get(key, ()), language)
    return by_name


@cache
def _by_short_code() -> dict[str, tuple[Language, ...]]:
    """Languages by short code; an ISO code of the table always stands for its own language."""
    by_iso: dict[str, tuple[Language, ...]] = {}
    by_other_code: dict[str, tuple[Language, ...]] = {}
    for language in all_languages():
        by_iso[language.iso] = (*by_iso.get(language.iso, ()), language)
        for key in _short_keys(language):
            by_other_code[key] = (*by_other_code.get(key, ()), language)
    return by_other_code | by_iso


def _join(languages: list[Language] | tuple[Language, ...]) -> str:
    *first, last = (f"{language.code} ({language.name})" for language in languages)
    return f"{', '.join(first)} or {last}" if first else last


def _nearest(key: str) -> list[Language]:
    """The languages whose name contains an unknown `key`, else those with similar codes and names."""
    by_key: dict[str, Language] = {}
    for language in all_languages():
        for known_key in _keys(language):
            by_key.setdefault(known_key, language)
    part_of = [language for language in all_languages() if len(key) > 3 and key in language.name.casefold()]
    # A two-letter code is similar to every three-letter one, so codes are compared only with codes of the same length.
    comparable = [known_key for known_key in by_key if len(known_key) == len(key) or len(known_key) > 3]
    close = difflib.get_close_matches(key, comparable, n=6, cutoff=0.65)
    near = [by_key[known_key] for known_key in sorted(close, key=lambda known_key: -_similarity(key, known_key))]
    return list(dict.fromkeys(part_of or near))


def _similarity(key: str, known_key: str) -> float:
    """Difflib's ratio, raised for a common beginning as Winkler (1990) does: Malti is Maltese rather than Somali."""
    ratio = difflib.SequenceMatcher(None, known_key, key).ratio()
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(key[:4], known_key[:4], strict=False)))
    return ratio + 0.1 * common * (1 - ratio)
