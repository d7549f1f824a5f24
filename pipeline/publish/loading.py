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
model = PeftModel.from_pretrained(base, "{repo}")"""
TRANSFORMERS = """\
from transformers import AutoModelForMaskedLM, AutoTokenizer
model = AutoModelForMaskedLM.from_pretrained("{repo}")
tokenizer = AutoTokenizer.from_pretrained("{repo}")"""
LRL_ADAPT = """\
import lrl_adapt
from huggingface_hub import snapshot_download
model, tokenizer = lrl_adapt.load_adapter(snapshot_download("{repo}"){options}"""
TASK = """\
import lrl_adapt
from huggingface_hub import snapshot_download
folder = snapshot_download("{repo}")
print(lrl_adapt.predict("{text}", adapter=folder{options}"""
PEFT_TYPES = ("lora", "ia3")


def loading_code(subject: Subject, repo: str) -> str:
    """At most five lines; with a comment where the reader has to fill in the base, which is not on the hub."""
    options, comment = "", ""
    if subject.base.hub_id is None and not (subject.is_full or _stands_on_whole_model(subject)):
        name = Path(subject.base.name).name if subject.base.name else "BASE"
        options, comment = f', base="path/to/{name}"', f"  # fill in: the path of the base {name}"
    if subject.task_settings is not None:
        text = f"A text in {subject.in_languages}" if subject.languages else "A text"
        if subject.task_settings.get("pairs"):
            text += r"\tAnother text"
        return TASK.format(repo=repo, text=text, options=f"{options})){comment}")
    if subject.is_full and TRANSLITERATION not in contents(subject):
        return TRANSFORMERS.format(repo=repo)
    if _is_plain_peft(subject):
        return PEFT.format(base=subject.base.argument, repo=repo)
    return LRL_ADAPT.format(repo=repo, options=f"{options}){comment}")


def _stands_on_whole_model(subject: Subject) -> bool:
    return subject.language_adapter is not None and subject.language_adapter.is_full


def _is_plain_peft(subject: Subject) -> bool:
    """Whether PEFT alone can load it: one of its own types, and no files that only this package reads."""
    has_new_head = "lm_head" in subject.facts
    return subject.type in PEFT_TYPES and set(contents(subject)) == {CONFIG, WEIGHTS} and not has_new_head
