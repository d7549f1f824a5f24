import shutil
import subprocess
from pathlib import Path

import pytest
from lrl_adapt.eval.report.latex import escape_latex, latex

from .made_results import large, make_tables_of, small


def test_latex_escapes_names_and_bolds_only_what_is_better(tmp_path: Path) -> None:
    text = latex(make_tables_of(small(tmp_path)))
    assert r"Task & base & seq\_bn/text \\" in text
    assert r"\textbf{401.9} ($-$50.5\%)" in text
    assert text.count(r"\textbf") == 1
    assert escape_latex("50 % of {a_b} & ~^\\ #$") == (
        r"50 \% of \{a\_b\} \& \textasciitilde{}\textasciicircum{}\textbackslash{} \#\$"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
def test_latex_can_be_typeset(tmp_path: Path) -> None:
    body = latex(make_tables_of(large(tmp_path / "runs")))
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{body}\\end{{document}}\n", encoding="utf-8")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)
