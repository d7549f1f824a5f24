"""The model card of a published adapter: metadata that the hub filters by, and what readers should know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ...eval.display import task_name
from ...eval.inference.published import LANGUAGE_ADAPTER
from ...eval.report.verdicts import Verdict
from ...recipes.hub_language import hub_language
from ...recipes.licences import OTHER, RolledUp
from ...recipes.renames import present_names
from ...training.model_card import CONTROLS
from ...training.transliterate import TRANSLITERATION
from ...workspace.formatting import format_number
from .loading import loading_code
from .results import Result, comparison_table, own_table, pipeline_tag
from .subject import Subject
from .training_data import Source

LICENCE_NAME = "terms-of-the-training-data"
LICENCE_FILE = "LICENSE.md"  # where the hub looks for the text of a licence that is not in its list


@dataclass(frozen=True)
class Card:
    """What a card is written from."""

    subject: Subject
    repo: str
    """OWNER/NAME, or OWNER/NAME/FOLDER of one of several adapters."""
    sources: Sequence[Source]
    licence: RolledUp
    results: Sequence[Result]
    index: Sequence[EvalResult]

    def text(self) -> str:
        """The whole README.md."""
        sections = [
            ("", self._summary()),
            ("How to use it", ["```python", loading_code(self.subject, self.repo), "```"]),
            ("Scores", self._scores()),
            ("Training data", self._training_data()),
            ("Training", self._training()),
            ("Licence", [self.licence.reason, "The licence of the base applies as well."]),
            ("Limits", [f"- {limit}" for limit in self._limits()]),
        ]
        body = [f"# {self.title}", ""]
        for heading, lines in sections:
            body += [*([f"## {heading}", ""] if heading else []), *lines, ""]
        return "\n".join(["---", self.metadata().to_yaml(), "---", "", *body])

    def metadata(self) -> ModelCardData:
        """The YAML at the head of the card."""
        subject = self.subject
        whole = subject.is_full
        datasets = list(dict.fromkeys(source.dataset for source in self.sources if source.dataset))
        task = subject.section.get("task", "task") if subject.task_settings is not None else "mlm"
        per_token = bool((subject.task_settings or {}).get("per_token"))
        more: dict[str, Any] = dict(subject.base.metadata("finetune" if whole else "adapter"))
        more |= licence_fields(self.licence)
        return ModelCardData(
            language=[hub_language(code) for code in subject.languages] or None,
            license=self.licence.licence,
            library_name="transformers" if whole else "peft",
            pipeline_tag=pipeline_tag(task, per_token=per_token),
            datasets=datasets or None,
            metrics=list(dict.fromkeys(entry.metric_type for entry in self.index)) or None,
            tags=["lrl-adapt", subject.type, *subject.languages],
            model_name=self.repo.rpartition("/")[2] if self.index else None,
            eval_results=list(self.index) or None,
            **more,
        )

    @property
    def title(self) -> str:
        """The heading of the card."""
        subject = self.subject
        in_languages = subject.in_languages or "a language that is not recorded"
        if subject.task_settings is not None:
            return f"{task_name(subject.section.get('task', 'task'))}: task adapter for {in_languages}"
        if subject.is_full:
            return f"Model fine-tuned on {in_languages}"
        return f"{subject.type} adapter for {in_languages}"

    def _summary(self) -> list[str]:
        subject = self.subject
        lines = [f"- base: {subject.base}{self._base_commit()}"]
        if subject.task_settings is not None:
            labels = subject.task_settings["labels"]
            below = subject.language_adapter
            stack = f"the {below.type} adapter in `{LANGUAGE_ADAPTER}/`" if below else "the base alone"
            answers = f"labels: {', '.join(map(str, labels))}" if labels else "answers with a score"
            lines += [f"- stacked on {stack}", f"- {answers}"]
            if transfer := subject.section.get("transfer_from"):
                lines.append(
                    f"- trained on {transfer} for use in {subject.section.get('language')} (zero-shot transfer)"
                )
        reader = subject.language_adapter or subject
        if (reader.folder / TRANSLITERATION).is_file():
            romanizer = reader.facts.get("romanised_by", "uroman")
            lines.append(
                f"- reads text in Latin letters, romanised by {romanizer}: `pip install 'lrl-adapt[transliterate]'`"
            )
        if (parameters := subject.facts.get("trainable_parameters")) is not None:
            lines.append(f"- trained parameters: {parameters:,}")
        if isinstance(subject.control, str):
            lines.append(f"- control: {CONTROLS.get(subject.control, subject.control)}")
        elif subject.control:
            lines.append("- control: an adapter that is not meant for use, but to show what training adds")
        return lines

    def _base_commit(self) -> str:
        commit = self.subject.facts.get("base_commit")
        return f", commit {commit}" if commit and self.subject.base.hub_id else ""

    def _scores(self) -> list[str]:
        own = own_table(self.index) if self.subject.task_settings is not None else []
        table = comparison_table(self.results)
        if not own and not table:
            return ["It was not scored."]
        notes = []
        if table:
            notes = [
                "",
                "In brackets: 95% intervals. Verdicts come from paired tests against the base, with Holm's correction. "
                f"{self._on_controls()}",
            ]
        between = ["", "The same with every seed, beside the base:", ""] if own and table else []
        return [*own, *between, *table, *notes]

    def _on_controls(self) -> str:
        if any(result.system.controls for result in self.results):
            return (
                '"Beats its controls" tells whether a gain is also clear over what should help less, such as an '
                "untrained adapter."
            )
        return "No gain was compared with controls, such as an untrained adapter."

    def _training_data(self) -> list[str]:
        if not self.sources:
            return ["Nothing is recorded about it."]
        lines = []
        for source in self.sources:
            lines.append(f"- {source.name}; terms: {source.terms}")
            lines += [f"  - {detail}" for detail in source.details]
        return lines

    def _training(self) -> list[str]:
        facts = self.subject.facts
        lines = []
        if "training_tokens" in facts:
            tokens = f"{format_number(facts['training_tokens'])} tokens of text"
            lines.append(f"- {facts['steps']:,} steps on {tokens}; source: {self.subject.section.get('source')}")
        if "validation_loss" in facts:
            loss = f"{facts['validation_loss']:.4f} nats per masked token"
            lines.append(f"- validation loss {loss}, at step {facts['best_step']:,}")
        if "drift" in facts:
            lines.append(
                f"- drift {facts['drift']:.4f}: the mean of 1 - cosine between a sentence's mean hidden state and the "
                f"base's (two sentences of the base: {facts['base_sentence_distance']:.4f})"
            )
        settings = self.subject.section.get("training") or self.subject.section
        shown = {name: value for name, value in _training_settings(settings).items() if value is not None}
        if shown:
            lines.append(f"- settings: {', '.join(f'{name} {value}' for name, value in shown.items())}")
        if versions := self.subject.manifest.get("versions"):
            lines.append(f"- versions: {', '.join(f'{name} {version}' for name, version in versions.items())}")
        return lines or ["Nothing is recorded about it."]

    def _limits(self) -> list[str]:
        subject = self.subject
        limits = []
        if subject.control:
            limits.append("It is a control, not meant for use.")
        if not self.index:
            limits.append("It was not scored: nothing is known about how well it works.")
        unclear = [
            task_name(result.task.task)
            for result in self.results
            if result.system.verdict in (Verdict.WORSE, Verdict.NO_CLEAR_DIFFERENCE, Verdict.ONE_SEED)
        ]
        if unclear:
            limits.append(f"No clear gain over the base was found on: {', '.join(dict.fromkeys(unclear))}.")
        unlike = [
            task_name(result.task.task)
            for result in self.results
            if result.system.verdict in (Verdict.TOO_MANY_UNKNOWN, Verdict.NOT_COMPARABLE)
        ]
        if unlike:
            limits.append(f"It could not be compared with the base on: {', '.join(dict.fromkeys(unlike))}.")
        if subject.task_settings is None:
            limits.append("It fills masks and is a start for tasks: it does not label texts by itself.")
        if subject.max_length:
            limits.append(f"It was trained on texts of up to {subject.max_length} tokens.")
        if seen := subject.facts.get("test_items_seen_in_training"):
            limits.append(f"{seen} of the test items also occur in its training or validation data.")
        if subject.languages:
            limits.append(f"Varieties and domains of {subject.in_languages} beyond its training data are untested.")
        limits.append("It can repeat errors and prejudices of its training data and of the base.")
        return limits


def licence_fields(licence: RolledUp) -> dict[str, str]:
    """What the hub wants to know of a licence that is not in its list."""
    return {"license_name": LICENCE_NAME, "license_link": LICENCE_FILE} if licence.licence == OTHER else {}


def _training_settings(section: dict[str, Any]) -> dict[str, Any]:
    """Settings of the training by the names that recipes have for them, without what the card says elsewhere."""
    elsewhere = ("language", "languages", "task", "system", "code", "adapter", "source", "type", "merged", "control")
    return {name: value for name, value in present_names(section).items() if name not in elsewhere}
