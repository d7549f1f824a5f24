import csv
import random
from pathlib import Path

import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Account, read_items
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.tables import open_table, read_rows


def write(path: Path, content: str) -> Path:
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "rows", "notes"),
    [
        (  # Excel where the comma is the decimal sign
            "a.csv",
            '\ufefftext;label\r\nSimu, mpya;x\r\n"Neno; lingine";y\r\n',
            [("Simu, mpya", "x"), ("Neno; lingine", "y")],
            ("columns separated by semicolons",),
        ),
        ("a.csv", "sep=;\ntext;label\nmoja;x\n", [("moja", "x")], ("columns separated by semicolons",)),
        ("a.csv", "text\tlabel\nmoja, mbili\tx\n", [("moja, mbili", "x")], ("columns separated by tabs",)),
        ("a.tsv", 'text,label\n"moja, mbili",x\n', [("moja, mbili", "x")], ("columns separated by commas",)),
        ("a.csv", "text|label\nmoja|x\n", [("moja", "x")], ("columns separated by vertical bars",)),
        (
            "a.csv",
            'text, label\n"moja, mbili", "x"\n"tatu", "y"\n',
            [("moja, mbili", "x"), ("tatu", "y")],
            ("spaces after separators removed",),
        ),
        ("a.csv", 'text,label\nmoja, "x"\n', [("moja", "x")], ("spaces after separators removed",)),
        ("a.csv", "text,label\n moja ; mbili,x\n", [(" moja ; mbili", "x")], ()),
        ("a.csv", "text ,label\nmoja,x\n", [("moja", "x")], ()),
        ("a.csv", "text,label,,\nmoja,x,,\n", [("moja", "x")], ()),  # a spreadsheet's empty columns
        # R and Excel quote in a tsv; it is sure where quotes are doubled, the header is quoted, or line ends are
        (
            "a.tsv",
            'text\tlabel\n"Alisema ""ndiyo"" jana."\tx\n',
            [('Alisema "ndiyo" jana.', "x")],
            ("quotes around fields removed",),
        ),
        ("a.tsv", '"text"\t"label"\n"moja"\t"x"\n', [("moja", "x")], ("quotes around fields removed",)),
        ("a.tsv", 'text\tlabel\n"moja\nmbili"\tx\n', [("moja\nmbili", "x")], ("quotes around fields removed",)),
        # as SIB-200 and AfriSenti have them: the quotes are the text's
        ("a.tsv", 'text\tlabel\n"Nukuu nzima."\tx\n', [('"Nukuu nzima."', "x")], ()),
        ("a.tsv", 'text\tlabel\n"Ndiyo," alisema "Juma".\tx\n', [('"Ndiyo," alisema "Juma".', "x")], ()),
        ("a.tsv", 'text\tlabel\n"sema\tx\nna hii"\ty\n', [('"sema', "x"), ('na hii"', "y")], ()),
    ],
)
def test_dialects(tmp_path: Path, name: str, content: str, rows: list[tuple[str, str]], notes: tuple[str, ...]) -> None:
    table = open_table(write(tmp_path / name, content))
    assert [(row["text"], row["label"]) for _, row in table.rows] == rows
    assert table.notes == notes


def test_one_column_of_texts_with_semicolons_has_one_column(tmp_path: Path) -> None:
    texts = ["moja; mbili", "tatu; nne; tano", "sita"]
    assert [row["text"] for row in read_rows(write(tmp_path / "a.csv", "\n".join(["text", *texts])))] == texts


def test_rows_are_numbered_by_the_line_on_which_they_begin(tmp_path: Path) -> None:
    content = 'text,label\n"moja\nmbili",x\n\ntatu,y\n"nne\n\ntano",z\nsita,x\n'
    for start, head in ((2, ""), (3, "sep=,\n")):
        numbers = [number for number, _ in open_table(write(tmp_path / "a.csv", head + content)).rows]
        assert [number - start for number in numbers] == [0, 3, 4, 7]


@pytest.mark.parametrize(
    ("name", "header"), [("a.csv", "text,label,label"), ("a.tsv", "text\tlabel\tlabel"), ("a.csv", "text;label; label")]
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str, header: str) -> None:
    row = header.replace("text", "moja").replace("label", "x")
    with pytest.raises(UserError, match="columns 2 and 3 are both called 'label'"):
        list(read_rows(write(tmp_path / name, f"{header}\n{row}\n")))


def reviews(count: int) -> list[str]:
    return [f"Hoteli hii ni nzuri {number}.,{'hasi' if number % 3 else 'chanya'}" for number in range(count)]


@pytest.mark.parametrize(("opens", "closes"), [(0, 39), (5, 8), (5, 19), (36, 39)])
def test_a_stray_quote_that_swallows_rows_is_told_with_its_line(tmp_path: Path, opens: int, closes: int) -> None:
    rows = reviews(60)
    rows[opens] = f'"{rows[opens]}'
    text, _, label = rows[closes].rpartition(",")
    rows[closes] = f'{text}",{label}'
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *rows, ""]))
    with path.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 60 - (closes - opens)  # what a plain reader makes of it
    message = f"line {opens + 2}: a quote that opens here swallows the rows up to line {closes + 2};"
    with pytest.raises(UserError, match=message):
        list(read_rows(path))


