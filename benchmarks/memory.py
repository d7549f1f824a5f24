"""Peak memory of training a seq_bn adapter: the contenders of train.py one after the other, a few steps each.

    LRL_DATA=~/data python benchmarks/memory.py --peer peer/bin/python --shape xlmr --text documents

On a CPU the memory of the process, Python and libraries included; on a GPU its allocations.
"""

import os
import tempfile
from pathlib import Path

from measure import data_folder, parser_of
from train import PEERS, Worker, contenders, describe, has_gpu, write_batches


def main() -> None:
    parser = parser_of(__doc__, steps=3)
    parser.add_argument("--peer", help="python of an environment with adapters==1.3.0")
    parser.add_argument("--shape", choices=["mbert", "xlmr"], default="mbert")
    parser.add_argument("--text", choices=["lines", "documents"], default="lines")
    parser.add_argument("--longest", type=int, default=512, help="maximum length of a sequence, in tokens")
    parser.add_argument("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    arguments = parser.parse_args()
    data_folder()
    print("GPU" if has_gpu() else "no GPU: on the CPU alone")
    with tempfile.TemporaryDirectory() as folder:
        batches = Path(folder, "batches.json")
        describe(write_batches(batches, arguments.steps, arguments.longest, documents=arguments.text == "documents"))
        first = 0.0
        print("| | peak MB | ours / its memory |\n|---|---|---|")
        for precision in arguments.precisions:
            for name, python, file in contenders(arguments.peer):
                words = [str(batches), arguments.shape, precision, str(arguments.steps), str(os.cpu_count() or 1)]
                worker = Worker(f"{name} {precision}", [python, str(PEERS / f"{file}.py"), *words])
                worker.start()
                worker.round(counts=False)
                worker.stop()
                first = worker.memory if file == "ours" else first
                print(f"| {worker.name} | {worker.memory:,.0f} | {first / worker.memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
