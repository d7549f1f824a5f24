import re
from collections import Counter

import pytest
from lrl_adapt.recipes.languages import (
    SEVERAL,
    AmbiguousLanguageError,
    Language,
    UnknownLanguageError,
    all_languages,
    find_language,
    search_languages,
    suggestion,
)

# ConceptNet code -> canonical code of the 30 languages of arXiv 2502.10140.
PAPER = {
    "am": "amh_Ethi",
    "az": "azj_Latn",
    "bg": "bul_Cyrl",
    "bn": "ben_Beng",
    "bo": "bod_Tibt",
    "cy": "cym_Latn",
    "da": "dan_Latn",
    "el": "ell_Grek",
    "he": "heb_Hebr",
    "jv": "jav_Latn",
    "ka": "kat_Geor",
    "ku": "ckb_Arab",
    "lv": "lvs_Latn",
    "mk": "mkd_Cyrl",
    "mr": "mar_Deva",
    "ms": "zsm_Latn",
    "mt": "mlt_Latn",
    "ne": "npi_Deva",
    "ro": "ron_Latn",
    "si": "sin_Sinh",
    "sk": "slk_Latn",
    "sl": "slv_Latn",
    "su": "sun_Latn",
    "sw": "swh_Latn",
    "te": "tel_Telu",
    "th": "tha_Thai",
    "ug": "uig_Arab",
    "ur": "urd_Arab",
    "uz": "uzn_Latn",
    "yo": "yor_Latn",
}
BY_CODE = {language.code: language for language in all_languages()}
SHARED_GLOTCC_LABELS = {"fas-Arab", "cmn-Hani"}
# Codes that stand for several languages, by system.
SHARED = {
    "conceptnet": {
        "ar": {"arb_Arab", "ary_Arab", "arz_Arab"},
        "ku": {"ckb_Arab", "kmr_Latn"},
        "ms": {"ind_Latn", "zsm_Latn"},
        "no": {"nno_Latn", "nob_Latn"},
        "sh": {"bos_Latn", "hrv_Latn", "srp_Cyrl"},
        "zh": {"yue_Hant", "zho_Hans", "zho_Hant"},
    },
    "wikiann": {"ku": {"ckb_Arab", "kmr_Latn"}, "zh": {"zho_Hans", "zho_Hant"}},
    "sentiment": {"DGurgurov/indonesian_sa": {"ind_Latn", "zsm_Latn"}},
    "glotcc": {"cmn-Hani": {"zho_Hans", "zho_Hant"}, "fas-Arab": {"pes_Arab", "prs_Arab"}},
    "flores": {},
}

each_row = pytest.mark.parametrize("language", all_languages(), ids=lambda language: language.code)


def spellings(code: str) -> set[str]:
    return {
        form for text in (code, code.replace("_", "-")) for form in (text, text.lower(), text.upper(), f" {text}\n")
    }


def test_data_sets_may_name_a_language_by_its_macro_language() -> None:
    assert [find_language(code).macro for code in ("swh", "gaz", "kmr", "hau", "xyz_Latn")] == [
        "swa",
        "orm",
        "kur",
        "hau",
        "xyz",
    ]


def test_the_papers_languages_are_there_and_complete():
    paper = [language for language in all_languages() if language.paper]
    assert len(paper) == 30
    assert {language.conceptnet: language.code for language in paper} == PAPER
    for language in paper:
        assert language.wikiann == language.conceptnet
        assert re.fullmatch(r"DGurgurov/[a-z]+_sa", language.sentiment)
        assert language.joshi_class in range(4)
        assert language.mbert_gb is not None and language.mbert_gb >= 0
        assert language.xlmr_gb is not None and language.xlmr_gb >= 0
        assert language.glotcc_documents is not None and language.glotcc_documents >= 9800
        assert language.glotcc == language.code.replace("_", "-")


@pytest.mark.parametrize("system", ["code", "name", "flores", "glotcc", "conceptnet", "wikiann", "sentiment"])
def test_codes_are_unique_among_the_papers_languages(system: str):
    counts = Counter(getattr(language, system) for language in all_languages() if language.paper)
    assert max(counts.values()) == 1
    assert len(counts) == 30


@pytest.mark.parametrize("system", SHARED)
def test_a_code_of_several_languages_is_known_and_noted(system: str):
    owners: dict[str, set[str]] = {}
    for language in all_languages():
        owners.setdefault(getattr(language, system), set()).add(language.code)
    owners.pop("", None)
    shared = {code: codes for code, codes in owners.items() if len(codes) > 1}
    assert shared == SHARED[system]
    for codes in shared.values():
        assert any(BY_CODE[code].note for code in codes)


