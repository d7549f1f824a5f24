"""The tables of docs/study.md, from the scores committed under docs/study/.

    python benchmarks/study.py

docs/study/README.md names the command that wrote each file.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

STUDY = Path(__file__).parent.parent / "docs" / "study"
NAMES = {
    "amh_Ethi": "Amharic",
    "bod_Tibt": "Tibetan",
    "ckb_Arab": "Central Kurdish",
    "cym_Latn": "Welsh",
    "eng_Latn": "English",
    "jav_Latn": "Javanese",
    "mlt_Latn": "Maltese",
    "npi_Deva": "Nepali",
    "sun_Latn": "Sundanese",
    "swh_Latn": "Swahili",
    "uig_Arab": "Uyghur",
    "urd_Arab": "Urdu",
}
TASKS = {"topic": "topic", "sentiment": "sentiment", "ner": "named entities"}
TEXT = ["seq_bn/text", "seq_bn_inv/text", "lora/text", "full/text"]
Row = dict[str, str]


def main() -> None:
    print("\n".join(line for table in tables() for line in [*table, ""]))


def tables() -> Iterator[list[str]]:
    """Each table of the page, as its lines."""
    base_mini = read("base-mini.csv")
    yield by_language(base_mini, "pseudo_perplexity", TEXT)
    yield by_task(base_mini, TEXT)
    yield by_system(read("e5-small.csv"))
    yield probes(read("probe.csv"))


def read(name: str) -> list[Row]:
    with (STUDY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_language(rows: list[Row], metric: str, systems: list[str]) -> list[str]:
    """A perplexity and its change against the base; languages down, systems across."""
    lines = header(["", "the base", *systems])
    for language, results in grouped(row for row in rows if row["metric"] == metric):
        cells = [perplexity(results[system]) if system in results else "—" for system in systems]
        lines.append(f"| {NAMES[language]} | {baseline(results, '{:,.0f}', 1)} | {' | '.join(cells)} |")
    return lines


def by_task(rows: list[Row], systems: list[str]) -> list[str]:
    """Macro-F1 or entity F1 in percent and its change against the base; tasks and languages down, systems across."""
    lines = header(["", "", "the base", *systems])
    for task, name in TASKS.items():
        for language, results in grouped(row for row in rows if row["task"] == task):
            cells = [f1(results[system]) if system in results else "—" for system in systems]
            lines.append(f"| {name} | {NAMES[language]} | {baseline(results, '{:.1f}', 100)} | {' | '.join(cells)} |")
    return lines


def by_system(rows: list[Row]) -> list[str]:
    """Main metrics of tasks in percent and their change against the base; systems down, languages and tasks across."""
    metrics = {"topic": "macro_f1", "sentiment": "macro_f1", "ner": "entity_f1"}
    rows = [row for row in rows if row["metric"] == metrics.get(row["task"])]
    columns = list(dict.fromkeys((row["language"], row["task"]) for row in rows))
    values = {(row["system"], row["language"], row["task"]): row for row in rows}
    bases = {(row["language"], row["task"]): row["baseline_value"] for row in rows}
    lines = header(["", *(f"{NAMES[language]}, {TASKS[task]}" for language, task in columns)])
    lines.append(f"| the base | {' | '.join(f'{100 * float(bases[column]):.1f}' for column in columns)} |")
    for system in dict.fromkeys(row["system"] for row in rows):
        cells = [f1(values[system, *column]) if (system, *column) in values else "—" for column in columns]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return lines


def probes(rows: list[Row]) -> list[str]:
    """Macro-F1 of a linear classifier on sentence vectors, test data; the encoders down, languages across."""
    languages = list(dict.fromkeys(row["language"] for row in rows))
    lines = header(["", *(NAMES[language] for language in languages)])
    for encoder in dict.fromkeys((row["system"], row["trained_on"]) for row in rows):
        system, trained_on = encoder
        values = {row["language"]: row["test"] for row in rows if (row["system"], row["trained_on"]) == encoder}
        cells = [f"{100 * float(values[language]):.1f}" if language in values else "—" for language in languages]
        name = f"with {system}, {NAMES[trained_on]}" if trained_on else system
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def header(cells: list[str]) -> list[str]:
    return [f"| {' | '.join(cells)} |", "|---" * len(cells) + "|"]


def grouped(rows: Iterable[Row]) -> Iterator[tuple[str, dict[str, Row]]]:
    """Each language with its rows by system."""
    results: dict[str, dict[str, Row]] = {}
    for row in rows:
        results.setdefault(row["language"], {})[row["system"]] = row
    return iter(results.items())


def baseline(results: dict[str, Row], form: str, factor: float) -> str:
    return form.format(factor * float(next(iter(results.values()))["baseline_value"]))


def perplexity(row: Row) -> str:
    """Its value, and the change in % with the interval."""
    return cell(row, f"{float(row['value']):,.0f}", "%")


def f1(row: Row) -> str:
    """Its value in percent, and the change in points with the interval."""
    return cell(row, f"{100 * float(row['value']):.1f}", "")


def cell(row: Row, value: str, unit: str) -> str:
    """Bold where better; a star where also better than every control."""
    change, low, high = (signed(float(row[name])) for name in ("change", "change_low", "change_high"))
    mark = {"better": f"**{value}**", "worse": f"{value} (worse)"}.get(row["verdict"], value)
    star = "\\*" if row.get("beats_controls") == "yes" else ""
    return f"{mark}{star}, {change}{unit} [{low}, {high}]"


def signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{abs(value):.1f}"


if __name__ == "__main__":
    main()
