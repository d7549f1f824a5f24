"""The program beside an exported ONNX model that shows how to use it."""

from typing import Any

from ...training.task_model import TaskModel

START = '''\
"""{what}: python example.py {text}"""
{imports}import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

folder, texts = Path(__file__).parent, {texts}
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation({max_length})
tokenizer.enable_padding(pad_id={pad_id}, pad_token="{pad_token}")
encoded = tokenizer.encode_batch(texts)
names = {names}
inputs = {{key: np.array([getattr(one, name) for one in encoded], dtype=np.int64) for key, name in names.items()}}
logits = InferenceSession(str(folder / "model.onnx")).run(None, inputs)[0]
'''
LABELS = 'labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))\n'
CLASSES = """\
for text, row in zip(sys.argv[1:], logits):
    print(labels[row.argmax()], text, sep="\\t")
"""
ANY_LABELS = """\
for text, row in zip(sys.argv[1:], 1 / (1 + np.exp(-logits))):
    print(", ".join(label for label, probability in zip(labels, row) if probability >= 0.5), text, sep="\\t")
"""
SCORES = """\
for text, row in zip(sys.argv[1:], logits):
    print(f"{row[0]:.4f}", text, sep="\\t")
"""
TAGS = """\
for one, rows in zip(encoded, logits):
    tagged = zip(one.tokens, rows, one.special_tokens_mask)
    print(*(f"{token}/{labels[row.argmax()]}" for token, row, special in tagged if not special))
"""
MASKS = """\
for one, rows in zip(encoded, logits):
    print(*(tokenizer.id_to_token(row.argmax()) for token, row in zip(one.ids, rows) if token == {mask_id}))
"""
ENCODING_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Where the library tokenizers has each input."""


def example(tokenizer: Any, max_length: int, inputs: tuple[str, ...], task: TaskModel | None) -> str:
    """About 20 lines of Python that need onnxruntime, numpy and tokenizers only; `task` is None for filling masks."""
    if task is None:
        what, text = "The likeliest token for each mask", f"'... {tokenizer.mask_token} ...'"
        end = MASKS.format(mask_id=tokenizer.mask_token_id)
    elif task.per_token:
        what, text, end = "The label of each token", "'a text'", LABELS + TAGS
    else:
        what, text, end = {
            "single_label_classification": ("The label of each text", "'a text'", LABELS + CLASSES),
            "multi_label_classification": ("The labels of each text", "'a text'", LABELS + ANY_LABELS),
            "regression": ("The score of each text", "'a text'", SCORES),
        }[task.problem_type]
    pairs = task is not None and task.pairs
    start = START.format(
        what=what.replace("each text", "each pair of texts") if pairs else what,
        text="$'a text\\\\tanother text'" if pairs else text,
        texts='[tuple(text.split("\\t")) for text in sys.argv[1:]]' if pairs else "sys.argv[1:]",
        imports="import json\n" if "json." in end else "",
        names=str({name: ENCODING_FIELDS[name] for name in inputs}).replace("'", '"'),
        max_length=max_length,
        pad_id=tokenizer.pad_token_id,
        pad_token=tokenizer.pad_token,
    )
    return start + end