@pytest.mark.parametrize(("opens", "closes"), [(5, 6), (38, 39), (5, 7)])
def test_one_or_two_rows_in_quotes_are_told_in_a_note(tmp_path: Path, opens: int, closes: int) -> None:
    rows = reviews(60)
    rows[opens] = f'"{rows[opens]}'
    text, _, label = rows[closes].rpartition(",")
    rows[closes] = f'{text}",{label}'
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *rows, ""]))
    account = Account()
    assert len(read_items(path, Task(file="unread"), account)) == 60 - (closes - opens)
    assert account.notes == [
        (
            "a.csv",
            f"the quoted field at line {opens + 2} holds {closes - opens + 1} lines that look like rows; if they are "
            "rows, a stray quote opens there",
        )
    ]


NEARLY_ROWS = ("{n},000 shilingi", "{letter}, nzuri", "{n},{n}", "{letter}, {n}", "bei:", "tarehe {n}, saa {n}")


@pytest.mark.parametrize("columns", ["id,text", "text,label", "label,text", "id,text,label", "text,id"])
def test_texts_whose_lines_look_like_rows_are_read(tmp_path: Path, columns: str) -> None:
    names = columns.split(",")
    for seed in range(40):
        rng = random.Random(seed)
        rows = []
        for number in range(1, 31):
            form = rng.choice(NEARLY_ROWS)
            lines = [
                form.format(n=rng.choice([5, 10, 20, 100, 1500]), letter=rng.choice("ABC"))
                for _ in range(rng.randint(1, 6))
            ]
            values = {"id": str(number), "text": "\n".join(lines), "label": rng.choice("ABC")}
            rows.append({name: values[name] for name in names})
        path = tmp_path / f"{seed}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
        assert list(read_rows(path)) == rows


def test_prices_in_a_list_are_a_text(tmp_path: Path) -> None:
    rows = [f"{number},neno {number}" for number in range(1, 20)]
    rows.insert(5, '50,"bei:\n10,000 shilingi\n20,000 shilingi\n30,000 shilingi\n40,000 shilingi"')
    content = "\n".join(["id,text", *rows])
    texts = [row["text"] for row in read_rows(write(tmp_path / "a.csv", content))]
    assert texts[5].splitlines()[1:3] == ["10,000 shilingi", "20,000 shilingi"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_fourteen_swallowed_rows_with_numbers_for_labels_are_refused(tmp_path: Path, end: str) -> None:
    rows = [f"Hoteli hii ni nzuri {number}.,{number % 3}" for number in range(60)]
    rows[5] = f'"{rows[5]}'
    rows[19] = rows[19].replace(".,", '.",')
    with pytest.raises(UserError, match=r"line 7: .*swallows the rows up to line 21; .*write the table as \.jsonl"):
        list(read_rows(write(tmp_path / "a.csv", end.join(["text,label", *rows]))))


def test_text_that_begins_with_a_quote_behind_a_space_keeps_its_spaces(tmp_path: Path) -> None:
    content = 'label,text\nx," ""Ndiyo"" alisema"\ny," mwisho, "\nz, hapana\n'
    table = open_table(write(tmp_path / "a.csv", content))
    assert [row["text"] for _, row in table.rows] == [' "Ndiyo" alisema', " mwisho, ", " hapana"]
    assert table.notes == ()
    quoted = open_table(write(tmp_path / "b.csv", 'label,text\nx, "moja, mbili"\n'))
    assert [row["text"] for _, row in quoted.rows] == ["moja, mbili"]


def test_carriage_returns_in_quotes_are_text_and_outside_them_told(tmp_path: Path) -> None:
    content = 'text,label\n"moja\rmbili, x\ntatu\rnne, y",x\n'
    assert next(read_rows(write(tmp_path / "a.csv", content)))["text"] == "moja\rmbili, x\ntatu\rnne, y"
    with pytest.raises(UserError, match=r"line 2: expected 2 columns .*; a carriage return ends this line"):
        list(read_rows(write(tmp_path / "b.csv", "text,label\nmoja\rmbili,x\n")))
    assert len(list(read_rows(write(tmp_path / "c.csv", "text,label\rmoja,x\rmbili,y\r")))) == 2


def test_numbers_before_a_text_give_swallowed_rows_away_too(tmp_path: Path) -> None:
    rows = [f"{number},Neno la kwanza na la pili {number * 7}." for number in range(40)]
    rows[3] = '3,"Neno la kwanza na la pili 21.'
    rows[6] = rows[6] + '"'
    with pytest.raises(UserError, match="line 5: a quote that opens here swallows the rows up to line 8"):
        list(read_rows(write(tmp_path / "a.csv", "\n".join(["id,text", *rows, ""]))))


def test_quotes_that_are_never_closed_or_stand_in_the_wrong_place_are_told_with_the_line_of_their_row(
    tmp_path: Path,
) -> None:
    rows = reviews(10)
    rows[4] = f'"{rows[4]}'
    with pytest.raises(UserError, match="line 6: a quote opens in this row and is never closed"):
        list(read_rows(write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))))
    rows[7] = f'"Juma" {rows[7]}'
    with pytest.raises(UserError, match="line 6: misplaced quotes in the row that begins here"):
        list(read_rows(write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))))


@pytest.mark.parametrize(
    "text",
    [
        "Ewe mama, nakupenda\nEwe baba, nakupenda\nEwe dada, nakupenda",  # a comma in each line, as in a row
        "moja, mbili\ntatu, nne",
        "mstari\n" * 200 + "mwisho",
        "chanya\nhasi, chanya na mengine",
    ],
)
def test_texts_of_many_lines_are_no_swallowed_rows(tmp_path: Path, text: str) -> None:
    content = "\n".join(["text,label", *reviews(30), f'"{text}",chanya', *reviews(10), ""])
    rows = list(read_rows(write(tmp_path / "a.csv", content)))
    assert len(rows) == 41
    assert rows[30] == {"text": text, "label": "chanya"}
