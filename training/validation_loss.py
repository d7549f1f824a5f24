"""The loss of an adapter's weights on the masked validation text of training."""

from collections.abc import Callable
from pathlib import Path

from peft import PeftModel
from torch import Tensor

from ..recipes.schema import Recipe
from ..workspace.artifacts import Prepared
from ..workspace.progress import QUIET, Progress
from .adapters import load_adapter
from .adapters.files import load_adapter_weights
from .base import load_base
from .loop import mean_loss
from .masking import Masking
from .mlm import MaskedLM
from .precision import autocast_dtype, make_accelerator
from .setup import freeze_in, make_tokens, validation_batches
from .tokens import Sequences
from .vocabulary.files import tokenizer_of


def validation_loss(
    recipe: Recipe, workspace: Path, prepared: Prepared, folder: Path, progress: Progress = QUIET
) -> Callable[[dict[str, Tensor]], float]:
    """A function of an adapter's weights that gives their loss on the recipe's validation text, with the same masks.

    `folder` holds an adapter of the same shape. The loss is in nats per masked token, as in the manifest of an adapter
    that was trained with this recipe. Raises UserError if the adapter does not fit the recipe's base.
    """
    settings = recipe.training
    accelerator, _ = make_accelerator(settings.precision)
    base, tokenizer = load_base(recipe, workspace, prepared, progress)
    tokenizer = tokenizer_of(folder, tokenizer)
    tokens = make_tokens(recipe, workspace, prepared, tokenizer, progress)
    base_parameters = list(base.parameters())
    adapted = load_adapter(base, folder)
    if isinstance(adapted, PeftModel):  # as in training, where a whole model stays in fp32
        freeze_in(base_parameters, autocast_dtype(accelerator))
    model = MaskedLM(adapted).to(accelerator.device)
    masking = Masking.from_tokenizer(tokenizer, settings.mlm_probability, whole_word_mask=settings.whole_word_mask)
    validation = [Sequences(artifact.folder / "validation.arrow") for artifact in tokens]
    batches = validation_batches(validation, masking, model, settings)

    def loss_of(weights: dict[str, Tensor]) -> float:
        if isinstance(adapted, PeftModel):
            load_adapter_weights(adapted, weights, folder)
        else:
            adapted.load_state_dict(weights)
        return mean_loss(model, batches, accelerator)

    return loss_of
