"""One text in many forms gives one result, at every door.

Looked at: corpus lines, task texts, words and labels, the labels that a recipe lists, sentences of the
pseudo-perplexity (here); input of predict (test_predict.py) and fill-mask (test_fill_mask.py), terms of a graph
(test_conceptnet.py) and its templates (test_linearise.py), a from-scratch tokenizer (test_wordpiece.py).
"""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lrl_adapt.cli.app import app
from lrl_adapt.corpora.clean import clean
from lrl_adapt.corpora.readers import DocumentReader
from lrl_adapt.eval.segmentation import label_units
from lrl_adapt.eval.task_data import read_task
from lrl_adapt.eval.task_eval import NO_TOKENS
from lrl_adapt.recipes.evaluation import PseudoPerplexity, Task
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.schema import Corpus
from lrl_adapt.recipes.task_files import read_sentences
from typer.testing import CliRunner

from ..tiny_tokenizers import unigram, wordpiece

VIETNAMESE = [
    "Tôi học tiếng Việt ở trường đại học.",
    "Người dân uống nước sạch mỗi ngày.",
    "Quyển sách này rất hay và bổ ích.",
]
SWAHILI = ["Watoto wanasoma vitabu shuleni.", "Mvua ilinyesha usiku kucha mjini.", "Soko limejaa matunda na mboga."]
TEXTS = st.text(
    st.one_of(
        st.sampled_from("áệ가\u0301\u0323\u1161 'a❤\ufe0f\u200d\xad\u2028"),
        st.characters(exclude_categories=["Cs", "Cc"]),
    )
)
TOKENIZERS = [wordpiece([*VIETNAMESE, *SWAHILI]), unigram([*VIETNAMESE, *SWAHILI])]


def both_forms(text: str) -> list[str]:
    return [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory):
    """Pseudo-perplexity of the small base on a file of sentences: exit code, scores, stderr, the manifest's facts."""
    workspace = tmp_path_factory.mktemp("runs")

    def score(content: str):
        file = tmp_path_factory.mktemp("texts") / "mlm.txt"
        file.write_bytes(content.encode())
        command = ["eval", "quickstart", "--adapter", "none", "--task", "mlm", "--json", "-w", str(workspace)]
        changes = ["--set", "corpus.drop_task_lines=false", "--set", f"eval.mlm.files={file}"]
        result = CliRunner().invoke(app, [*command, *changes])
        if result.exit_code:
            return result.exit_code, {}, result.stderr, {}
        scores = {score["metric"]: (score["value"], score["n"]) for score in json.loads(result.stdout)["scores"]}
        newest = max((workspace / "scores" / "swh_Latn").glob("mlm-*"), key=lambda folder: folder.stat().st_mtime_ns)
        return 0, scores, result.stderr, json.loads((newest / "manifest.json").read_text(encoding="utf-8"))["facts"]

    return score


def test_sentences_in_either_normal_form_score_the_same(scored) -> None:
    composed, decomposed = (scored("\n".join(both_forms(text)[form] for text in VIETNAMESE)) for form in (0, 1))
    assert composed[1] == decomposed[1]
    assert composed[1]["pseudo_perplexity"][0] == pytest.approx(144.4, abs=1)
    assert "text normalised" not in composed[2]
    assert decomposed[2].count("mlm.txt: text normalised: NFC: 3 texts changed") == 1


def test_lines_of_which_the_tokenizer_keeps_nothing_are_left_out_and_counted(scored) -> None:
    _, plain, _, _ = scored("\n".join(SWAHILI))
    code, scores, message, facts = scored("\n".join([*SWAHILI, "\u200d\u200d", "\ufffd", "\xad", "\u200b", "\x07", ""]))
    assert code == 0
    assert scores == plain
    assert scores["bits_per_character"][1] == 3
    assert "texts left empty: 4" in message
    assert "mlm: 1 of 4 sentences skipped: they have no tokens" in message
    assert facts["sentences_without_tokens"] == 1
    assert facts["data"]["sentences"] == {
        "rows": 8,
        "used": 3,
        "dropped": {"empty text": 4, NO_TOKENS: 1},
    }
    code, _, message, _ = scored("\u200d\u200d\n\ufffd\n")
    assert code == 2
    assert "error: eval.mlm: the tokenizer of base-mini has no tokens for any sentence" in message


