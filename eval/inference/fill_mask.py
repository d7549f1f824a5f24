"""What a base predicts for masks, with and without language adapters: `fill_mask` and `lrl-adapt fill-mask`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...workspace.errors import UserError
from ...workspace.library_logs import quiet_libraries
from ...workspace.progress import Progress
from ...workspace.progress_bars import ProgressBars
from ...workspace.text import clean_line
from .choose_adapters import choose_adapters
from .mask_models import Candidate, load_models
from .texts import MASK, as_list, require_masks, say_changes


@dataclass(frozen=True)
class MaskPrediction:
    """The most likely tokens for one mask by one adapter."""

    text: str
    adapter: str
    """Folder as the caller named it; none for the base."""
    mask: int
    """Which mask of the text, from 1."""
    candidates: list[Candidate]
    """The most likely one first."""


@quiet_libraries()
def fill_mask(
    texts: str | Iterable[str],
    *,
    adapters: str | Path | Sequence[str | Path] | None = None,
    base: str | Path | None = None,
    top: int = 5,
    workspace: str | Path | None = None,
    language: str | None = None,
    progress: Progress | None = None,
) -> list[MaskPrediction]:
    """Predict the masked words of texts, with each of several language adapters.

    Example:
        ```python
        for prediction in lrl_adapt.fill_mask("Habari ya [MASK]"):
            print(prediction.adapter, prediction.candidates[0].text)
        ```

    Args:
        texts: Texts, or one text, with one or more of `[MASK]`, `<mask>` or `{mask}`; each works with every tokenizer.
        adapters: Folders of language adapters, or their addresses on the hub (OWNER/NAME, OWNER/NAME/FOLDER), and
            `none` for the base alone; by default `none` and the newest adapter in the workspace.
        base: Hub id or folder of the base; by default the one that the adapters were trained on.
        top: Number of candidates for each mask.
        workspace: Where to look for the newest adapter; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        language: Consider only adapters for this language, in any code.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.

    Returns:
        One record for each distinct text, mask and adapter, in this order.

    Raises:
        UserError: A text has no mask, there is no adapter, or the adapters belong to different bases.
    """
    progress = progress or ProgressBars()
    distinct_texts = list(dict.fromkeys(as_list(texts)))
    require_masks(distinct_texts)
    names = choose_adapters(adapters, base, workspace, language, progress)
    models = load_models(names, None if base is None else str(base), progress)
    predictions = [
        MaskPrediction(text, adapter, number, candidates)
        for model in models
        for text, number, adapter, candidates in model.fill(distinct_texts, MASK, top, progress)
    ]
    if distinct_texts and not predictions:
        raise UserError("the base has no trained LM head to fill masks with: name an adapter with --adapter")
    counts: Counter[str] = Counter()
    for text in distinct_texts:
        clean_line(text, counts)
    say_changes(counts, progress)
    # dicts, not list.index: there may be many thousands of texts
    text_order = {text: place for place, text in enumerate(distinct_texts)}
    adapter_order = {name: place for place, name in enumerate(names)}
    return sorted(predictions, key=lambda one: (text_order[one.text], one.mask, adapter_order[one.adapter]))
