"""AdapterHub's adapters in a plain training loop, which is faster than its trainer."""

import adapters  # pyright: ignore[reportMissingImports] - lives in an environment of its own
import common
import torch


def main() -> None:
    settings = common.read_arguments()
    model = common.model_of(settings.shape)
    adapters.init(model)
    model.add_adapter("language", config="seq_bn")
    model.train_adapter("language")
    model.to(settings.device).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, common.LEARNING_RATE)
    pad = common.SHAPES[settings.shape].get("pad_token_id", 0)

    def run(batches: list[common.Rows]) -> None:
        for rows in batches:
            batch = {name: value.to(settings.device) for name, value in common.padded(rows, pad).items()}
            with torch.autocast(settings.device, torch.bfloat16, enabled=settings.precision == "bf16"):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()

    common.serve(settings, run)


if __name__ == "__main__":
    main()
