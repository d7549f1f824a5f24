"""PDFs that matplotlib writes with embedded fonts: paragraphs, columns, running heads and hyphens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lrl_adapt.corpora import readers
from lrl_adapt.corpora.documents import read_document
from lrl_adapt.corpora.documents.pdf_layout import Fragment, find_lines
from lrl_adapt.corpora.readers import DocumentReader
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.workspace.errors import UserError

Words = tuple[float, float, str]  # left and base line in inches from the upper left corner, text
WIDTH, HEIGHT, LEADING = 8.0, 10.0, 0.2


def write_pdf(path: Path, pages: list[list[Words]], size: float = 10, notes: dict[str, str] | None = None) -> Path:
    """`notes` are footnotes by their marks: a text that is a mark is written as its note, and smaller."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    with mpl.rc_context({"pdf.fonttype": 42}), PdfPages(path) as pdf:
        for page in pages:
            figure = Figure(figsize=(WIDTH, HEIGHT))
            for left, top, text in page:
                note = (notes or {}).get(text)
                figure.text(left / WIDTH, 1 - top / HEIGHT, note or text, fontsize=0.7 * size if note else size)
            pdf.savefig(figure)
    return path


def block(left: float, top: float, lines: list[str]) -> Iterator[Words]:
    for number, line in enumerate(lines):
        yield left, top + number * LEADING, line


PAGE_1 = [
    "Ħafna nies marru jaraw il-",
    "ktieb il-kbir tal-belt, li kien mi-",
    "ktub bl-idejn. Ħadd ma kien jaf",
    "min kitbu.",
]
PAGE_2 = ["It-tieni paragrafu jibda hawn u jkom-", "pli fil-paġna li jmiss, fejn il-qarrej"]
PAGE_3 = ["isib it-tmiem tiegħu wara linja waħda", "oħra."]


def test_paragraphs_over_lines_and_pages(tmp_path: Path) -> None:
    pages = [
        [(1, 0.5, f"Il-Ktieb {number}"), *block(1, 1.5, lines), (3.9, 9.5, str(number))]
        for number, lines in enumerate([[*PAGE_1], PAGE_2, PAGE_3], start=7)
    ]
    extracted = read_document(write_pdf(tmp_path / "a.pdf", pages))
    assert extracted.paragraphs == [
        "Ħafna nies marru jaraw il-ktieb il-kbir tal-belt, li kien miktub bl-idejn. Ħadd ma kien jaf min kitbu.",
        "It-tieni paragrafu jibda hawn u jkompli fil-paġna li jmiss, fejn il-qarrej isib it-tmiem tiegħu wara linja "
        "waħda oħra.",
    ]
    assert +extracted.changes == {
        "page numbers removed": 3,
        "running heads removed": 3,
        "lines joined to paragraphs": 6,
        "words joined at line ends": 2,
        "hyphens kept at line ends": 1,
    }


@pytest.mark.parametrize(
    ("above", "below", "paragraphs"),
    [
        (["Aliona ng'ombe wengi, mbuzi na kondoo,", "lakini hakuona"], ["mtu."], 1),
        (["Aliona ng'ombe wengi, mbuzi na kondoo.", "Hakuona"], ["mtu."], 1),
        (["Aliona ng'ombe wengi, mbuzi na kondoo."], ["hakuna mtu."], 2),
        (["Aliona ng'ombe wengi, mbuzi na kondoo"], ["Mtu wa mji alikuja."], 2),
        (["Aliona ng'ombe wengi, akasema"], ["“habari njema” kwa wote."], 1),
        (["Marru jaraw it-tempju u l-knisja tal-"], ["Madonna."], 1),  # a broken word before a capital
        (["این کتاب در تاریخ شهر است و در سال"], ["نوشته شد."], 1),
        (["این کتاب در تاریخ شهر است و در سال گذشته", "فهرست"], ["این کتاب نوشته شد."], 2),  # not a full line
    ],
)
def test_a_paragraph_goes_on_over_a_page_within_a_sentence(
    tmp_path: Path, above: list[str], below: list[str], paragraphs: int
) -> None:
    extracted = read_document(write_pdf(tmp_path / "a.pdf", [list(block(1, 1, above)), list(block(1, 1, below))]))
    assert len(extracted.paragraphs) == paragraphs
    assert " ".join(extracted.paragraphs).replace("- ", "-") == " ".join([*above, *below]).replace("- ", "-")


def test_a_paragraph_goes_on_behind_heads_and_footnotes_of_two_pages(tmp_path: Path) -> None:
    pages = [
        [(1, 0.5, "Hadithi za Kale"), *block(1, 2, lines), *notes, (3.5, 9.5, f"Ukurasa {number} wa 2")]
        for number, lines, notes in (
            (1, ["Siku moja mfalme alitoka nje ya mji ili", "kuona mashamba ya watu waliokaa karibu"], [(1, 9, "*")]),
            (2, ["na mto. Aliona ng'ombe wengi na mbuzi.", "Mwisho wa hadithi."], []),
        )
    ]
    path = write_pdf(tmp_path / "a.pdf", pages, notes={"*": "1 Angalia kitabu cha kwanza."})
    assert read_document(path).paragraphs == [
        "Siku moja mfalme alitoka nje ya mji ili kuona mashamba ya watu waliokaa karibu na mto. Aliona ng'ombe wengi "
        "na mbuzi. Mwisho wa hadithi.",
        "1 Angalia kitabu cha kwanza.",
    ]


