"""The server's page in a real browser."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from lrl_adapt.serving.app import create_app
from lrl_adapt.serving.shared_base import SharedBase
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from ..chromium import chromium, needs_chromium
from .served import catalogue_of, make_workspace

SENTENCE = "Amina 😀 anaishi Nairobi"

pytestmark = [
    needs_chromium,
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for a token."""
    catalogue = catalogue_of(make_workspace(tmp_path_factory.mktemp("runs")))
    app = create_app(catalogue, SharedBase.load(catalogue.base), token="s3cret")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """The page with the token entered."""
    browser.get(address)
    field = waited(browser, lambda: shown(browser, "#token"))
    field.send_keys("s3cret", Keys.ENTER)
    waited(browser, lambda: shown(browser, "#sentence"))
    return browser


def waited(browser: Any, condition: Any) -> Any:
    return WebDriverWait(browser, 60).until(lambda _: condition())


def shown(browser: Any, selector: str) -> Any:
    result = browser.find_element(By.CSS_SELECTOR, selector)
    return result if result.is_displayed() else None


def choose(browser: Any, language: str) -> None:
    Select(browser.find_element(By.ID, "language")).select_by_visible_text(language)


def label(browser: Any, text: str) -> list[Any]:
    field = browser.find_element(By.ID, "text")
    browser.execute_script("arguments[0].value = arguments[1]", field, text)  # the driver cannot type 😀
    field.send_keys(Keys.CONTROL, Keys.ENTER)
    waited(browser, lambda: browser.find_element(By.ID, "sentence-status").text == "Done.")
    return browser.find_elements(By.CSS_SELECTOR, "#labels .card")


def test_a_wrong_token_is_told_and_the_right_one_opens_the_page(browser: Any, address: str) -> None:
    browser.get(address)
    field = waited(browser, lambda: shown(browser, "#token"))
    assert "Send the server's token" in browser.find_element(By.ID, "problem").text
    field.send_keys("wrong", Keys.ENTER)
    button = browser.find_element(By.CSS_SELECTOR, "#token-form button")
    waited(browser, lambda: shown(browser, "#problem") and button.get_attribute("aria-disabled") is None)
    field.clear()
    field.send_keys("s3cret", Keys.ENTER)
    waited(browser, lambda: shown(browser, "#sentence"))
    assert not shown(browser, "#token")
    assert not shown(browser, "#problem")
    assert "s3cret" not in browser.execute_script("return JSON.stringify([localStorage, document.cookie, location])")


def test_a_sentence_gets_topic_sentiment_and_coloured_entities(page: Any) -> None:
    page.get_log("browser")
    page.get_log("performance")
    choose(page, "Swahili")
    cards = {card.find_element(By.TAG_NAME, "h3").text: card for card in label(page, SENTENCE)}
    assert set(cards) == {"Topic", "Sentiment", "Named entities", "Parts of speech"}
    topic = cards["Topic"]
    rows = [row.text.split() for row in topic.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert {row[0] for row in rows} == {"afya", "michezo", "siasa"}
    assert topic.find_element(By.CLASS_NAME, "answer").text == rows[0][0]
    shares = [float(row[1].removesuffix("%")) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.3)
    text = cards["Named entities"].find_element(By.CLASS_NAME, "text")
    marks = text.find_elements(By.TAG_NAME, "mark")
    words = [page.execute_script("return arguments[0].firstChild.data", mark) for mark in marks]
    assert words
    assert all(word in SENTENCE.split() or word in SENTENCE for word in words)  # 😀 is two units of a JavaScript string
    assert "Nairobi" in words
    assert {mark.find_element(By.CLASS_NAME, "type").text for mark in marks} <= {"LOC", "PER"}
    assert all(mark.value_of_css_property("background-color") != "rgba(0, 0, 0, 0)" for mark in marks)
    assert page.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    addresses = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    assert addresses
    assert all(one.startswith(("http://127.0.0.1", "data:")) for one in addresses)


def test_choices_begin_with_what_tells_adapters_apart(page: Any) -> None:
    choose(page, "Swahili")
    option = page.find_element(By.CSS_SELECTOR, "#adapter-topic option").get_attribute("text")
    assert option.startswith("seq_bn/text, seed 1, topic-scratch-")


def test_a_gap_is_filled_by_base_and_adapter_side_by_side(page: Any) -> None:
    choose(page, "Swahili")
    field = page.find_element(By.ID, "gap-text")
    field.send_keys("Amina anaishi ")
    page.find_element(By.ID, "insert-gap").click()
    page.switch_to.active_element.send_keys(Keys.ENTER)
    table = waited(page, lambda: next(iter(page.find_elements(By.CSS_SELECTOR, "#candidates table")), None))
    heads = [head.text for head in table.find_elements(By.TAG_NAME, "th")]
    assert heads[0] == "Base alone"
    assert heads[1].startswith("With scratch-text-seq_bn_inv-")
    rows = table.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert len(rows) == 8
    assert all("%" in cell.text for row in rows for cell in row.find_elements(By.TAG_NAME, "td"))
    field.clear()
    field.send_keys("no gap", Keys.ENTER)
    waited(page, lambda: "There is no mask in 'no gap'" in page.find_element(By.ID, "problem").text)


def test_text_in_arabic_script_runs_from_right_to_left(page: Any) -> None:
    choose(page, "Uyghur")
    (card,) = label(page, "مەن ئۈرۈمچىدە Nairobi")
    text = card.find_element(By.CLASS_NAME, "text")
    assert text.value_of_css_property("direction") == "rtl"
    assert text.get_attribute("lang") == "uig-Arab"
    for name in ("text", "gap-text"):
        field = page.find_element(By.ID, name)
        assert field.value_of_css_property("direction") == "rtl"
        assert field.get_attribute("lang") == "uig-Arab"


def test_every_field_has_a_label_and_is_reached_with_the_keyboard(page: Any) -> None:
    choose(page, "Swahili")
    fields = page.find_elements(By.CSS_SELECTOR, "input, textarea, select")
    assert all(page.execute_script("return arguments[0].labels.length", field) == 1 for field in fields)
    page.execute_script("document.getElementById('language').focus()")
    reached = []
    for _ in range(5):
        page.switch_to.active_element.send_keys(Keys.TAB)
        active = page.switch_to.active_element
        reached.append(active.get_attribute("id") or active.text)
    assert reached == ["text", "Label", "gap-text", "insert-gap", "Fill the gap"]


@pytest.mark.parametrize("path", ["", "/docs"])
def test_the_pages_fit_a_phone_and_the_scheme(path: str, browser: Any, address: str) -> None:
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    shades = []
    try:
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            browser.get(address + path)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
            shades.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert shades == ["rgb(255, 255, 255)", "rgb(20, 23, 26)"]
