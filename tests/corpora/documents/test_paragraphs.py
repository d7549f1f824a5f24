"""Wrapped lines become paragraphs, and words that a line end divides are mended."""

from collections import Counter

import pytest
from lrl_adapt.corpora.documents.paragraphs import WordParts, ends_sentence, is_wrapped, join_lines
from lrl_adapt.corpora.documents.plain import read_paragraphs

WRAPPED = """\
Siku moja mfalme alitoka nje ya mji wake ili kuona mashamba ya watu waliokaa
karibu na mto. Aliona ng'ombe wengi, mbuzi na kondoo, lakini hakuona mtu hata
mmoja.

Akauliza: "Watu wako wapi?" Mtumishi wake akajibu kwamba wote wamekwenda soko-
ni kuuza mazao yao, na kwamba watarudi jioni. Mfalme akakaa chini ya mti mku-
bwa akawasubiri. Wakarudi sokoni baadaye.
"""


@pytest.mark.parametrize(
    ("text", "ends"),
    [("Ndiyo.", True), ("Ndiyo?”", True), ("ndiyo,", False), ("है।", True), ("是。", True), ("Ila…", True), ("", False)],
)
def test_ends_of_sentences_in_many_scripts(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


@pytest.mark.parametrize(
    ("lines", "others", "joined"),
    [
        (["alikwenda mashamba-", "ni jana"], [], "alikwenda mashambani jana"),
        (["qrajt il-", "ktieb"], ["il-kelb u il-qattus"], "qrajt il-ktieb"),  # other words begin with il-
        (["qrajt il-", "ktieb"], ["ilktieb"], "qrajt ilktieb"),  # the joined form occurs
        (["il-", "ktieb"], ["il-ktieb"], "il-ktieb"),
        (["iddaħħal fl-", "uffiċċju u l-", "istat"], [], "iddaħħal fluffiċċju u l-istat"),  # after a single letter
        (["mar fl-", "uffiċċju tat-", "taxxa"], ["fl-istat tat-tfal"], "mar fl-uffiċċju tat-taxxa"),
        (["ra t-tfal taż-", "żgħażagħ"], ["taż\u2011żmien"], "ra t-tfal taż-żgħażagħ"),  # a hyphen that does not break
        (["watu wa-", "liokaa"], ["wa-Swahili", *(f"wa{end}" for end in "abcdefghijklmnopqrstu")], "watu waliokaa"),
        (["bocah-", "bocah"], ["siji bocah"], "bocah-bocah"),
        (["ma-", "ma yake"], ["mama yetu"], "mama yake"),
        (["Jean-", "Paul"], [], "Jean-Paul"),
        (["KONSTITUZ-", "ZJONI"], [], "KONSTITUZZJONI"),
        (["COVID-", "19"], [], "COVID-19"),
        (["soft\u00ad", "ware"], ["soft-ware soft-ball soft-ly"], "software"),
        (["na –", "baadaye"], [], "na – baadaye"),
        (["これは", "本です"], [], "これは本です"),
        (["moja", "mbili"], [], "moja mbili"),
    ],
)
def test_joining_lines(lines: list[str], others: list[str], joined: str) -> None:
    assert join_lines(lines, WordParts.of([lines, others]), Counter()) == joined


def test_wrapped_lines_of_plain_text_are_joined_and_counted() -> None:
    changes = Counter[str]()
    first, second = read_paragraphs(WRAPPED.splitlines(), changes)
    assert first == (
        "Siku moja mfalme alitoka nje ya mji wake ili kuona mashamba ya watu waliokaa karibu na mto. Aliona ng'ombe "
        "wengi, mbuzi na kondoo, lakini hakuona mtu hata mmoja."
    )
    assert "wamekwenda sokoni kuuza" in second
    assert "mti mkubwa akawasubiri." in second
    assert changes == {"lines joined to paragraphs": 4, "words joined at line ends": 2}


def test_lines_that_their_author_ended_stay_lines() -> None:
    sentences = ["Moja ni mwanzo wa hesabu zote.", "Mbili ni jozi.", "Tatu ni utatu wa mambo mengi ya dunia."]
    text = [*sentences, "", *sentences, "   ", "", "Mwisho."]
    assert not is_wrapped([sentences, sentences, ["Mwisho."]])
    changes = Counter[str]()
    assert list(read_paragraphs(text, changes)) == ["\n".join(sentences)] * 2 + ["Mwisho."]
    assert not changes
