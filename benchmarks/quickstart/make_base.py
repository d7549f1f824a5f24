"""Makes the quickstart's base model, in steps; this script does all but the training.

    export LRL_DATA=... BASE_TEXT=base-text
    python benchmarks/quickstart/make_base.py text                # the languages' text, from $LRL_DATA to $BASE_TEXT
    lrl-adapt prepare base-mini && lrl-adapt train base-mini      # two hours on 2 cores; resumes if interrupted
    python benchmarks/quickstart/make_base.py pack ADAPTER_DIR    # its weights in fp16, to recipes/quickstart/base
    lrl-adapt run base-scores --workspace base-scores             # pseudo-perplexity in every language
    python benchmarks/quickstart/make_base.py card ADAPTER_DIR base-scores

The text is that of languages whose file under `$LRL_DATA/text` comes wholly from Common Voice's sentences (CC0), the
Bible corpus of Christodouloupoulos and Steedman (CC0) or the Universal Declaration of Human Rights (public domain), so
that the weights may be published.
"""

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

BASE = Path(__file__).parents[2] / "recipes" / "quickstart" / "base" / "base-mini"
LANGUAGES = """\
arb_Arab asm_Beng bul_Cyrl cat_Latn ces_Latn ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn
fra_Latn guj_Gujr hin_Deva hun_Latn hye_Armn kaz_Cyrl khk_Cyrl kin_Latn kir_Cyrl kmr_Latn lug_Latn lvs_Latn nld_Latn
pan_Guru pes_Arab pol_Latn por_Latn ron_Latn rus_Cyrl slk_Latn slv_Latn swe_Latn tat_Cyrl tha_Thai tur_Latn ukr_Cyrl
vie_Latn zul_Latn
"""
SMALL = ("cym_Latn", "urd_Arab", "uzn_Latn", "mkd_Cyrl")
SMALL_BYTES = 100_000  # of these the base sees so much: the rest of their text is for adapters
UNSEEN = ("mlt_Latn", "swh_Latn", "uig_Arab", "jav_Latn", "sun_Latn", "amh_Ethi")
CARD = """\
---
license: cc0-1.0
library_name: transformers
pipeline_tag: fill-mask
---
# base-mini

A small multilingual masked language model: BERT with {layers} blocks of width {width}, {pieces:,} WordPieces,
{parameters:.1f} million parameters, in fp16. It exists so that the quickstart and the study have a pre-trained
model to adapt; for your own work use mBERT or XLM-R.

## Data

{count} languages, sampled in proportion to the square root of their size: {languages}.
All their text is CC0 or in the public domain: Mozilla Common Voice's sentence collection (CC0), the
[Bible corpus](https://github.com/christos-c/bible-corpus) (CC0), the Universal Declaration of Human Rights. Of {small}
it saw {small_bytes} KB each; nothing of {unseen}, whose letters are in the vocabulary all the same. The weights
are CC0.

## Training

`recipes/base-mini.yaml`: {steps:,} steps, {tokens:.1f} million tokens ({epochs:.1f} passes), {precision}.
`benchmarks/quickstart/make_base.py` shows how to reproduce it.

| step | validation loss (nats per masked token) |
|---|---|
{curve}

## Pseudo-perplexity

`lrl-adapt run base-scores`: held-out sentences of the same sources; for unseen languages, any text available
(sources and licences differ). Perplexities are per WordPiece, bits per character. Brackets show 95% intervals.

| language | seen | pseudo-perplexity | bits per character | [UNK] |
|---|---|---|---|---|
{scores}
"""


def write_text(source: Path, target: Path) -> None:
    """A txt file for each language."""
    target.mkdir(parents=True, exist_ok=True)
    for language in (*LANGUAGES.split(), *SMALL):
        left = SMALL_BYTES if language in SMALL else sys.maxsize
        read, written = source / "text" / f"{language}.txt.gz", target / f"{language}.txt"
        with gzip.open(read, "rb") as lines, written.open("wb") as file:
            for line in lines:
                if (left := left - len(line)) < 0:
                    break
                file.write(line)


def pack(adapter: Path) -> None:
    """The trained model's weights in fp16, and its tokenizer."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    AutoModelForMaskedLM.from_pretrained(adapter, dtype=torch.float16).save_pretrained(BASE)
    AutoTokenizer.from_pretrained(adapter).save_pretrained(BASE)


def write_card(adapter: Path, workspace: Path) -> None:
    """README.md from what training and evaluation wrote down."""
    manifest = json.loads((adapter / "manifest.json").read_text())
    config, facts = json.loads((BASE / "config.json").read_text()), manifest["facts"]
    metrics = [json.loads(line) for line in (adapter / "metrics.jsonl").read_text().splitlines()]
    curve = {entry["step"]: entry["validation_loss"] for entry in metrics if "validation_loss" in entry}
    scores_of: dict[str, dict[str, Any]] = {}
    for file in sorted(workspace.glob("scores/*/mlm-base-mini-base-*/scores.json")):
        for score in json.loads(file.read_text())["scores"]:
            scores_of.setdefault(score["language"], {})[score["metric"]] = score
    text = CARD.format(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        pieces=config["vocab_size"],
        parameters=facts["parameters"] / 1e6,
        count=len(LANGUAGES.split()) + len(SMALL),
        languages=", ".join(sorted([*LANGUAGES.split(), *SMALL])),
        small=", ".join(SMALL),
        small_bytes=SMALL_BYTES // 1000,
        unseen=", ".join(UNSEEN),
        steps=facts["steps"],
        tokens=facts["tokens_seen"] / 1e6,
        epochs=facts["tokens_seen"] / facts["training_tokens"],
        precision=facts["precision"],
        curve="\n".join(f"| {step:,} | {loss:.3f} |" for step, loss in curve.items()),
        scores="\n".join(_row(language, scores) for language, scores in sorted(scores_of.items())),
    )
    (BASE / "README.md").write_text(text, encoding="utf-8")


def _row(language: str, scores: dict[str, Any]) -> str:
    perplexity, bits, unknown = (
        scores[metric] for metric in ("pseudo_perplexity", "bits_per_character", "unknown_share")
    )
    low, high = perplexity["interval"]
    seen = "no" if language in UNSEEN else "little" if language in SMALL else "yes"
    return (
        f"| {language} | {seen} | {perplexity['value']:.1f} [{low:.1f}, {high:.1f}] | {bits['value']:.2f} "
        f"| {unknown['value']:.2%} |"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["text"] and not {"LRL_DATA", "BASE_TEXT"} <= os.environ.keys():
        sys.exit(f"set LRL_DATA and BASE_TEXT\n\n{__doc__}")
    match sys.argv[1:]:
        case ["text"]:
            write_text(Path(os.environ["LRL_DATA"]), Path(os.environ["BASE_TEXT"]))
        case ["pack", folder]:
            pack(Path(folder))
        case ["card", folder, runs]:
            write_card(Path(folder), Path(runs))
        case _:
            sys.exit(__doc__)