def test_sentiment_sets_bear_the_name_of_their_language():
    other = {language.name: language.sentiment for language in all_languages() if language.sentiment}
    for name in [name for name in other if other[name] == f"DGurgurov/{name.lower()}_sa"]:
        del other[name]
    assert other == {"Central Kurdish": "DGurgurov/kurdish_sa", "Malay": "DGurgurov/indonesian_sa"}


def test_only_the_papers_languages_have_its_numbers():
    for language in all_languages():
        if not language.paper:
            assert (language.joshi_class, language.mbert_gb, language.xlmr_gb) == (None, None, None), language.code


def test_every_language_has_its_documents_counted():
    assert all(language.glotcc_documents is not None for language in all_languages())
    assert {code for code, row in BY_CODE.items() if row.glotcc_documents == 0} == {"acq_Arab", "aka_Latn", "kon_Latn"}
    by_label = {language.glotcc: language.glotcc_documents for language in all_languages()}
    assert all(by_label[language.glotcc] == language.glotcc_documents for language in all_languages())
    assert (by_label["eng-Latn"], by_label["kmr-Latn"], by_label["ind-Latn"]) == (270_227_902, 31_094, 9_376_254)


def test_unseen_languages_are_the_papers():
    assert {code for code, row in BY_CODE.items() if row.mbert_gb == 0} == {
        "mlt_Latn",
        "ckb_Arab",
        "uig_Arab",
        "sin_Sinh",
        "amh_Ethi",
        "bod_Tibt",
    }
    assert {code for code, row in BY_CODE.items() if row.xlmr_gb == 0} == {"mlt_Latn", "bod_Tibt", "yor_Latn"}


def test_one_row_in_full():
    assert BY_CODE["swh_Latn"] == Language(
        code="swh_Latn",
        name="Swahili",
        conceptnet="sw",
        wikiann="sw",
        sentiment="DGurgurov/swahili_sa",
        joshi_class=2,
        mbert_gb=0.10,
        xlmr_gb=2.15,
        glotcc_documents=87_885,
        paper=True,
    )
    row = BY_CODE["swh_Latn"]
    assert (row.iso, row.script, row.glotcc, row.flores) == ("swh", "Latn", "swh-Latn", "swh_Latn")


def test_rows_are_well_formed_unique_and_sorted():
    codes = [language.code for language in all_languages()]
    assert codes == sorted(set(codes))
    names = Counter(language.name.casefold() for language in all_languages())
    assert not [name for name, count in names.items() if count > 1]
    for language in all_languages():
        assert re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", language.code)
        assert re.fullmatch(r"[a-z]{2,3}|", language.conceptnet), language.code
        assert re.fullmatch(r"[a-z]{2,3}(-[a-z]+)*", language.wikiann or "xx"), language.code
        assert language.name == language.name.strip() != ""
        assert language.note == "" or language.note.endswith("."), language.code


def test_a_name_that_is_also_an_iso_code_is_its_own():
    for language in all_languages():
        owners = {other.iso for other in all_languages() if other.iso == language.name.lower()}
        assert owners <= {language.iso}, language.code


def test_known_mismatches_carry_a_note():
    for code in ("ckb_Arab", "kmr_Latn", "zsm_Latn", "ind_Latn", "yor_Latn", "als_Latn", "zho_Hans", "hrv_Latn"):
        assert BY_CODE[code].note


@each_row
def test_full_codes_and_names_round_trip(language: Language):
    for text in spellings(language.code) | {language.name, language.name.upper()}:
        assert find_language(text) is language
    if language.glotcc not in SHARED_GLOTCC_LABELS:
        assert all(find_language(text) is language for text in spellings(language.glotcc))


