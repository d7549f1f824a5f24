"""docs/python.md and docs/quickstart.ipynb run as they are, on a base that is made on the spot and in a few steps."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ..tiny import CHANGES

DOCS = Path(__file__).parents[2] / "docs"
FEW_STEPS = (
    "training.max_steps=4",
    "training.eval_steps=4",
    "eval.training.num_train_epochs=1",
    "eval.limit=8",
    "eval.seeds=[1]",
)
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, offline, with quick settings for every recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRL_ADAPT_HOME", raising=False)
    monkeypatch.setenv("LRL_ADAPT_SET", "\n".join([*CHANGES, *FEW_STEPS]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.slow
def test_the_examples_in_python_md_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    blocks = CODE.findall((DOCS / "python.md").read_text(encoding="utf-8"))
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    shown = capsys.readouterr().out
    assert len(blocks) > 5
    assert len(blocks[0].strip().splitlines()) <= 14
    assert "pseudo_perplexity" in shown
    assert "did you mean lora?" in shown
    assert (folder / "imported" / "adapter_config.json").is_file()
    assert Path(str(names["page"])).is_file()


@pytest.mark.slow
def test_the_notebook_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    notebook = nbformat.read(DOCS / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "did you mean lora?" in outputs[-1]["text"]
    noise = [output["text"] for output in outputs if output.get("name") == "stderr"]
    # tqdm asks for ipywidgets once, and docs/python.md says so
    assert not [text for text in noise if "ipywidgets" not in text]
    assert next((folder / "lrl-runs" / "reports").rglob("index.html")).is_file()


def test_the_notebook_is_stored_without_outputs_and_paths() -> None:
    notebook = nbformat.read(DOCS / "quickstart.ipynb", as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert str(Path.home()) not in (DOCS / "quickstart.ipynb").read_text(encoding="utf-8")
