"""The hub's codes of languages, compared with the aliases of Unicode's CLDR."""

import pytest
from lrl_adapt.recipes.hub_language import hub_language
from lrl_adapt.recipes.languages import all_languages

# CLDR joins some languages, such as Twi with Akan, and keeps the code of a member of a macro-language where
# the hub's users look for the macro-language's.
OTHERWISE_IN_CLDR = {"ajp": "ajp", "dik": "dik", "twi": "tw", "tgl": "tl", "pbt": "ps", "prs": "prs", "quy": "qu"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("swh_Latn", "sw"),
        ("mlt_Latn", "mt"),
        ("est_Latn", "et"),
        ("ekk_Latn", "et"),
        ("arb_Arab", "ar"),
        ("arz_Arab", "arz"),
        ("nob_Latn", "nb"),
        ("zho_Hans", "zh"),
        ("srp_Cyrl", "sr"),
        ("bho_Deva", "bho"),
        ("xho_Cyrl", "xh"),
        ("aka_Latn", "ak"),
        ("kon_Latn", "kg"),
        ("cmn_Hans", "zh"),
        ("qqq_Latn", "qqq"),
        ("mul_Zyyy", "multilingual"),
    ],
)
def test_iso_639_1_where_there_is_one(code: str, expected: str) -> None:
    assert hub_language(code) == expected


def test_every_language_of_the_table_has_the_code_of_cldr() -> None:
    babel = pytest.importorskip("babel.core")  # comes with the documentation site
    aliases = babel.get_global("language_aliases")
    for language in all_languages():
        expected = OTHERWISE_IN_CLDR.get(language.iso, aliases.get(language.iso, language.iso))
        assert hub_language(language.code) == expected, language
