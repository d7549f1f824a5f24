"""The bundled recipes and the code against the table of facts; the whole rehearsal is `make rehearsal`."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import bundled_tasks
from lrl_adapt.recipes.text_sources import bundled_sources

from .agreement import check_reading, disagreements, notices, reading_from
from .facts import all_facts, load_facts
from .tasks import TASKS

SOURCES = ("glotcc", "fineweb2", "wikipedia", "finepdfs", "hplt", "madlad")
QUICK = ("sib200", "wikiann", "sentiment", "flores", "mteb_sib200", "conceptnet", "glot500", *SOURCES, *TASKS)
"""Written and read in a second; the others are changed by `python -m lrl_adapt.tests.rehearsal.agreement`."""


def test_the_recipes_say_what_the_table_says() -> None:
    assert disagreements(load_facts()) == []


def test_the_table_has_every_bundled_task_and_source() -> None:
    assert bundled_tasks().keys() | bundled_sources().keys() <= load_facts().keys()


@pytest.mark.parametrize("name", load_facts())
@pytest.mark.slow
def test_what_is_read_is_what_the_table_says(name: str, tmp_path: Path) -> None:
    with reading_from(tmp_path, load_facts(), name):
        check_reading(name, load_facts(), tmp_path / "downloads")


@pytest.mark.parametrize("fact", [fact for fact in all_facts() if fact.partition(".")[0] in QUICK])
@pytest.mark.slow
def test_a_change_of_any_fact_is_noticed(fact: str, tmp_path: Path) -> None:
    assert notices(fact, tmp_path)
