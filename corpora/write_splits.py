"""Writing staged lines to train.parquet, validation.parquet and test.parquet."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pyarrow
import pyarrow.parquet

from ..recipes.splits import SPLITS
from .code_points import Array
from .staged_lines import StagedLines

SCHEMA = pyarrow.schema({"document": pyarrow.string(), "text": pyarrow.string()})


def write_splits(lines: StagedLines, times: Array, folder: Path) -> dict[str, dict[str, int]]:
    """Write each line `times` as often, uint16 (lines,), to train, or once to the other splits; 0 times: nowhere.

    Repeats are passes over the whole text, so that no line follows its own copy. Returns the documents, lines and bytes
    of each split that has any.
    """
    documents, line_counts, sizes = Counter[str](), Counter[str](), Counter[str]()
    last_document: dict[str, str] = {}
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(pyarrow.parquet.ParquetWriter(folder / f"{split}.parquet", SCHEMA))
            for split in SPLITS
        }
        for repeat in range(int(times.max())):
            start = 0
            for batch in lines.batches():
                chosen = times[start : start + batch.num_rows] > repeat
                start += batch.num_rows
                split_numbers = batch["split"].to_numpy()
                for number, split in enumerate(SPLITS if repeat == 0 else SPLITS[:1]):
                    rows = batch.filter(pyarrow.array(chosen & (split_numbers == number)))
                    if not rows.num_rows:
                        continue
                    files[split].write_batch(rows.select(SCHEMA.names))
                    names = rows["document"]
                    # A document may continue from the previous batch.
                    documents[split] += len(names.unique()) - (last_document.get(split) == names[0].as_py())
                    last_document[split] = names[-1].as_py()
                    line_counts[split] += rows.num_rows
                    sizes[split] += int(rows["size"].to_numpy().sum(dtype="int64"))
    return {"documents": dict(documents), "lines": dict(line_counts), "bytes": dict(sizes)}