@pytest.mark.slow
def test_sentences_that_are_cut_are_counted_and_told(scored) -> None:
    short = scored("\n".join(SWAHILI))
    code, _, message, facts = scored("\n".join([*SWAHILI, " ".join(SWAHILI * 40)]))
    assert code == 0
    assert facts["data"]["sentences"] == {"rows": 4, "used": 4, "cut": 1}
    assert "mlm: 1 of 4 rows are longer than eval.mlm.max_length and were truncated" in message
    assert "were cut" not in short[2]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_kind_part_sentences_and_documents(end: str, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(("\ufeff" + end.join([*SWAHILI, ""])).encode())
    assert list(read_sentences(PseudoPerplexity(files=[str(file)]), tmp_path)) == SWAHILI
    assert [document.text for document in DocumentReader(Corpus()).read(file)] == SWAHILI


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_other_breaks_are_spaces_inside_a_sentence(end: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(end.join(SWAHILI), encoding="utf-8")
    assert list(read_sentences(PseudoPerplexity(files=[str(tmp_path / "a.txt")]), tmp_path)) == [" ".join(SWAHILI)]


def test_labels_texts_and_words_in_two_forms_are_one(tmp_path: Path) -> None:
    class Told:
        lines: list[str] = []  # noqa: RUF012

        def say(self, text: str) -> None:
            self.lines.append(text)

    composed, decomposed = both_forms("búburú")
    rows = [
        f"{text} {number},{label}" for number, (text, label) in enumerate([(composed, decomposed), ("re", "rere")] * 9)
    ]
    rows += [f"{decomposed}\xa0{number},{composed}" for number in range(9)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    files = {split: str(tmp_path / "a.csv") for split in ("train", "validation", "test")}
    message = Told()
    data = read_task("mood", Task(**files), tmp_path, message)  # type: ignore[arg-type]
    assert data.labels == ["búburú", "rere"]
    assert {item.text.split()[0] for item in data.splits["test"]} == {"búburú", "re"}
    listed = read_task("mood", Task(**files, labels=[decomposed, "rere"]), tmp_path)
    assert listed.splits["test"] == data.splits["test"]
    (tmp_path / "b.conll").write_text(
        f"{decomposed} B-{composed}\nki\xadtabu B-{decomposed}\n\u200e O\n", encoding="utf-8"
    )
    tags = read_task("ner", Task(**{split: str(tmp_path / "b.conll") for split in files}), tmp_path)
    assert tags.splits["test"][0].text == ["búburú", "kitabu", ""]  # a word of which nothing is left keeps its tag
    assert tags.labels == ["O", "B-búburú"]
    assert len([line for line in message.lines if "eval.others.mood.test: text normalised: NFC" in line]) == 1
    before = len(message.lines)
    read_task("mood", Task(**files), tmp_path, message)  # type: ignore[arg-type]
    assert len(message.lines) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(text=TEXTS)
def test_normal_forms_give_the_same_lines_words_and_pieces(text: str, tmp_path: Path) -> None:
    corpus = Corpus(min_characters=1, min_letters=0, min_script=0, drop_boilerplate=False, drop_near_duplicates=False)
    seen = []
    for form in both_forms(text.replace("\n", " ").replace("\r", " ")):
        (tmp_path / "a.txt").write_text(form, encoding="utf-8")
        documents = list(DocumentReader(Corpus()).read(tmp_path / "a.txt"))
        lines = clean(documents, corpus, find_language("swh_Latn")).lines
        sentences = list(read_sentences(PseudoPerplexity(files=[str(tmp_path / "a.txt")]), tmp_path))
        units = [label_units(sentence, tokenizer) for sentence in sentences for tokenizer in TOKENIZERS]
        seen.append(([document.id for document in documents], lines, sentences, units))
    assert seen[0] == seen[1]
