"""The program beside an exported ONNX model that shows how to use it."""

from typing import Any

BEFORE = '''\
"""{what}: python example.py {text}"""
import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer

folder, texts = Path(__file__).parent, sys.argv[1:]
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation({max_length})
tokenizer.enable_padding(pad_id={pad_id}, pad_token="{pad_token}")
encoded = tokenizer.encode_batch(texts)
names = {{"input_ids": "ids", "attention_mask": "attention_mask"}}
inputs = {{key: np.array([getattr(one, name) for one in encoded], dtype=np.int64) for key, name in names.items()}}
logits = InferenceSession(str(folder / "model.onnx")).run(None, inputs)[0]
'''
CLASSES = """\
labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
for text, row in zip(texts, logits):
    print(labels[row.argmax()], text, sep="\\t")
"""
TAGS = """\
labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
for one, rows in zip(encoded, logits):
    tagged = zip(one.tokens, rows, one.special_tokens_mask)
    print(*(f"{token}/{labels[row.argmax()]}" for token, row, special in tagged if not special))
"""
MASKS = """\
for one, rows in zip(encoded, logits):
    print(*(tokenizer.id_to_token(row.argmax()) for token, row in zip(one.ids, rows) if token == {mask_id}))
"""


def example(tokenizer: Any, max_length: int, labels: list[str] | None, *, per_token: bool) -> str:
    """About 20 lines of Python that need onnxruntime, numpy and tokenizers only."""
    if labels is None:
        what, text, after = "The likeliest token for each mask", f"'... {tokenizer.mask_token} ...'", MASKS
        after = after.format(mask_id=tokenizer.mask_token_id)
    elif per_token:
        what, text, after = "The label of each token", "'a text'", TAGS
    else:
        what, text, after = "The label of each text", "'a text'", CLASSES
    before = BEFORE.format(
        what=what, text=text, max_length=max_length, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token
    )
    if labels is None:
        before = before.replace("import json\n", "")
    return before + after
