"""The table of models and data before a run."""

from pathlib import Path

from .small import invoke

GRID = """
language: swh_Latn
base: {model: me/base}
source: graph
graph: {conceptnet: dump.csv.gz}
eval: {tasks: [mlm], mlm: {files: sentences.txt}}
grid: {language: [swh_Latn, mlt_Latn], base.model: [me/base, me/other]}
"""


def test_what_several_languages_need_is_listed_once(folder: Path) -> None:
    for name in ("dump.csv.gz", "sentences.txt"):
        (folder / name).touch()
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    result = invoke("run", "grid.yaml", "--dry-run")
    assert result.exit_code == 2
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in result.output.splitlines()]
    wanted = [row for row in rows if row and row[0].startswith("2 languages")]
    assert wanted == [
        ["2 languages: base", "me/base", "unreachable"],
        ["2 languages: graph", str(folder / "dump.csv.gz"), "local"],
        ["2 languages: eval.mlm", str(folder / "sentences.txt"), "local"],
        ["2 languages: base", "me/other", "unreachable"],
    ]
