"""Recipe files that tests write into the current folder, and the errors of loading them."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.workspace.errors import UserError

PLAIN = "language: sw\nbase: {from_scratch: {}}\ncorpus: {files: texts/*.txt}\n"


def write(name: str, text: str) -> str:
    """Write a file in the current folder, and return its name."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def errors(*overrides: str, text: str = PLAIN) -> str:
    """The message of the error in a recipe with overrides."""
    with pytest.raises(UserError) as caught:
        load_recipe(write("recipe.yaml", text), overrides)
    return str(caught.value)
