"""The forms in which data sets on the hub write the code of a language."""

from collections.abc import Callable
from typing import Literal

from .languages import TWO_LETTER_CODES, Language, all_languages

CodeForm = Literal["language", "glotcc", "glotlid", "wikipedia", "bcp47"]

# Languages for which a column of the table holds the code of their macro-language.
_OF_MACRO_LANGUAGE = {"ary": "ar", "bho": "bh", "ckb": "ku"}


def code_in(form: CodeForm, language: Language) -> str:
    """The code of a language in a form: `swh_Latn` is swh-Latn for GlotCC and sw for Wikipedia.

    A language that is not in the table has its ISO 639-3 code where the form is a short one.
    """
    return _FORMS[form](language)


def _glotlid(language: Language) -> str:
    """The label of GlotLID, which FineWeb-2 and FinePDFs use: ekk_Latn."""
    return language.glotcc.replace("-", "_")


def _wikipedia(language: Language) -> str:
    if language.wikiann and _OF_MACRO_LANGUAGE.get(language.iso) != language.wikiann:
        return language.wikiann
    return short_code(language)


def _bcp47(language: Language) -> str:
    """The shortest ISO 639 code, with the script if it is not the first one of the table for this language."""
    rows = [row for row in all_languages() if row.iso == language.iso]
    if not rows or rows[0].script == language.script:
        return short_code(language)
    return f"{short_code(rows[0])}_{language.script}"


def short_code(language: Language) -> str:
    """ISO 639-1, of a macro-language too (sw for swh), else ISO 639-3."""
    two_letter = [short for short, iso in TWO_LETTER_CODES.items() if iso == language.iso]
    candidates = (*two_letter, language.wikiann, "" if language.wikiann else language.conceptnet)
    of_macro_language = _OF_MACRO_LANGUAGE.get(language.iso)
    return next((code for code in candidates if len(code) == 2 and code != of_macro_language), language.iso)


_FORMS: dict[CodeForm, Callable[[Language], str]] = {
    "language": lambda language: language.code,
    "glotcc": lambda language: language.glotcc,
    "glotlid": _glotlid,
    "wikipedia": _wikipedia,
    "bcp47": _bcp47,
}
