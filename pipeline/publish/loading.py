"""The lines of Python on a card that load what was published."""

from pathlib import Path

from ...training.adapters.files import CONFIG, WEIGHTS
from ...training.transliterate import TRANSLITERATION
from .contents import contents
from .subject import Subject

PEFT = """\
from peft import PeftModel
from transformers import AutoModelForMaskedLM
base = AutoModelForMaskedLM.from_pretrained({base}
model = PeftModel.from_pretrained(base, "{repo}"{subfolder})"""
TRANSFORMERS = """\
from transformers import AutoModelForMaskedLM, AutoTokenizer
model = AutoModelForMaskedLM.from_pretrained("{repo}"{subfolder})
tokenizer = AutoTokenizer.from_pretrained("{repo}"{subfolder})"""
LRL_ADAPT = """\
import lrl_adapt
model, tokenizer = lrl_adapt.load_adapter("{address}"{options}"""
TASK = """\
import lrl_adapt
print(lrl_adapt.predict("{text}", adapter="{address}"{options}"""
PEFT_TYPES = ("lora", "ia3")


def loading_code(subject: Subject, address: str) -> str:
    """At most five lines that load what is at OWNER/NAME or OWNER/NAME/FOLDER.

    With a comment where the reader has to fill in the base, which is not on the hub.
    """
    owner, name, *folders = address.split("/")
    of_library = {"repo": f"{owner}/{name}", "subfolder": "".join(f', subfolder="{folder}"' for folder in folders)}
    options, comment = "", ""
    if subject.base.hub_id is None and not (subject.is_full or _stands_on_whole_model(subject)):
        name = Path(subject.base.name).name if subject.base.name else "BASE"
        options, comment = f', base="path/to/{name}"', f"  # fill in: the path of the base {name}"
    if subject.task_settings is not None:
        text = f"A text in {subject.in_languages}" if subject.languages else "A text"
        if subject.task_settings.get("pairs"):
            text += r"\tAnother text"
        return TASK.format(address=address, text=text, options=f"{options})){comment}")
    if subject.is_full and TRANSLITERATION not in contents(subject):
        return TRANSFORMERS.format(**of_library)
    if _is_plain_peft(subject):
        return PEFT.format(base=subject.base.argument, **of_library)
    return LRL_ADAPT.format(address=address, options=f"{options}){comment}")


def _stands_on_whole_model(subject: Subject) -> bool:
    return subject.language_adapter is not None and subject.language_adapter.is_full


def _is_plain_peft(subject: Subject) -> bool:
    """Whether PEFT alone can load it: one of its own types, and no files that only this package reads."""
    has_new_head = "lm_head" in subject.facts
    return subject.type in PEFT_TYPES and set(contents(subject)) == {CONFIG, WEIGHTS} and not has_new_head
