"""Peak memory of training, one contender after the other: train.py's workers, a few steps each, alone on the machine.

    LRL_DATA=~/data python benchmarks/memory.py --peer peer/bin/python --shape xlmr --text documents

Of the process on a CPU (so Python and the libraries are in it), of the GPU's allocations where there is one.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from train import PEERS, Worker, contenders, describe, has_gpu, write_batches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="python of an environment with adapters==1.3.0")
    parser.add_argument("--shape", choices=["mbert", "xlmr"], default="mbert")
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    parser.add_argument("--longest", type=int, default=512, help="cut sequences there, in tokens")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    given = parser.parse_args()
    if "LRL_DATA" not in os.environ:
        sys.exit("set LRL_DATA to the folder that holds text/ and tokenizers/ (benchmarks/real/README.md)")
    print("GPU" if has_gpu() else "no GPU: on the CPU alone")
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder, "batches.json")
        describe(write_batches(batches, given.steps, given.longest, documents=given.text == "documents"))
        first = 0.0
        print("| | peak MB | ours / its memory |\n|---|---|---|")
        for precision in given.precisions:
            for name, python, file in contenders(given.peer):
                words = [str(batches), given.shape, precision, str(given.steps), str(os.cpu_count() or 1)]
                worker = Worker(f"{name} {precision}", [python, str(PEERS / f"{file}.py"), *words])
                worker.start()
                worker.round(counts=False)
                worker.stop()
                first = worker.memory if file == "ours" else first
                print(f"| {worker.name} | {worker.memory:,.0f} | {first / worker.memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
