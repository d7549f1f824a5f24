"""The report's page in a real browser."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.eval.report.writer import write_report
from selenium.webdriver.common.by import By

from ...chromium import chromium, needs_chromium
from .made_results import LANGUAGES, large, small

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(small(tmp_path_factory.mktemp("one")))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(large(tmp_path_factory.mktemp("many")))


def opened(browser: Any, page: Path) -> Any:
    browser.get(page.resolve().as_uri())
    return browser


@pytest.mark.parametrize("name", ["one", "many"])
@pytest.mark.slow
def test_the_page_loads_without_an_error_or_an_outside_request(name: str, browser: Any, request: Any) -> None:
    browser.get_log("performance")
    opened(browser, request.getfixturevalue(name))
    assert browser.get_log("browser") == []
    assert "lrl-adapt report" in browser.title
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    assert any(address.startswith("file://") for address in addresses)
    assert all(address.startswith(("file://", "data:")) for address in addresses)


def test_a_table_is_sorted_by_the_head_that_is_clicked(browser: Any, many: Path) -> None:
    table = opened(browser, many).find_elements(By.CSS_SELECTOR, "table.many")[1]

    def column(number: int) -> list[str]:
        rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
        return [row.find_elements(By.CSS_SELECTOR, "th, td")[number].text.split("\n")[0] for row in rows]

    names = column(0)
    assert names == sorted(names)
    assert len(names) == len(LANGUAGES)
    lora, adapter = (
        next(n for n, head in enumerate(table.find_elements(By.TAG_NAME, "th")) if head.text.startswith(kind))
        for kind in ("lora", "seq_bn")
    )
    for click, order in (("ascending", 1), ("descending", -1)):
        head = table.find_elements(By.CSS_SELECTOR, "thead th")[adapter]
        head.find_element(By.TAG_NAME, "button").click()
        assert head.get_attribute("aria-sort") == click
        values = [float(text) for text in column(adapter)]
        assert values == sorted(values)[::order]
    table.find_elements(By.CSS_SELECTOR, "thead th button")[lora].click()
    assert column(lora)[-1] == "—"  # what is missing goes last


def test_the_page_prints(browser: Any, many: Path) -> None:
    assert base64.b64decode(opened(browser, many).print_page()).startswith(b"%PDF")


def test_nothing_is_wider_than_a_phone(browser: Any, one: Path) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, one)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_mode_is_dark(browser: Any, one: Path) -> None:
    shades = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        opened(browser, one)
        shades.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]


def test_the_page_can_be_read_without_javascript(browser: Any, many: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, many)
        assert "Means over languages" in browser.find_element(By.TAG_NAME, "main").text
        assert browser.find_elements(By.CSS_SELECTOR, "th button") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
