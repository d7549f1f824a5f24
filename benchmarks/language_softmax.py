"""A training step with the loss over the language's pieces (`training.softmax: language`) and over all: CPU seconds.

    LRL_DATA=~/data python benchmarks/language_softmax.py --base ~/bases/e5-small --language amh_Ethi

Forward and backward of a seq_bn adapter on batches of about 2,048 tokens of real text, in fp32, by turns with both
losses; the medians of their CPU times are compared, so that other work on the machine counts little.
"""

import gzip
import statistics
import time
from functools import partial

import numpy as np
import torch
from lrl_adapt.recipes.schema import Adapter
from lrl_adapt.training.adapters import language_adapter
from lrl_adapt.training.masking import Masking, random_for
from lrl_adapt.training.mlm import MaskedLM
from measure import data_folder, in_turn, parser_of
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

LENGTH, SEQUENCES = 128, 16


def main() -> None:
    parser = parser_of(__doc__, rounds=5)
    parser.add_argument("--base", required=True)
    parser.add_argument("--language", default="amh_Ethi")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(arguments.base)
    with gzip.open(data_folder() / "text" / f"{arguments.language}.txt.gz", "rt", encoding="utf-8") as lines:
        ids = np.concatenate(tokenizer([line.strip() for line in lines], add_special_tokens=False)["input_ids"])
    pieces = np.union1d(ids, tokenizer.all_special_ids)
    models = {name: random_model(arguments.base) for name in ("full", "language")}
    models["language"].restrict_loss(torch.from_numpy(pieces))
    masking = Masking.from_tokenizer(tokenizer, 0.15)
    batches = []
    for number in range(arguments.rounds + 1):
        chunk = ids[number * LENGTH * SEQUENCES :][: LENGTH * SEQUENCES].astype(np.int64).reshape(SEQUENCES, LENGTH)
        masked = [masking.apply(row, random_for(number, n)) for n, row in enumerate(chunk)]
        batches.append(models["full"].layout.batch(*zip(*masked, strict=True)))

    def step(model: MaskedLM, number: int) -> None:
        model(**batches[number]).backward()

    contenders = {name: partial(step, model) for name, model in models.items()}
    times = in_turn(contenders, arguments.rounds, clock=time.process_time)
    full, language = (statistics.median(seconds) for seconds in times.values())
    print(f"{arguments.language}: {len(pieces):,} of {len(tokenizer):,} pieces occur in {len(ids):,} tokens")
    print(f"CPU seconds a step: full {full:.2f}, language {language:.2f}; {full / language:.2f} times as fast")


def random_model(base: str) -> MaskedLM:
    """A seq_bn adapter on a base of random weights, in training."""
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(base))
    return MaskedLM(language_adapter(model, Adapter(type="seq_bn"))).train()


if __name__ == "__main__":
    main()
