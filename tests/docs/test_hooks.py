"""Links between pages of the site and pages at the root of the repository."""

import pytest

pytest.importorskip("mkdocs")

from lrl_adapt.docs import hooks


def test_links_of_a_root_page_start_from_docs() -> None:
    text = "[guide](docs/guide.md#text), [site](https://example.org/docs/)"
    assert hooks.root_page(text) == "[guide](guide.md#text), [site](https://example.org/docs/)"


def test_links_of_a_page_to_the_root_lead_to_the_site() -> None:
    text = "[changes](../CHANGELOG.md#unreleased), [other](../NOTES.md)"
    assert hooks.on_page_markdown(text) == "[changes](changelog.md#unreleased), [other](../NOTES.md)"
