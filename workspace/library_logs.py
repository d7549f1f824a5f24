"""Other libraries' progress bars, log lines and warnings, switched off while ours are shown."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

HARMLESS_WARNINGS = (
    "`is_gradient_checkpointing` is deprecated",  # accessed by PEFT 0.21, not by us
    "The PEFT config's `base_model_name_or_path` was renamed",  # of a workspace that was moved
)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence datasets, huggingface_hub, transformers and known warnings; works as a decorator, too.

    Their settings are restored afterwards, since in a notebook they are the user's.
    """
    import datasets
    from huggingface_hub import utils as hub
    from transformers.utils import logging

    datasets_bars = not datasets.are_progress_bars_disabled()
    hub_bars = not hub.are_progress_bars_disabled()
    transformers_bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    datasets.disable_progress_bars()
    hub.disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            for message in HARMLESS_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if transformers_bars:
            logging.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
        if datasets_bars:
            datasets.enable_progress_bars()
