"""The language codes that the Hugging Face hub filters models by: ISO 639-1 where there is one, else ISO 639-3."""

from .languages import SEVERAL, TWO_LETTER_CODES, all_languages

MULTILINGUAL = "multilingual"
# Languages that are not in the table, that lack the ISO 639-1 code in it, or for which a source uses the code of their
# macro-language although the hub lists them under their own.
_EXCEPTIONS = {
    "aka": "ak",
    "ary": "ary",
    "arz": "arz",
    "bho": "bho",
    "ckb": "ckb",
    "cmn": "zh",
    "ekk": "et",
    "kon": "kg",
    "nob": "nb",
    "yue": "yue",
}


def hub_language(code: str) -> str:
    """The hub's code of a language: `swh_Latn` -> sw, `arz_Arab` -> arz; of several together (`mul_Zyyy`) multilingual.

    A language that stands for a macro-language gets its ISO 639-1 code, as users look for "sw", not "swh".
    """
    if code == SEVERAL.code:
        return MULTILINGUAL
    iso = code[:3]
    if iso in _EXCEPTIONS:
        return _EXCEPTIONS[iso]
    of_table = [short for short, language in TWO_LETTER_CODES.items() if language == iso]
    of_sources = [
        short for row in all_languages() if row.iso == iso for short in (row.wikiann, row.conceptnet) if len(short) == 2
    ]
    return next(iter([*of_table, *of_sources]), iso)