@pytest.mark.parametrize("kept_characters", [readers.KEPT_CHARACTERS, 0])
def test_hyphens_are_judged_by_the_words_of_all_files(
    tmp_path: Path, kept_characters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maltese: il-, l- and it- belong to words that neither PDF has twice."""
    monkeypatch.setattr(readers, "KEPT_CHARACTERS", kept_characters)
    first = write_pdf(
        tmp_path / "a.pdf", [list(block(1, 1, ["Tlajna fuq il-", "muntanja u rajna l-", "ewwel xemx tas-sajf."]))]
    )
    second = write_pdf(
        tmp_path / "b.pdf", [list(block(1, 1, ["Dan il-ktieb kiteb l-awtur għat-", "tfal u għas-", "sinjura."]))]
    )
    (tmp_path / "c.txt").write_text("Il-kelb u l-qattus.\nGħat-tifel u għat-tifla.\n", encoding="utf-8")
    files = [first, second, tmp_path / "c.txt"]
    reader = DocumentReader(Corpus(files=["-"]), files=files)
    assert [document.text for path in files[:2] for document in reader.read(path)] == [
        "Tlajna fuq il-muntanja u rajna l-ewwel xemx tas-sajf.",
        "Dan il-ktieb kiteb l-awtur għat-tfal u għassinjura.",  # nothing speaks for the last hyphen
    ]
    assert reader.changes["hyphens kept at line ends"] == 3
    assert reader._words.words["kiteb"] == 1
    assert read_document(first).paragraphs == ["Tlajna fuq ilmuntanja u rajna l-ewwel xemx tas-sajf."]


def test_a_damaged_pdf_does_not_hinder_reading_the_others(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.pdf", "b.pdf", "c.pdf")]
    for path in files:
        write_pdf(path, [list(block(1, 1, ["Neno moja."]))])
    files[1].write_text("%PDF-1.4\nneno")
    reader = DocumentReader(Corpus(files=["-"]), files=files)
    assert [document.text for path in (files[0], files[2]) for document in reader.read(path)] == ["Neno moja."] * 2
    with pytest.raises(UserError, match=r"b\.pdf: not a readable PDF"):
        list(reader.read(files[1]))


LEFT = [
    "Safu ya kushoto ina mistari",
    "mingi ambayo inasomwa kwanza",
    "kabla ya safu ya kulia, hata",
    "kama faili imeandikwa kwa",
    "mistari inayovuka ukurasa",
    "wote kutoka kushoto.",
]
RIGHT = [
    "Safu ya kulia inafuata, nayo",
    "pia ina mistari mingi ambayo",
    "inaendelea hadi chini kabisa",
    "ya ukurasa, ambapo aya hii",
    "inaisha pamoja na ukurasa",
    "wenyewe.",
]


@pytest.mark.parametrize("by_rows", [True, False])
def test_columns_are_read_one_after_the_other(tmp_path: Path, by_rows: bool) -> None:
    left, right = list(block(0.7, 2, LEFT)), list(block(4.2, 2, RIGHT))
    text = [words for row in zip(left, right, strict=True) for words in row] if by_rows else [*left, *right]
    page = [(0.7, 1.0, "Kichwa kirefu kinachovuka safu zote mbili za ukurasa huu wa gazeti"), *text]
    extracted = read_document(write_pdf(tmp_path / "a.pdf", [page]))
    assert extracted.paragraphs == [
        "Kichwa kirefu kinachovuka safu zote mbili za ukurasa huu wa gazeti",
        " ".join(LEFT),
        " ".join(RIGHT),
    ]
    assert extracted.changes["pages read in columns"] == 1


def test_lines_of_a_table_of_contents_are_left_out(tmp_path: Path) -> None:
    page = list(block(1, 1, ["Sura ya kwanza . . . . . . . 3", "Sura ya pili.......14", "Ikawa zamani."]))
    extracted = read_document(write_pdf(tmp_path / "a.pdf", [page]))
    assert extracted.paragraphs == ["Ikawa zamani."]
    assert extracted.changes["lines of tables of contents left out"] == 2


def test_a_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.pdf: a scanned PDF without text: recognise"):
        read_document(write_pdf(tmp_path / "a.pdf", [[], []]))


def test_pages_that_are_images_are_counted(tmp_path: Path) -> None:
    extracted = read_document(write_pdf(tmp_path / "a.pdf", [[], [(1, 1, "Neno moja.")]]))
    assert extracted.paragraphs == ["Neno moja."]
    assert +extracted.changes == {"pages without text (images)": 1}


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("%PDF-1.4\nneno")
    with pytest.raises(UserError, match=r"a\.pdf: not a readable PDF"):
        read_document(tmp_path / "a.pdf")
    (tmp_path / "a.pdf").write_text('{"text": "neno"}')
    with pytest.raises(UserError, match=r"a\.pdf is not a PDF, but JSON: rename it to end in \.json or \.jsonl"):
        read_document(tmp_path / "a.pdf")


def test_text_from_right_to_left(tmp_path: Path) -> None:
    lines = ["این کتاب در تاریخ شهر", "نوشته شد."]
    page = list(block(4, 1, lines))
    assert read_document(write_pdf(tmp_path / "a.pdf", [page])).paragraphs == [" ".join(lines)]


def test_fragments_from_right_to_left() -> None:
    fragments = [Fragment("دنيا", 100, 140, 700, 12), Fragment("سلام", 150, 190, 700, 12)]
    assert [line.text for line in find_lines(fragments).lines] == ["سلام دنيا"]


def test_the_command_for_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[(1, 1, "Neno.")]])
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    with pytest.raises(
        UserError, match=r"a\.pdf: reading this format needs pypdfium2: pip install 'lrl-adapt\[documents\]'"
    ):
        read_document(path)