@each_row
def test_short_codes_lead_back_or_name_the_language(language: Language):
    for text in {language.iso, language.iso.upper(), language.conceptnet, language.wikiann} - {""}:
        try:
            result = find_language(text)
        except UnknownLanguageError as error:
            assert f"{language.code} ({language.name})" in str(error)
        else:
            # WikiANN's 'als' is Alemannic, but the ISO code is Tosk Albanian's.
            assert result is language or text in ("als", result.iso)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((short, code) for short, code in PAPER.items() if short not in {"ku", "ms"}),
        ("id", "ind_Latn"),
        ("als", "als_Latn"),
        ("hr", "hrv_Latn"),
        ("fa", "pes_Arab"),
        ("zh-yue", "yue_Hant"),
        ("nb", "nob_Latn"),
        ("sn", "sna_Latn"),
        ("est", "est_Latn"),
        ("ekk", "est_Latn"),
        ("ekk-Latn", "est_Latn"),
        ("fil", "tgl_Latn"),
        ("uig", "uig_Arab"),
        ("zho-hant", "zho_Hant"),
        ("norwegian BOKMÅL", "nob_Latn"),
        ("northern kurdish", "kmr_Latn"),
    ],
)
def test_codes_and_names_of_every_system(text: str, code: str):
    assert find_language(text).code == code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ku", "'ku' may mean ckb_Arab (Central Kurdish) or kmr_Latn (Northern Kurdish); name one"),
        ("MS", "'MS' may mean ind_Latn (Indonesian) or zsm_Latn (Malay); name one"),
        ("sh", "'sh' may mean bos_Latn (Bosnian), hrv_Latn (Croatian) or srp_Cyrl (Serbian); name one"),
        ("zho", "'zho' may mean zho_Hans (Simplified Chinese) or zho_Hant (Traditional Chinese); name one"),
        ("swa", "'swa' is a macro-language; use swh_Latn (Swahili)"),
        ("kur", "'kur' is a macro-language; use ckb_Arab (Central Kurdish) or kmr_Latn (Northern Kurdish)"),
        ("uzb-Latn", "'uzb-Latn' is a macro-language; use uzn_Latn (Uzbek)"),
        ("mlx", "unknown language 'mlx'; did you mean mlt_Latn (Maltese) or mal_Mlym (Malayalam)?"),
        (
            "malti",
            "unknown language 'malti'; did you mean mlt_Latn (Maltese), mar_Deva (Marathi) or som_Latn (Somali)?",
        ),
        ("Malteze", "unknown language 'Malteze'; did you mean mlt_Latn (Maltese)?"),
        (
            "Kurdish",
            "unknown language 'Kurdish'; did you mean ckb_Arab (Central Kurdish) or kmr_Latn (Northern Kurdish)?",
        ),
        ("mlt_Latin", "unknown language 'mlt_Latin'; did you mean mlt_Latn (Maltese)?"),
        ("swh_Ltan", "unknown script 'Ltan' in 'swh_Ltan'; did you mean swh_Latn (Swahili)?"),
        (
            "KAS-Devs",
            "unknown script 'Devs' in 'KAS-Devs'; did you mean kas_Arab (Kashmiri in Arabic script) or kas_Deva",
        ),
        ("aab-Ltan", "unknown script 'Ltan' in 'aab-Ltan'; did you mean aab_Latn?"),
        (
            "aab-Qqqq",
            "unknown script 'Qqqq' in 'aab-Qqqq'; expected a code or name such as swh_Latn, swh, sw or Swahili",
        ),
        ("und-Zzzz", "unknown script 'Zzzz' in 'und-Zzzz'; "),
        ("uzb-Ltan", "'uzb-Ltan' is a macro-language; use uzn_Latn (Uzbek)"),
        ("q0q0", "unknown language 'q0q0'; expected a code or name such as swh_Latn, swh, sw or Swahili"),
        ("", "unknown language ''; expected a code or name such as swh_Latn, swh, sw or Swahili"),
    ],
)
def test_errors_say_what_to_write_instead(text: str, message: str):
    with pytest.raises(UnknownLanguageError, match=f"^{re.escape(message)}") as error:
        find_language(text)
    assert str(error.value).count("(") <= 3


@pytest.mark.parametrize(
    "code",
    [
        "ara",
        "aze",
        "fas",
        "hbs",
        "lav",
        "mlg",
        "mon",
        "msa",
        "nep",
        "nor",
        "orm",
        "pus",
        "que",
        "sqi",
        "swa",
        "uzb",
        "yid",
    ],
)
def test_macro_codes_name_their_members(code: str):
    with pytest.raises(AmbiguousLanguageError, match=rf"'{code}' is a macro-language; use \w{{3}}_\w{{4}} \("):
        find_language(code)


def test_an_unknown_language_is_a_value_error():
    assert issubclass(UnknownLanguageError, ValueError)


