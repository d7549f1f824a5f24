"""MkDocs hooks: add the generated references and the pages that live at the root of the repository."""

import re
from pathlib import Path

from lrl_adapt.docs import cli_reference, recipe_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "build" / "docs-sources" / "lrl_adapt"
ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_startup(**_: object) -> None:
    """Link the package's own files into a folder of their own, for mkdocstrings to read docstrings from.

    It walks every folder of a package, and the root folder, which is the package, also holds the virtual environment.
    """
    SOURCES.mkdir(parents=True, exist_ok=True)
    for path in [*ROOT.glob("*.py"), *(file.parent for file in ROOT.glob("*/__init__.py"))]:
        link = SOURCES / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files under docs/, and write those that are only a hint there."""
    pages = {"recipe-reference.md": recipe_reference.page(), "cli.md": cli_reference.page()}
    pages |= {address: root_page((ROOT / name).read_text(encoding="utf-8")) for name, address in ROOT_PAGES.items()}
    for address, content in pages.items():
        if hint := files.get_file_from_path(address):
            files.remove(hint)
        files.append(File.generated(config, address, content=content))
    return files


def root_page(text: str) -> str:
    """A page of the repository's root as a page of the site: links into docs/ start from docs/ itself."""
    return re.sub(r"\]\(docs/", "](", text)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links from a page under docs/ to one at the root lead to that page on the site."""
    return re.sub(r"\]\(\.\./(\w+\.md)", lambda link: f"]({ROOT_PAGES.get(link[1], '../' + link[1])}", markdown)
