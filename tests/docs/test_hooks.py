"""Links between pages of the site and pages at the root of the repository."""

from pathlib import Path

import pytest

pytest.importorskip("mkdocs")

from lrl_adapt.docs import hooks
from mkdocs.config import load_config
from mkdocs.structure.files import get_files


def test_docstrings_are_read_from_the_package_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "SOURCES", tmp_path / "lrl_adapt")
    hooks.on_startup()
    hooks.on_startup()  # a second build finds the first one's links
    names = {path.name for path in (tmp_path / "lrl_adapt").iterdir()}
    assert {"__init__.py", "cli", "recipes", "training", "workspace"} <= names
    assert not names & {".venv", "build", "docs", "tests"}


def test_links_of_a_root_page_start_from_docs() -> None:
    text = "[guide](docs/guide.md#text), [site](https://example.org/docs/)"
    assert hooks.root_page(text) == "[guide](guide.md#text), [site](https://example.org/docs/)"


def test_links_of_a_page_to_the_root_lead_to_the_site() -> None:
    text = "[changes](../CHANGELOG.md#unreleased), [other](../NOTES.md)"
    assert hooks.on_page_markdown(text) == "[changes](changelog.md#unreleased), [other](../NOTES.md)"


def test_generated_pages_take_the_place_of_the_hints_in_docs() -> None:
    config = load_config(str(hooks.ROOT / "mkdocs.yml"))
    files = config.plugins.on_files(get_files(config), config=config)
    for address, heading in (("cli.md", "## `lrl-adapt run`"), ("recipe-reference.md", "### `corpus.files`")):
        (page,) = [file for file in files if file.src_uri == address]
        assert heading in page.content_string
