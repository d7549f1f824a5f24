"""A recipe that takes a second or two to run, and the command line in this process."""

import random

from lrl_adapt.cli.app import app
from typer.testing import CliRunner

SMALL = "\n".join(
    [
        "language: swh_Latn",
        "base:",
        "  from_scratch: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,",
        "    vocab_size: 300}",
        "corpus: {files: text.txt}",
        "training: {max_steps: 5, batch_tokens: 256, max_length: 16}",
        "",
    ]
)
_WORDS = [f"{start}{end}" for start in ("shu", "ba", "ki", "mwa", "ra") for end in ("le", "rabara", "tabu", "fiki")]
# of different words, so that no line is a near repeat of another
TEXT = "\n".join(" ".join(random.Random(number).choices(_WORDS, k=9)) for number in range(200))


def invoke(*words: str):
    return CliRunner().invoke(app, list(words))
