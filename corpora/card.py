"""The data card of a corpus, in Markdown: from the facts that `prepare` gathers to the text of card.md."""

from collections import Counter
from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from ..recipes.languages import Language, UnknownLanguageError, find_language
from ..recipes.licences import source_terms
from ..recipes.schema import Corpus
from ..recipes.splits import SPLITS
from ..workspace.formatting import format_count, format_number, format_significant
from ..workspace.text import describe_changes
from .other_languages import describe_languages
from .reasons import KEPT

MB = 1e6
EXAMPLE_WIDTH = 160  # characters of an example line


def corpus_card(language: Language, corpus: Corpus, facts: dict[str, Any]) -> str:
    """The card of a corpus, from the manifest's facts."""
    rows = [
        f"| {split} | {facts['documents'].get(split, 0):,} | {facts['lines'].get(split, 0):,} "
        f"| {facts['bytes'].get(split, 0):,} |"
        for split in SPLITS
    ]
    return "\n".join(
        [
            f"# Text in {language.name} ({language.code})",
            "",
            *_sources(facts["sources"]),
            "",
            *([f"Note: {language.note}", ""] if language.note else []),
            "| split | documents | lines | bytes |",
            "|---|---|---|---|",
            *rows,
            "",
            *_passes(facts.get("passes", [])),
            "## From documents to lines",
            "",
            *(f"- {reason}: {format_count(count, 'document')}" for reason, count in facts["pages"].items()),
            *_extraction(facts.get("extraction", {})),
            *_text_changes(facts.get("text", {})),
            "",
            *_filters(facts),
            "",
            *_languages(facts.get("languages")),
            *_rules(corpus, language),
            "",
        ]
    )


def _sources(records: list[dict[str, Any]]) -> Iterator[str]:
    """What the text comes from, and of several sources how much of each."""
    for record in records:
        yield f"- {_source(record)}" if len(records) > 1 else _source(record)
    if len(records) > 1:
        yield ""
        yield "| source | documents read | lines kept | MB kept |"
        yield "|---|---|---|---|"
        for record in records:
            label = record.get("repository") or "local files"
            yield f"| {label} | {record['pages']:,} | {record['lines']:,} | {_megabytes(record['bytes'])} |"
        yield ""
        yield "Where sources have nearly the same text, that of the first one is kept."


def _source(record: dict[str, Any]) -> str:
    """One line on a source: its files, its version and its terms."""
    if "lacks" in record:
        return f"{record['lacks']}: left out."
    if "repository" not in record:
        return f"From local files: {', '.join(record['files'])}. The licence is that of the files."
    title = f"{record['title']}, " if "title" in record else ""
    return (
        f"From {title}{record['repository']} at revision {record['revision']} (commit {record['commit']}), "
        f"{len(record['files'])} of {record['of']} files: {', '.join(record['files'])}. "
        f"Licence: {source_terms(record)}."
    )


def _passes(passes: list[tuple[str, int]]) -> list[str]:
    """How often the text of each file is in train, if sampling repeats the smaller files."""
    repeated = ", ".join(f"{file} {count}" for file, count in passes if count > 1)
    return [f"Files that are repeated in train, and how often each one is there: {repeated}.", ""] if repeated else []


def _extraction(counts: dict[str, int]) -> list[str]:
    """What the readers of documents removed and mended."""
    return [f"- {change}: {count:,}" for change, count in counts.items()]


def _text_changes(counts: dict[str, int]) -> list[str]:
    return [f"- text normalised: {describe_changes(Counter(counts))}"] if counts else []


def _filters(facts: dict[str, Any]) -> list[str]:
    """A table of what each filter dropped, in their order, and what was left after it."""
    counts, sizes = facts["counts"], facts["bytes_by_outcome"]
    lines, size = sum(counts.values()), sum(sizes.values())
    table = ["| filter | lines dropped | lines left | MB left |", "|---|---|---|---|"]
    table.append(f"| (all lines of the documents) | | {lines:,} | {_megabytes(size)} |")
    for reason, count in counts.items():
        if reason == KEPT or not count:
            continue
        lines, size = lines - count, size - sizes[reason]
        table.append(f"| {reason} | {count:,} | {lines:,} | {_megabytes(size)} |")
    return table


def _name_of(code: str) -> str:
    try:
        language = find_language(code)
    except UnknownLanguageError:  # GlotLID knows codes of macro-languages, too, such as hbs_Latn
        return code
    return code if language.name == code else f"{language.name} ({code})"


def _languages(facts: dict[str, Any] | None) -> list[str]:
    """What the check of the lines' language found, with examples."""
    if facts is None:
        return []
    rows = []
    for language, count in facts["lines"].items():
        rows.append(f"- {_name_of(language)}: {format_count(count, 'line')}, such as")
        rows += [f"  - {shorten(line, EXAMPLE_WIDTH, placeholder=' …')}" for line in facts["examples"][language]]
    return [
        "## Language of the lines",
        "",
        f"Checked with {facts['model']}, before duplicates were dropped.",
        "",
        f"{describe_languages(facts)[0].upper()}{describe_languages(facts)[1:]}.",
        "",
        *rows,
        *([""] if rows else []),
    ]


def _megabytes(size: int) -> str:
    """Bytes in MB, with two significant digits in a small corpus, and empty where nothing is left."""
    if not size:
        return ""
    return format_number(size / MB, 1) if size >= MB / 10 else format_significant(size / MB)


def _rules(corpus: Corpus, language: Language) -> list[str]:
    """What the filters mean, with the recipe's numbers."""
    near = (
        "Near-duplicate: similar in its character 5-grams to another line (MinHash; 93% of the pairs with a "
        "Jaccard similarity of 0.8 are found)."
        if corpus.drop_near_duplicates
        else "Near-duplicates were kept."
    )
    task = (
        "In a task: equal to a text of the recipe's tasks in any split, or to a part of one"
        f"{', or a near-duplicate of it' if corpus.drop_near_duplicates else ''}."
        if corpus.drop_task_lines
        else "Lines that occur in the tasks were kept."
    )
    return [
        f"A line has {corpus.min_characters} to {corpus.max_characters} characters, at least "
        f"{corpus.min_letters:.0%} of them letters, and of these {corpus.min_script:.0%} {language.script}. "
        "Duplicate: the same letters and digits as another line, over all splits. "
        f"{near} {task} Documents are split by a hash of their id.",
    ]
