"""PEFT's LoRA (rank 8 on query and value) in transformers' Trainer, with batches padded as its collator does."""

import tempfile
from functools import partial

import common
import torch
from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainingArguments


def main() -> None:
    settings = common.read_arguments()
    model = get_peft_model(common.model_of(settings.shape), LoraConfig(r=8, target_modules=["query", "value"]))
    pad = common.SHAPES[settings.shape].get("pad_token_id", 0)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=16,
            max_steps=settings.steps,
            learning_rate=common.LEARNING_RATE,
            bf16=settings.precision == "bf16",
            use_cpu=settings.device == "cpu",
            train_sampling_strategy="sequential",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )

        def run(batches: list[common.Rows]) -> None:
            rows = [row for batch in batches for row in batch]
            dataset = torch.utils.data.Subset(rows, range(len(rows)))  # type: ignore[arg-type]
            Trainer(model, arguments, train_dataset=dataset, data_collator=partial(common.padded, pad=pad)).train()

        common.serve(settings, run)


if __name__ == "__main__":
    main()
