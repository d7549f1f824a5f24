"""Names of base models that lead nowhere: what was probably meant, without asking the hub."""

import re

from ..workspace.errors import nearest
from ..workspace.locations import is_folder
from .yaml_files import BUNDLED, read_yaml

BASES = BUNDLED / "quickstart" / "base"
# The first models of the hub, which are still found without their owner
WITHOUT_OWNER = re.compile(
    r"(albert|bert|camembert|distilbert|distilroberta|roberta|xlm|xlm-roberta)-[\w-]*(base|large|xlarge|xxlarge|mlm)\b.*"
)
ANY_HUB_ID = "hub ids have an owner, as in FacebookAI/xlm-roberta-base, and folders a slash, as in ./my-base"


def unknown_base(name: str, bundled: str = "{recipes}") -> str:
    """What is wrong with the name of a base, and what to write; "" for folders and for ids that the hub may have.

    `bundled` is how the folder of the bundled recipes is written.
    """
    if "/" in name or is_folder(name) or WITHOUT_OWNER.fullmatch(name):
        return ""
    known = {folder.name: f"{bundled}/{folder.relative_to(BUNDLED)}" for folder in BASES.iterdir()} | _hub_bases()
    near = nearest(name.lower(), known, cutoff=0.6)
    hint = f"did you mean {known[near]}? Other {ANY_HUB_ID}" if near else ANY_HUB_ID
    return f"no folder and no model on the hub is called {name}; {hint}"


def _hub_bases() -> dict[str, str]:
    """Hub ids of the bundled recipes' bases, by the names of recipes and of the models without their owners."""
    names: dict[str, str] = {}
    for path in sorted(BUNDLED.glob("*.yaml")):
        base = read_yaml(path).get("base")
        model = base.get("model") if isinstance(base, dict) else base
        if isinstance(model, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", model):
            names |= {path.stem: model, model.partition("/")[2].lower(): model}
    return names
