"""How well lines in other languages are recognised by a model of character n-grams (`corpus.identify`).

    LRL_DATA=~/data python benchmarks/identify.py

Trains a model for each language of CONFUSABLE on --kilobytes of text of it and of its neighbours, and checks lines that
it was not trained on. Prints the table of docs/text.md, in percent:

- found: lines of the neighbours that are recognised,
- accused: lines of the language that are taken for another's, from the same sources as the training text,
- accused, SIB: the same for sentences of SIB-200, which are translations of news and Wikipedia,
- mixed: lines that are half in the language and half in the first neighbour's, and are taken for another language's,
- precision: lines that are rightly taken for another language's, of all that are, if 5% of a corpus is in others,
- impure: found and accused once more, if a tenth of the training lines of the language is in the first neighbour's, and
  the other way round.
"""

import csv
import gzip
import random
from collections.abc import Sequence
from pathlib import Path

import numpy
from lrl_adapt.corpora.identify import NgramIdentifier
from lrl_adapt.corpora.ngrams import train_ngrams
from lrl_adapt.corpora.other_languages import LanguageCounts, find_other_languages
from lrl_adapt.recipes.identify import Identify
from measure import data_folder, parser_of

CONFUSABLE = {  # language: neighbours
    "zsm_Latn": ["ind_Latn", "jav_Latn", "sun_Latn"],
    "jav_Latn": ["ind_Latn", "zsm_Latn", "sun_Latn", "ban_Latn"],
    "sun_Latn": ["ind_Latn", "jav_Latn"],
    "swh_Latn": ["kin_Latn", "lug_Latn", "eng_Latn"],
    "lug_Latn": ["kin_Latn", "swh_Latn", "eng_Latn"],
    "slk_Latn": ["ces_Latn", "pol_Latn", "slv_Latn"],
    "mkd_Cyrl": ["bul_Cyrl", "rus_Cyrl", "ukr_Cyrl"],
    "bul_Cyrl": ["mkd_Cyrl", "rus_Cyrl"],
    "mlt_Latn": ["ita_Latn", "eng_Latn", "scn_Latn"],
    "uzn_Latn": ["tur_Latn", "crh_Latn", "azj_Latn"],
    "npi_Deva": ["hin_Deva", "bho_Deva", "mar_Deva"],
    "prs_Arab": ["pes_Arab", "pbt_Arab", "urd_Arab"],
}
TEST_LINES = 500  # of each language, at most a third of its lines
IMPURE = 0.1
FOREIGN = 0.05  # of a corpus, for the precision


def main() -> None:
    parser = parser_of(__doc__, kilobytes=200)
    parser.add_argument("--min-probability", type=float, default=Identify.model_fields["min_probability"].default)
    parser.add_argument("languages", nargs="*", default=list(CONFUSABLE))
    arguments = parser.parse_args()
    data = data_folder()
    print("| language | neighbours | found | accused | accused, SIB | mixed | precision | impure: found | accused |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for language in arguments.languages:
        codes = [language, *CONFUSABLE[language]]
        parts = {code: split(read(data, code), arguments.kilobytes * 1000) for code in codes}
        row = measure(data, parts, arguments.min_probability)
        cells = ("–" if share is None else f"{100 * share:.1f}" for share in row)
        print(f"| {language} | {', '.join(code[:3] for code in codes[1:])} | {' | '.join(cells)} |", flush=True)


def measure(data: Path, parts: dict[str, tuple[list[str], list[str]]], least: float) -> list[float | None]:
    """The numbers of a row of the table."""
    own, first = list(parts)[:2]
    foreign = [line for code in list(parts)[1:] for line in parts[code][1]]
    train = {code: lines for code, (lines, _) in parts.items()}
    identifier = NgramIdentifier(train_ngrams(train), least, "")
    found, accused = share(identifier, foreign), share(identifier, parts[own][1])
    other_source = sib(data, own) if (data / "text" / f"{own}.txt.gz").exists() else []
    mixed = [mix(*pair, number) for number, pair in enumerate(zip(parts[own][1], parts[first][1], strict=False))]
    flagged = FOREIGN * found + (1 - FOREIGN) * accused
    swapped = int(IMPURE * min(len(train[own]), len(train[first])))
    impure = train | {own: train[own][swapped:] + train[first][:swapped]}
    impure |= {first: train[first][swapped:] + train[own][:swapped]}
    impure_identifier = NgramIdentifier(train_ngrams(impure), least, "")
    return [
        found,
        accused,
        share(identifier, other_source) if other_source else None,
        share(identifier, mixed),
        FOREIGN * found / flagged if flagged else None,
        share(impure_identifier, foreign),
        share(impure_identifier, parts[own][1]),
    ]


def share(identifier: NgramIdentifier, lines: Sequence[str]) -> float:
    """The share of the lines that are taken for another language's."""
    keys = numpy.zeros(len(lines), dtype=numpy.uint64)  # only examples need them
    return float(find_other_languages(lines, keys, identifier, LanguageCounts()).mean())


def mix(own: str, other: str, number: int) -> str:
    return f"{own} {other}" if number % 2 else f"{other} {own}"


def split(lines: list[str], size: int) -> tuple[list[str], list[str]]:
    """Lines to train on, of about `size` bytes, and others to test with."""
    random.Random(0).shuffle(lines)
    test = min(TEST_LINES, len(lines) // 3)
    ends = numpy.cumsum([len(line.encode()) for line in lines[test:]])
    return lines[test : test + int(numpy.searchsorted(ends, size)) + 1], lines[:test]


def read(data: Path, code: str) -> list[str]:
    """The text of a language; of those without any, the sentences of SIB-200."""
    file = data / "text" / f"{code}.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines() if file.exists() else sib(data, code)
    return [line for line in lines if len(line) >= 10]


def sib(data: Path, code: str) -> list[str]:
    """All sentences of SIB-200 in a language; none where the folder lacks it."""
    sentences = []
    for file in sorted((data / "topic" / "sib200" / code).glob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as rows:
            sentences += [row["text"] for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return sentences


if __name__ == "__main__":
    main()