@pytest.mark.parametrize(
    ("text", "code", "glotcc"),
    [
        ("uzn-Cyrl", "uzn_Cyrl", "uzn-Cyrl"),
        ("UIG_LATN", "uig_Latn", "uig-Latn"),
        ("aaz-Latn", "aaz_Latn", "aaz-Latn"),
        ("xho-Cyrl", "xho_Cyrl", "xho-Cyrl"),
        ("aab-Latn", "aab_Latn", "aab-Latn"),
        ("ryu-Jpan", "ryu_Jpan", "ryu-Jpan"),
        ("lzh-hant", "lzh_Hant", "lzh-Hant"),
        ("fas-Arab", "fas_Arab", "fas-Arab"),
        ("cmn-Hani", "cmn_Hani", "cmn-Hani"),
    ],
)
def test_codes_outside_the_table_are_languages_of_their_own(text: str, code: str, glotcc: str):
    language = find_language(text)
    assert language == Language(code=code, name=code)
    assert (language.glotcc, language.flores) == (glotcc, code)
    assert (language.iso, language.script) == tuple(code.split("_"))


# Every script of GlotCC's 1,276 labels and of FLORES-200.
SCRIPTS = (
    "Arab Armn Beng Cans Copt Cyrl Deva Dsrt Ethi Geor Goth Gran Grek Gujr Guru Hang Hani Hans Hant Hebr Hung Jpan "
    "Kali Khmr Knda Laoo Latn Limb Lisu Mlym Mong Mtei Mymr Newa Nkoo Olck Orya Shaw Sinh Sylo Syrc Taml Telu Tfng "
    "Thaa Thai Tibt"
)


def test_every_script_of_the_sources_is_one():
    assert {language.script for language in all_languages()} <= set(SCRIPTS.split())
    for script in SCRIPTS.split():
        assert find_language(f"aab-{script}").script == script


def test_scripts_of_one_language_are_separate_rows():
    for script in ("Arab", "Deva"):
        assert find_language(f"kas-{script}").script == script
    with pytest.raises(UnknownLanguageError, match=r"kas_Arab .* or kas_Deva"):
        find_language("ks")


def test_glotcc_labels_that_differ():
    labels = {language.code: language.glotcc for language in all_languages()}
    assert {code: label for code, label in labels.items() if label != code.replace("_", "-")} == {
        "est_Latn": "ekk-Latn",
        "grn_Latn": "gug-Latn",
        "pes_Arab": "fas-Arab",
        "prs_Arab": "fas-Arab",
        "tgl_Latn": "fil-Latn",
        "yue_Hant": "yue-Hani",
        "zho_Hans": "cmn-Hani",
        "zho_Hant": "cmn-Hani",
    }


def test_search_looks_at_names_and_all_codes():
    def codes(text: str) -> list[str]:
        return [language.code for language in search_languages(text)]

    assert codes("KURD") == ["ckb_Arab", "kmr_Latn"]
    assert codes("bod-Tibt") == codes("bod_") == ["bod_Tibt"]
    assert codes("Ethi") == ["amh_Ethi", "tir_Ethi"]
    assert codes("zh-yue") == ["yue_Hant"]
    assert codes("ekk") == ["est_Latn"]
    assert "kat_Geor" in codes("ka")
    assert codes("ka")[0] == "kat_Geor"
    assert codes("ku")[:2] == ["ckb_Arab", "kmr_Latn"]
    assert codes("msa") == ["bjn_Latn", "ind_Latn", "min_Latn", "zsm_Latn"]
    assert codes("uzb-Latn") == codes("UZB") == ["uzn_Latn"]
    assert codes("fas-Arab") == ["pes_Arab", "prs_Arab"]
    assert codes("swa")[0] == "swh_Latn"
    assert codes("dgurgurov/maltese_SA") == ["mlt_Latn"]
    assert codes("AAB-latn") == ["aab_Latn"]
    assert codes("Swahli") == codes("0000") == codes("swh_Ltan") == []
    assert len(codes("")) == len(all_languages())


def test_suggestions_are_near():
    assert suggestion("Swahli").startswith("did you mean swh_Latn (Swahili)")
    assert suggestion("0000") == "expected a code or name such as swh_Latn, swh, sw or Swahili"


def test_several_languages_in_place_of_one_are_for_a_grid_but_not_every_comma_means_that():
    assert suggestion("mlt,zh").endswith("a recipe runs several with grid: {language: [mlt, zh]}")
    assert suggestion("mlt,\x1b[31m") == "name one language"
    assert suggestion("Xyzzy, spoken") == suggestion("0000")


def test_the_table_is_read_once():
    assert all_languages() is all_languages()


def test_several_languages_together_have_a_code_but_no_row():
    assert find_language("mul") == find_language("mul_Zyyy") == SEVERAL
    assert SEVERAL not in all_languages()
