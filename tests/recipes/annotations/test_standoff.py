"""brat's pairs of files and INCEpTION's WebAnno TSV 3."""

import re
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.examples import Account, Item, read_items, reading_notes
from lrl_adapt.recipes.task_files import read_split
from lrl_adapt.workspace.errors import UserError

TEXT = "Amina Juma yuko Nairobi.\r\nChuo\r\nKikuu cha Dodoma\r\n"
ANNOTATIONS = """\
T1	PER 0 10	Amina Juma
T2	LOC 16 23	Nairobi
T3	ORG 26 30;32 37	Chuo Kikuu
T4	PER 0 5;11 15	Amina yuko
T5	Kuwa 11 15	yuko
E1	Kuwa:T5 Nani:T1
R1	Ndani Arg1:T1 Arg2:T2
A1	Uhakika T1 Kweli
#1	AnnotatorNotes T1	maelezo
"""


def task(**changes: Any) -> Task:
    return Task(file="unread", **changes)


def brat(folder: Path, name: str, text: str, annotations: str) -> Path:
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_text(annotations, encoding="utf-8")
    return folder / f"{name}.ann"


def test_brats_entities(tmp_path: Path) -> None:
    account = Account()
    assert read_items(brat(tmp_path, "a", TEXT, ANNOTATIONS), task(), account) == [
        Item(["Amina", "Juma", "yuko", "Nairobi", "."], ["B-PER", "I-PER", "O", "B-LOC", "O"]),
        Item(["Chuo", "Kikuu", "cha", "Dodoma"], ["B-ORG", "I-ORG", "O", "O"]),
    ]
    assert account.entities == 5
    assert account.spans == {"left out: in separate parts": 1, "left out: triggers of events": 1}


def test_a_folder_of_brat(tmp_path: Path) -> None:
    for number in range(8):
        brat(tmp_path, f"doc{number}", f"Juma {number}", "T1\tPER 0 4\tJuma\n")
    (tmp_path / "annotation.conf").write_text("[entities]\nPER\n")
    account = Account()
    task = Task(train=str(tmp_path), validation="-", test="-")
    items = read_split("ner", task, "train", tmp_path, account=account)
    assert items == [Item(["Juma", str(number)], ["B-PER", "O"]) for number in range(8)]
    assert reading_notes([account]) == [
        "read doc0.ann, doc1.ann, doc2.ann, doc3.ann, doc4.ann and 3 more: an export of brat",
        f"read {tmp_path.name}: 8 entities",
    ]


def test_brats_files_that_do_not_fit(tmp_path: Path) -> None:
    path = brat(tmp_path, "a", TEXT, "T1\tPER 0-5\tAmina\n")
    with pytest.raises(UserError, match=r"a\.ann, line 1: expected T1<tab>TYPE START END<tab>TEXT"):
        read_items(path, task())
    with pytest.raises(UserError, match="have no columns; remove where"):
        read_items(path, task(where={"a": "b"}))
    with pytest.raises(
        UserError, match=r"a\.txt is a text annotated in brat; give its annotations, a\.ann, or the fold"
    ):
        read_items(path.with_suffix(".txt"), task())
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UserError, match=r"a\.ann lacks its text, a\.txt"):
        read_items(path, task())


HEADER = """\
#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS|PosValue|coarseValue
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value
#T_SP=webanno.custom.Kitendo|aina|ROLE_webanno.custom.Kitendo:Nani_webanno.custom.KitendoNani|NamedEntity
#T_RL=webanno.custom.Uhusiano|aina|BT_webanno.custom.Kitendo


"""
BODY = """\
#Text=👍🏾 Amina Juma yuko Nairobini.
1-1	0-4	👍🏾	SYM	*	_	_	_	_	_	_	_
1-2	5-10	Amina	PROPN	*	*[1]	PER[1]	_	_	_	_	_
1-3	11-15	Juma	PROPN	*	*[1]|*[3]	PER[1]|JINA[3]	_	_	_	_	_
1-4	16-20	yuko	VERB	*	_	_	_	*	1-2	_	_
1-5	21-30	Nairobini	PROPN	*	_	_	_	_	_	_	_
1-5.1	21-28	Nairobi	_	_	*	LOC	_	_	_	_	_
1-6	30-31	.	PUNCT	*	_	_	_	_	_	_	_

#Text=A\\_B [C]
2-1	32-35	A\\_B	X	*	*	V\\|W\\_X	_	_	_	_	_
2-2	36-39	[C]	X	*	_	_	_	_	_	_	_
"""


def webanno(folder: Path, text: str) -> Path:
    path = folder / "document.tsv"
    text = re.sub(r"^\d.*", r"\g<0>\t", text, flags=re.MULTILINE)  # lines of tokens end with a tab
    path.write_text(text, encoding="utf-8")
    return path


def test_webannos_entities(tmp_path: Path) -> None:
    account = Account()
    assert read_items(webanno(tmp_path, HEADER + BODY), task(), account) == [
        Item(
            ["👍🏾", "Amina", "Juma", "yuko", "Nairobini", "."],
            ["O", "B-PER", "I-PER", "O", "B-LOC", "O"],
        ),
        Item(["A_B", "[", "C", "]"], ["B-V|W_X", "O", "O", "O"]),
    ]
    assert account.entities == 4
    assert account.spans == {"left out: overlap another entity": 1, "widened to whole words": 1}
    assert account.notes == [("document.tsv", "an export of WebAnno TSV, offsets in UTF-16 units")]


def test_one_of_several_layers_is_chosen(tmp_path: Path) -> None:
    path = webanno(tmp_path, HEADER + BODY.replace("VERB\t*\t_\t_\t_", "VERB\t*\t_\t_\tkuwa"))
    with pytest.raises(UserError, match=r"label: NamedEntity.value \(entities\), label: Kitendo.aina \(entities\)"):
        read_items(path, task())
    assert read_items(path, task(label="Kitendo.aina"))[0].label == ["O", "O", "O", "B-kuwa", "O", "O"]


def test_a_document_without_entities_in_the_layer(tmp_path: Path) -> None:
    plain = HEADER + "#Text=Hakuna\n1-1\t0-6\tHakuna\tX\t*\t_\t_\t_\t_\t_\t_\t_\n"
    assert read_items(webanno(tmp_path, plain), task()) == [Item(["Hakuna"], ["O"])]
    assert read_items(webanno(tmp_path, plain), task(label="Kitendo.aina")) == [Item(["Hakuna"], ["O"])]
    with pytest.raises(UserError, match=r"no labels called 'NamedEntity.valu'; did you mean NamedEntity.value\?"):
        read_items(webanno(tmp_path, plain), task(label="NamedEntity.valu"))


def test_lines_of_webanno_that_do_not_fit_their_header_or_offsets(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 9: .* 9 columns as in the header"):
        read_items(webanno(tmp_path, HEADER + BODY.replace("SYM\t*\t", "")), task())
    with pytest.raises(UserError, match=r"line 10: 'Amina' does not fit its offsets, 4-10"):
        read_items(webanno(tmp_path, HEADER + BODY.replace("5-10\t", "4-10\t")), task())
