from pathlib import Path

from lrl_adapt.eval.report.markdown import markdown

from .made_results import add_mlm, large, make_tables_of, small


def test_markdown_is_bold_only_where_better(tmp_path: Path) -> None:
    lines = markdown(make_tables_of(small(tmp_path))).splitlines()
    assert lines[2] == "| task | metric | base | seq_bn/text |"
    assert "| 812.3 [731.1, 893.5] | **401.9** [361.7, 442.1] (−50.5% [" in lines[4]
    assert lines[4].endswith("; better) |")
    assert "**" not in lines[5]
    assert lines[5].endswith("; no clear difference) |")


def test_markdown_of_languages_ends_in_their_mean(tmp_path: Path) -> None:
    text = markdown(make_tables_of(large(tmp_path)))
    assert "not comparable: more than 5% [UNK]" in text
    assert "| mean, macro-F1, % |" in text
    assert "(7 languages; +" in text
    (uyghur,) = [line for line in text.splitlines() if line.startswith("| Uyghur") and "0." not in line[:20]][1:]
    assert "| — |" in uyghur


def test_a_pipe_in_a_name_does_not_end_a_markdown_cell(tmp_path: Path) -> None:
    add_mlm(tmp_path, "a|b", 9.0)
    assert "| base | a\\|b |" in markdown(make_tables_of(tmp_path))
