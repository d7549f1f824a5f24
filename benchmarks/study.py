"""The tables of docs/study.md, from what is committed under docs/study/.

    python benchmarks/study.py

The files there were written, after `make study`, by these commands; of the first two the tables and the page are kept:

    lrl-adapt report --out docs/study/against-base
    lrl-adapt report --baseline seq_bn/text --out docs/study/against-seq_bn
    lrl-adapt train study-tuning --json > docs/study/tuning.json
"""

import csv
import json
from collections.abc import Iterator
from math import exp, log
from pathlib import Path
from statistics import fmean

STUDY = Path(__file__).parent.parent / "docs" / "study"
UNSEEN = {"mlt_Latn": "Maltese", "swh_Latn": "Swahili", "uig_Arab": "Uyghur", "jav_Latn": "Javanese"}
SMALL = {"cym_Latn": "Welsh", "urd_Arab": "Urdu"}
LANGUAGES = UNSEEN | SMALL
TEXT = ["seq_bn/text", "seq_bn_inv/text", "lora/text", "full/text"]
TASKS = {"topic": "topic", "sentiment": "sentiment", "ner": "named entities"}
Row = dict[str, str]


def main() -> None:
    print("\n".join(line for table in tables() for line in [*table, ""]))


def tables() -> Iterator[list[str]]:
    """Each table of the page, as its lines."""
    against_base, against_bottleneck = (rows(f"against-{name}/comparisons.csv") for name in ("base", "seq_bn"))
    yield tuning()
    yield by_language(against_base, "mlm", TEXT, "the base")
    yield by_group(against_base)
    yield by_language(against_bottleneck, "mlm", [system for system in TEXT if system != "seq_bn/text"], "seq_bn/text")
    graph = ["seq_bn/graph", "seq_bn/fusion"]
    yield by_source(against_base, against_bottleneck, ["seq_bn/text", *graph])
    yield by_task(against_base, [*TEXT, *graph], "the base")
    yield by_task(against_bottleneck, [*TEXT[1:], *graph], "seq_bn/text")
    yield costs()


def rows(name: str) -> list[Row]:
    with (STUDY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tuning() -> list[str]:
    """Every setting that was tried on Maltese, with its validation loss."""
    lines = ["| adapter | setting | steps | learning rate | validation loss |", "|---|---|---|---|---|"]
    for adapter in json.loads((STUDY / "tuning.json").read_text(encoding="utf-8"))["adapters"]:
        words = dict(word.split("=") for word in adapter["run"].split() if "=" in word)
        named = {key.rpartition(".")[2]: value.strip('"') for key, value in words.items()}
        size = f"reduction factor {named.get('reduction_factor', '16')}"
        size = {"lora": f"rank {named.get('r', '8')}", "full": ""}.get(named["type"], size)
        loss = adapter["facts"]["validation_loss"]
        steps = named.get("max_steps", "300")
        lines.append(f"| {named['type']} | {size} | {steps} | {float(named['learning_rate']):g} | {loss:.3f} |")
    return lines


def by_language(table: list[Row], task: str, systems: list[str], other: str) -> list[str]:
    """A task's values and their changes against `other`, languages down."""
    lines = [f"| | {other} | {' | '.join(systems)} |", "|---" * (len(systems) + 2) + "|"]
    for language, name in LANGUAGES.items():
        results = {row["system"]: row for row in table if (row["language"], row["task"]) == (language, task)}
        against = number(next(iter(results.values()))["baseline_value"])
        lines.append(f"| {name} | {against} | {' | '.join(percent(results[system]) for system in systems)} |")
    return lines


def by_group(table: list[Row]) -> list[str]:
    """Geometric mean of the change of pseudo-perplexity over languages that the base has not seen, or hardly."""
    lines = ["| mean change of pseudo-perplexity | " + " | ".join(TEXT) + " |", "|---" * (len(TEXT) + 1) + "|"]
    for name, group in (("four unseen languages", UNSEEN), ("two hardly seen", SMALL)):
        cells = []
        for system in TEXT:
            of_system = [row for row in table if (row["task"], row["system"]) == ("mlm", system)]
            in_group = [row for row in of_system if row["language"] in group]
            ratios = [float(row["value"]) / float(row["baseline_value"]) for row in in_group]
            each = sorted(100 * (ratio - 1) for ratio in ratios)
            mean = 100 * (exp(fmean(map(log, ratios))) - 1)
            cells.append(f"{signed(mean)}% ({signed(each[0])} to {signed(each[-1])})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def by_source(against_base: list[Row], against_bottleneck: list[Row], systems: list[str]) -> list[str]:
    """Uyghur's pseudo-perplexity by what was trained on, against the base and against the text alone."""
    lines = ["| Uyghur | against the base | against seq_bn/text |", "|---|---|---|"]
    for system in systems:
        cells = []
        for table in (against_base, against_bottleneck):
            key = ("uig_Arab", "mlm", system)
            results = [row for row in table if (row["language"], row["task"], row["system"]) == key]
            cells.append(percent(results[0]) if results else "")
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return lines


def by_task(table: list[Row], systems: list[str], other: str) -> list[str]:
    """Macro-F1 or entity F1 in percent with the change in points against `other`; language and task down."""
    lines = [f"| | | {other} | {' | '.join(systems)} |", "|---" * (len(systems) + 3) + "|"]
    for language, name in LANGUAGES.items():
        for task, task_name in TASKS.items():
            results = {row["system"]: row for row in table if (row["language"], row["task"]) == (language, task)}
            if results:
                against = f"{100 * float(next(iter(results.values()))['baseline_value']):.1f}"
                cells = [points(results[system]) if system in results else "—" for system in systems]
                lines.append(f"| {name} | {task_name} | {against} | {' | '.join(cells)} |")
    return lines


def costs() -> list[str]:
    """Trained parameters, and the time from the fastest language to the slowest."""
    lines = ["| | trained parameters | minutes, from to |", "|---|---|---|"]
    by_system: dict[str, list[Row]] = {}
    for row in rows("against-base/costs.csv"):
        by_system.setdefault(row["system"], []).append(row)
    for system, costs_of_system in by_system.items():
        minutes = sorted(float(row["seconds"]) / 60 for row in costs_of_system)
        span = f"{minutes[0]:.1f} to {minutes[-1]:.1f}" if len(minutes) > 1 else f"{minutes[0]:.1f}"
        lines.append(f"| {system} | {int(costs_of_system[0]['parameters']):,} | {span} |")
    return lines


def percent(row: Row) -> str:
    """A perplexity, its change in % with the interval, bold where better."""
    return cell(row, number(row["value"]), "%")


def points(row: Row) -> str:
    """An F1 in percent, its change in points with the interval, bold where better."""
    return cell(row, f"{100 * float(row['value']):.1f}", "")


def cell(row: Row, value: str, unit: str) -> str:
    change, low, high = (signed(float(row[name])) for name in ("change", "change_low", "change_high"))
    mark = {"better": f"**{value}**", "worse": f"{value} (worse)"}.get(row["verdict"], value)
    return f"{mark}, {change}{unit} [{low}, {high}]"


def number(value: str) -> str:
    return f"{float(value):,.0f}"


def signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{abs(value):.1f}"


if __name__ == "__main__":
    main()
