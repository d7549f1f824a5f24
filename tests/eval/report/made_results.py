"""Made-up workspaces whose scores and predictions agree, for the tests of the report."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from lrl_adapt.eval.report.comparison import compare_runs
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.tables import Table, make_tables
from lrl_adapt.eval.report.task_results import TaskResult
from lrl_adapt.eval.scores import Score, write_scores
from sklearn.metrics import f1_score

ADAPTER = "seq_bn/text"
LABELS = ["health", "politics", "sports", "travel"]
LINES = [
    {"step": 10, "loss": 5.1, "learning_rate": 1e-4},
    {"step": 200, "validation_loss": 4.9},
    {"step": 200, "loss": 4.7},
]


def add_adapter(
    workspace: Path, name: str, language: str = "swh_Latn", training: dict[str, Any] | None = None, **facts: Any
) -> Path:
    """An adapter's folder, trained on a corpus of GlotCC and a graph."""
    data = workspace / "data" / language
    glotcc = {"glotcc": "cis-lmu/GlotCC-V1", "revision": "main", "commit": "abc123", "files": ["a"]}
    _manifest(data / "corpus-1a", kind="corpus", facts={"source": glotcc})
    _manifest(data / "graph-1a", kind="graph", facts={"dump": "dump.csv.gz", "licenses": {"cc:by-sa/4.0": 3}})
    folder = workspace / "adapters" / language / name
    parents = [str(data / "corpus-1a"), str(data / "graph-1a")]
    facts = {"trainable_parameters": 894528, "parameters": 177854784, "steps": 1000, **facts}
    section = {"adapter": {"type": "seq_bn"}, **({"training": training} if training else {})}
    costs = {"wall_seconds": 93.2, "energy_joules": 4321.5, "energy_source": "rapl"}
    _manifest(folder, kind="adapter", section=section, facts=facts, parents=parents, created="2024", **costs)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES) + '{"step": 3')
    return folder


def add_mlm(
    workspace: Path,
    system: str,
    value: float,
    *,
    unknown: float = 0.01,
    l2r: float | None = None,
    bits: bool = False,
    **more: Any,
) -> Path:
    """A score folder of language modelling whose pseudo-perplexity is `value`, over 60 sentences; see `add`.

    `l2r` is its left-to-right pseudo-perplexity, if it has one; `bits` is whether it has bits per character.
    """
    tokens = np.random.default_rng(1).integers(5, 30, 60)
    wobble = np.random.default_rng(len(system)).normal(1, 0.02, 60)
    nll = tokens * wobble * math.log(value) / (tokens @ wobble / tokens.sum())
    rows = [
        {"text": f"s{n}", "nll": float(a), "tokens": int(b), "unknown": 0, "characters": 9, "bytes": 9}
        | {"special_nll": 1.0, "special": 2}
        for n, (a, b) in enumerate(zip(nll, tokens, strict=True))
    ]
    values = {"pseudo_perplexity": (value, (value * 0.9, value * 1.1)), "unknown_share": (unknown, None)}
    if bits:
        per_character = float(nll.sum()) / math.log(2) / (9 * len(rows))
        values["bits_per_character"] = (per_character, (per_character * 0.9, per_character * 1.1))
    if l2r is not None:
        rows = [row | {"nll_l2r": row["nll"] * math.log(l2r) / math.log(value)} for row in rows]
        values["pseudo_perplexity_l2r"] = (l2r, (l2r * 0.9, l2r * 1.1))
    return add(workspace, "mlm", system, values, rows, seed=None, **more)


