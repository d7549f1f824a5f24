"""The language codes that the Hugging Face hub filters models by: ISO 639-1 where there is one, else ISO 639-3."""

from .code_forms import short_code
from .languages import SEVERAL, Language, all_languages

MULTILINGUAL = "multilingual"
_NOT_IN_THE_TABLE = {"cmn": "zh", "ekk": "et"}


def hub_language(code: str) -> str:
    """The hub's code of a language: `swh_Latn` -> sw, `arz_Arab` -> arz; of several together (`mul_Zyyy`) multilingual.

    A language that stands for a macro-language gets its ISO 639-1 code, as users look for "sw", not "swh".
    """
    if code == SEVERAL.code:
        return MULTILINGUAL
    iso = code[:3]
    row = next((row for row in all_languages() if row.iso == iso), Language(code, code))
    return _NOT_IN_THE_TABLE.get(iso) or short_code(row)
