import errno
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from lrl_adapt.cli.console import Terminal
from lrl_adapt.eval.report import writer
from lrl_adapt.eval.report.writer import write_report
from lrl_adapt.workspace.errors import UserError

from .made_results import ADAPTER, LABELS, LANGUAGES, add, add_adapter, add_mlm, add_topic, large, small


def page(workspace: Path) -> str:
    return write_report(workspace).read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


class Balance(HTMLParser):
    """Collects tags that are opened and not closed, and ids."""

    void = frozenset({"meta", "br", "link", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_without_scores_it_says_what_to_run(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 1.0, language="mlt_Latn")
    with pytest.raises(UserError, match=r"no scores for swh_Latn under .* yet; run: lrl-adapt eval"):
        write_report(tmp_path, languages=["swh_Latn"])
    assert not (tmp_path / "reports").exists()


def test_the_folder_is_written_whole(tmp_path: Path) -> None:
    path = write_report(small(tmp_path))
    assert path == tmp_path / "reports" / "swh_Latn" / "index.html"
    assert [child.name for child in path.parent.parent.glob("[!.]*")] == ["swh_Latn"]
    assert not list(path.parent.parent.glob(".*.partial"))
    tables = {"index.html", "scores.csv", "comparisons.csv", "costs.csv", "scores.md", "scores.tex", "manifest.json"}
    assert {child.name for child in path.parent.iterdir()} == tables | {"figures"}
    pictures = {child.name for child in (path.parent / "figures").iterdir()}
    stems = {"scores-xlm-r-mlm", "scores-xlm-r-topic", "curve-xlm-r-seq_bn-text"}
    assert pictures == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")}
    manifest = json.loads((path.parent / "manifest.json").read_text())
    assert len(manifest["scores"]) == 6
    assert manifest["versions"]["torch"]
    assert manifest["created"]
    message, adapter = (path.parent / "costs.csv").read_text(encoding="utf-8").splitlines()
    assert (
        message
        == "language,base,system,name,parameters,share,steps,tokens,seconds,devices,loss,energy_joules,energy_source"
    )
    assert adapter.startswith("swh_Latn,xlm-r,seq_bn/text,") and ",894528,0.00502" in adapter and ",93.2," in adapter
    assert adapter.endswith(",4321.5,rapl")


@pytest.mark.slow
def test_several_languages_go_to_all(tmp_path: Path) -> None:
    path = write_report(large(tmp_path))
    assert path.parent == tmp_path / "reports" / "all"
    pictures = {child.stem for child in (path.parent / "figures").iterdir()}
    assert "gains-bert-base-multilingual-cased-topic" in pictures
    assert "pretraining-bert-base-multilingual-cased-topic" in pictures
    assert write_report(tmp_path, languages=["dan_Latn"]).parent.name == "dan_Latn"


def test_against_another_system(tmp_path: Path) -> None:
    path = write_report(small(tmp_path), baseline="seq_bn/text")
    assert path.parent == tmp_path / "reports" / "swh_Latn-baseline-seq_bn-text"
    text = text_of(path.read_text(encoding="utf-8"))
    assert "base, compared with seq_bn/text. Worse: masked language modelling (401.9 → 812.3, +102.1%)." in text
    assert "Changes are against seq_bn/text" in text
    assert "so an interval may exclude 0" in text
    lines = (path.parent / "comparisons.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("swh_Latn,xlm-r,mlm,base,seq_bn/text,pseudo_perplexity,,401.9,812.3,")
    assert "bold: better than seq\\_bn/text by" in (path.parent / "scores.tex").read_text(encoding="utf-8")
    assert "Changes are against seq_bn/text." in (path.parent / "scores.md").read_text(encoding="utf-8")
    assert json.loads((path.parent / "manifest.json").read_text())["baseline"] == "seq_bn/text"
    with pytest.raises(
        UserError, match="--baseline lora/text: no such system was scored; choose one of base, seq_bn/text"
    ):
        write_report(tmp_path, baseline="lora/text")


def test_a_name_that_two_adapters_share_is_asked_about(tmp_path: Path) -> None:
    for name in ("xlm-r-text-seq_bn-1a2b3c4d", "xlm-r-text-seq_bn-5e6f7a8b"):
        add_mlm(tmp_path, ADAPTER, 400.0, parents=(add_adapter(tmp_path, name),))
    with pytest.raises(UserError, match=r"choose seq_bn/text \(1a2b3c4d\) or seq_bn/text \(5e6f7a8b\)"):
        write_report(tmp_path, baseline=ADAPTER)


def test_the_papers_silence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(small(tmp_path), paper_scores=True, progress=Terminal())
    assert "the paper has no scores for these systems and tasks on xlm-r" in capsys.readouterr().err


def test_one_system_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    add_topic(tmp_path, "seq_bn/text", 0.5)
    text = text_of(write_report(tmp_path, baseline="seq_bn/text").read_text(encoding="utf-8"))
    assert "Only seq_bn/text has been scored so far; there is no other system to compare it with." in text


@pytest.mark.slow
def test_an_old_report_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    small(tmp_path)
    own, out = tmp_path / "reports" / "swh_Latn" / "old.txt", tmp_path / "out"
    own.parent.mkdir(parents=True)
    own.write_text("old")
    write_report(tmp_path)
    assert not own.exists()
    write_report(tmp_path, out=out)
    write_report(tmp_path, out=out)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(UserError, match="thesis already exists and is not a report; name a new folder with --out"):
        write_report(tmp_path, out=tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"


def test_beside_a_folder_of_the_users_no_lock_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_write", lambda content, folder, progress: (folder / "index.html").write_text("page"))
    write_report(small(tmp_path / "runs"), out=tmp_path / "mine" / "out")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["out"]
    assert [file.name for file in (tmp_path / "mine" / "out").iterdir()] == ["index.html"]


@pytest.mark.parametrize("own", [True, False])
def test_only_an_error_of_writing_is_told_as_one(own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(content, folder: Path, progress) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(folder / "a.svg" if own else "/fonts/DejaVuSans.ttf"))

    monkeypatch.setattr(writer, "_write", write)
    with pytest.raises(UserError if own else OSError, match=r"cannot write to .*swh_Latn" if own else "/fonts/DejaVu"):
        write_report(small(tmp_path))


def test_a_languages_name_cannot_lead_out_of_the_reports(tmp_path: Path) -> None:
    folder = add_mlm(tmp_path, "base", 9.0)
    content = (folder / "scores.json").read_text().replace("swh_Latn", "../..")
    (folder / "scores.json").write_text(content)
    assert write_report(tmp_path).parent == tmp_path / "reports" / "all"


@pytest.mark.parametrize("make", [small, large])
@pytest.mark.slow
def test_the_page_is_well_formed_and_alone(make, tmp_path: Path) -> None:
    html = page(make(tmp_path))
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not re.search(r'(?:src|href)\s*=\s*"(?!#)', html)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_page_tells_values_intervals_and_changes(tmp_path: Path) -> None:
    text = text_of(page(small(tmp_path)))
    assert "Swahili swh_Latn" in text
    assert re.search(r"401\.9 \[361\.7, 442\.1\] −50\.5% \[−\d+\.\d, −\d+\.\d\] better n 60", text)
    assert re.search(r"points \[[−+±]\d+\.\d, \+\d+\.\d\] no clear difference n 120 · 2 seeds · sd \d", text)
    assert "random weights" not in text
    assert "895" not in text and "894,528" in text
    assert "1 min 33 s" in text


def test_the_opening_tells_the_verdicts_and_stays_short(tmp_path: Path) -> None:
    text = text_of(page(small(tmp_path / "one")))
    assert (
        "seq_bn/text, compared with the base alone. Better: masked language modelling (812.3 → 401.9, −50.5%)." in text
    )
    assert "No clear difference: topic classification (" in text
    for n in range(9):
        add_mlm(tmp_path / "many", f"adapter{n}", 300.0 - n)
    add_mlm(tmp_path / "many", "base", 812.3)
    text = text_of(page(tmp_path / "many"))
    assert (
        "Better than the base: masked language modelling with 9 of 9 systems, most adapter8 (812.3 → 292.0, −64.1%)."
        in text
    )


def test_bold_and_colour_are_only_for_clear_differences(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.6)
    add_topic(tmp_path, ADAPTER, 0.62)
    html = page(tmp_path)
    assert 'class="value better"' not in html
    assert not re.search(r'class="change (better|worse)"', html)


def test_a_random_base_is_noted(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 900.0, base="scratch-1a2b")
    text = text_of(page(tmp_path))
    assert "the figures show that the pipeline works, not what adapters do for a real model." in text
    assert "no adapter to compare it with" in text


def test_what_is_missing_is_said_to_be(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 900.0)
    add_topic(tmp_path, ADAPTER, 0.5)
    html = page(tmp_path)
    assert html.count('<span class="value" title="not measured, though others were">—</span>') == 2
    assert "Without a score of the base: topic classification." in html


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    add_mlm(tmp_path, "base", 9.0, base="<b>")
    folder = add_mlm(tmp_path, "a", 8.0, base="<b>")
    content = (folder / "scores.json").read_text().replace('"a"', json.dumps(evil))
    (folder / "scores.json").write_text(content)
    html = page(tmp_path)
    assert "<script>alert" not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;alert" in html


def test_a_deleted_adapter_keeps_its_scores(tmp_path: Path) -> None:
    shutil.rmtree(small(tmp_path) / "adapters")
    text = text_of(page(tmp_path))
    assert "812.3 → 401.9" in text
    assert "folder was deleted or moved; its scores remain" in text


def test_every_base_has_its_section(tmp_path: Path) -> None:
    add_mlm(small(tmp_path), "base", 50.0, base="mbert")
    text = text_of(page(tmp_path))
    assert "Results on mbert" in text
    assert "Results on xlm-r" in text


@pytest.mark.slow
def test_several_languages_have_means_with_a_test_and_correlations(tmp_path: Path) -> None:
    text = text_of(page(large(tmp_path)))
    assert "7 languages" in text
    assert "better in 7, worse in 0 of 7" in text
    assert "Pre-training data and gain" in text
    assert "Spearman's ρ" in text.replace("&#39;", "'")
    assert "not comparable: more than 5% [UNK]" in text


def test_classes_and_confusions_are_shown_where_there_are_details(tmp_path: Path) -> None:
    classes = {name: {"precision": 0.5, "recall": 0.25, "f1": 0.333, "support": 30} for name in LABELS}
    for seed in (1, 2):
        folder = add_topic(tmp_path, "base", 0.5, seed=seed)
        details = {"labels": LABELS, "confusion": [[7, 1, 0, 0]] * 4, "classes": classes}
        (folder / "details.json").write_text(json.dumps(details))
    text = text_of(page(tmp_path))
    assert "health 50.0 25.0 33.3 30" in text
    assert "politics 14 2 0 0" in text


def test_licences_of_all_data_are_told(tmp_path: Path) -> None:
    adapter = add_adapter(tmp_path, "x-text-seq_bn-1a")
    add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,), inputs={"files": ["0" * 64]})
    data = {"data": {"train": "hf://datasets/mteb/sib200/sib200/train/swh_Latn.parquet"}}
    add_topic(tmp_path, "base", 0.5, inputs=data)
    rows = [{"words": ["a"], "gold": ["O"], "guess": ["O"]}]
    wikiann = {"data": {"test": "hf://datasets/unimelb-nlp/wikiann/sw/test-00000-of-00001.parquet"}}
    add(tmp_path, "ner", "base", {"entity_f1": (0.5, None)}, rows, seed=1, inputs=wikiann)
    other = {"data": {"test": "hf://datasets/someone/something/x.csv"}}
    add_topic(tmp_path, "base", 0.5, task="own", inputs=other)
    text = text_of(page(tmp_path)).replace("&#39;", "'")
    assert "GlotCC (cis-lmu/GlotCC-V1, abc123) training Common Crawl's terms of use" in text
    assert "ConceptNet (dump.csv.gz) training CC BY-SA 4.0; its edges: cc:by-sa/4.0" in text
    assert "SIB-200 scoring of topic CC BY-SA 4.0" in text
    assert "WikiANN scoring of ner licence unknown" in text
    assert "Task data in local files scoring of mlm local files; see their own terms" in text
    assert "someone/something scoring of own see the data set's page" in text


def test_the_licence_that_a_corpus_recorded_is_told(tmp_path: Path) -> None:
    adapter = add_adapter(tmp_path, "x-text-seq_bn-1a")
    file = tmp_path / "data/swh_Latn/corpus-1a/manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["facts"]["source"]["licence"] = "cc0-1.0"
    file.write_text(json.dumps(manifest), encoding="utf-8")
    add_mlm(tmp_path, ADAPTER, 9.0, parents=(adapter,), inputs={"files": ["0" * 64]})
    text = text_of(page(tmp_path)).replace("&#39;", "'")
    assert "training packaging cc0-1.0, the text under Common Crawl's terms of use" in text


@pytest.mark.slow
def test_the_papers_numbers_are_shown_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.eval.report.paper.paper_score", lambda *_: 0.5)
    text = text_of(write_report(small(tmp_path), paper_scores=True).read_text(encoding="utf-8"))
    assert text.count("paper 50.0") == 2
    assert "arXiv 2502.10140" in text
    assert "paper 50.0" not in text_of(page(tmp_path))


@pytest.mark.slow
def test_the_report_command_imports_only_what_it_needs(tmp_path: Path) -> None:
    """Torch and transformers take seconds to import, and a report reads numbers alone."""
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from lrl_adapt.cli.app import app\n"
        "result = CliRunner().invoke(app, ['report', '-w', sys.argv[1]])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} | set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, str(small(tmp_path))]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "matplotlib" in modules  # it did draw
    unwanted = {"torch", "transformers", "peft", "datasets", "pyarrow", "scipy.stats", "matplotlib.pyplot"}
    assert unwanted.isdisjoint(modules)


def test_two_metrics_of_one_task_have_two_figures(tmp_path: Path) -> None:
    for number, language in enumerate(LANGUAGES[:2]):
        more = {"language": language} | ({"metric": "accuracy"} if number else {})
        add_topic(tmp_path, "base", 0.5, **more)
        add_topic(tmp_path, ADAPTER, 0.7, **more)
    path = write_report(tmp_path)
    names = {file.name for file in (path.parent / "figures").glob("gains*.svg")}
    assert names == {"gains-xlm-r-topic-accuracy.svg", "gains-xlm-r-topic-macro_f1.svg"}
    text = text_of(path.read_text(encoding="utf-8"))
    assert "Topic classification, accuracy accuracy, %" in text
    assert "Means over Maltese." in text
