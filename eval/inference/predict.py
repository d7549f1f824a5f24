"""Labels for new texts from a trained task adapter: `predict` and `lrl-adapt predict`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...workspace.progress import Progress
from ...workspace.progress_bars import ProgressBars
from .choose_adapters import NONE, choose_scores
from .find_adapters import TaskAdapter, find_task_adapter
from .predictor import Prediction, TextOrPair, load_predictor
from .published import adapter_folder
from .texts import as_list, say_changes


def predict(
    texts: str | Iterable[TextOrPair],
    *,
    task: str | None = None,
    adapter: str | Path | None = None,
    language_adapter: str | Path | None = None,
    base: str | Path | None = None,
    workspace: str | Path | None = None,
    language: str | None = None,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Label texts with a trained task adapter.

    Loads the model at every call: pass all texts at once. Texts longer than the model's maximum length are split into
    windows.

    Example:
        ```python
        lrl_adapt.predict(["Mvua kubwa inatarajiwa kesho"], task="topic")[0]["label"]
        ```

    Args:
        texts: Texts to label, or one text. For a task with pairs of texts, tuples of two, or texts with a tab between
            the two.
        task: Task to label them for: `topic`, `sentiment`, `ner` or one of your own. Uses the newest task adapter for
            it in the workspace.
        adapter: Instead, the folder that `evaluate` wrote under `scores/`, the `task-adapter` folder in it, or the
            adapter's address on the hub: OWNER/NAME, or OWNER/NAME/FOLDER.
        language_adapter: Folder of another language adapter to stack the task adapter on (zero-shot transfer), or
            `none` for the bare base; by default the one that it was trained on.
        base: Hub id or folder of the base; by default the one that it was trained on.
        workspace: Where to look for task adapters; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        language: Consider only task adapters in this language, in any code.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.

    Returns:
        A dict for each text, in order, with the text as `text` (a pair as `text` and `text_pair`) and

        - for classes `label`, `probability` and `probabilities` (by label); the label of a blank text is None;
        - for any number of labels per text `labels`, those with a probability of at least 0.5, and `probabilities`;
        - for scores `score`, on the scale of the training data; None for a blank text;
        - for entities `entities`, a list of dicts with `text`, `type`, `start`, `end` and `probability`, which is the
          mean over the entity's words. `start` and `end` count characters: `text[start:end]` is the entity;
        - for other tags `words`, a list of dicts with `text`, `label`, `start`, `end` and `probability`.

    Raises:
        UserError: There is no task adapter for the task, or it does not fit the base or the language adapter.
    """
    progress = progress or ProgressBars()
    as_given = as_list(texts)
    task_adapter = choose_task_adapter(task, adapter, language_adapter, base, workspace, language)
    return list(progress.track(label_texts(as_given, task_adapter, progress), "labelled texts", len(as_given)))


def choose_task_adapter(
    task: str | None,
    adapter: str | Path | None = None,
    language_adapter: str | Path | None = None,
    base: str | Path | None = None,
    workspace: str | Path | None = None,
    language: str | None = None,
) -> TaskAdapter:
    """The task adapter that the arguments of `predict` choose. Raises UserError where there is none."""
    return find_task_adapter(
        choose_scores(task, adapter, workspace, language),
        task=task,
        language_adapter=_folder_or_none(language_adapter),
        base=None if base is None else str(base),
    )


def _folder_or_none(language_adapter: str | Path | None) -> str | None:
    """The folder of a language adapter, downloaded if it is on the hub; `none` and None as they are."""
    if language_adapter is None or str(language_adapter) == NONE:
        return language_adapter if language_adapter is None else NONE
    return str(adapter_folder(language_adapter))


def label_texts(texts: Iterable[TextOrPair], task_adapter: TaskAdapter, progress: Progress) -> Iterator[Prediction]:
    """Load the task adapter's model and label the texts as they come, saying what was loaded."""
    below = task_adapter.language_adapter or "none"
    progress.say(f"task adapter {task_adapter.folder}, language adapter {below}, base {task_adapter.base}")
    counts: Counter[str] = Counter()
    yield from load_predictor(task_adapter).predict(texts, counts)
    say_changes(counts, progress)