def add_topic(workspace: Path, system: str, right: float, *, task: str = "topic", **more: Any) -> Path:
    """A score folder of a classification where a share of 120 items is guessed right; see `add`."""
    rng = np.random.default_rng([more.get("seed", 1), len(system)])
    gold = [LABELS[n % 4] for n in range(120)]
    hits = rng.permutation(120) < right * 120
    guess = [g if hit else LABELS[(LABELS.index(g) + 1) % 4] for g, hit in zip(gold, hits, strict=True)]
    value = float(f1_score(gold, guess, average="macro"))
    values = {"macro_f1": (value, (value - 0.06, value + 0.06)), "accuracy": (float(hits.mean()), None)}
    if task != "topic" or more.get("metric") == "accuracy":
        values = dict(reversed(values.items()))
    rows = [{"text": f"t{n}", "gold": g, "guess": p} for n, (g, p) in enumerate(zip(gold, guess, strict=True))]
    return add(workspace, task, system, values, rows, **{"seed": 1} | more)


def add_topic_seeds(workspace: Path, system: str, right: float, **more: Any) -> list[Path]:
    """Score folders of `add_topic` with three seeds."""
    return [add_topic(workspace, system, right, seed=seed, **more) for seed in (1, 2, 3)]


def add(
    workspace: Path,
    task: str,
    system: str,
    values: dict[str, tuple[float, tuple[float, float] | None]],
    rows: list[dict[str, Any]],
    *,
    seed: int | None,
    language: str = "swh_Latn",
    base: str = "xlm-r",
    parents: tuple[Path, ...] = (),
    inputs: dict[str, Any] | None = None,
    **section: Any,
) -> Path:
    """A score folder with its predictions; `section` are settings in its manifest."""
    root = workspace / "scores" / language
    folder = root / f"{task}-{base}-{system.replace('/', '-')}-{len(list(root.glob('*'))):08x}".replace("<", "")
    section = {"max_sentences": 200, "system": system, "seed": seed, "task": task} | section
    message = [str(parent) for parent in parents]
    _manifest(folder, kind="scores", section=section, inputs=inputs or {}, parents=message, created="2024")
    limit = section.get("limit")
    scores = [
        Score(task, system, metric, value, interval, len(rows), seed, language, base, limit=limit)
        for metric, (value, interval) in values.items()
    ]
    write_scores(folder / "scores.json", scores)
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def compared_results(workspace: Path) -> list[TaskResult]:
    """The results of a workspace, compared with the base."""
    return compare_runs(gather_runs([workspace])).results


def make_tables_of(workspace: Path) -> list[Table]:
    """The report's tables of a workspace."""
    return make_tables(compared_results(workspace))


def _manifest(folder: Path, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(content))


def small(workspace: Path) -> Path:
    """One language, one adapter: better on language modelling, not clearly so on topic (two seeds)."""
    adapter = add_adapter(workspace, "xlm-r-text-seq_bn-1a2b3c4d")
    add_mlm(workspace, "base", 812.3)
    add_mlm(workspace, ADAPTER, 401.9, parents=(adapter,))
    for seed in (1, 2):
        add_topic(workspace, "base", 0.6, seed=seed)
        add_topic(workspace, ADAPTER, 0.62, seed=seed, parents=(adapter,))
    return workspace


LANGUAGES = ["swh_Latn", "mlt_Latn", "dan_Latn", "slk_Latn", "tel_Telu", "bul_Cyrl", "uig_Arab"]


def large(workspace: Path) -> Path:
    """Seven languages on mBERT; lora/text lacks Uyghur, topic is better with seq_bn/text in all of them."""
    for number, language in enumerate(LANGUAGES):
        adapter = add_adapter(workspace, "mbert-text-seq_bn-1a", language)
        shared = {"language": language, "base": "bert-base-multilingual-cased"}
        add_mlm(workspace, "base", 20.0 + number, unknown=0.3 if language == "uig_Arab" else 0.0, **shared)
        add_mlm(workspace, ADAPTER, 10.0, parents=(adapter,), **shared)
        add_topic_seeds(workspace, "base", 0.5, **shared)
        add_topic_seeds(workspace, ADAPTER, 0.7 + 0.02 * number, parents=(adapter,), **shared)
        if language != "uig_Arab":
            add_topic_seeds(workspace, "lora/text", 0.45 if number % 2 else 0.55, **shared)
    return workspace
