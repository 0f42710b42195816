"""What an operator sees and does on the first page, in a real browser, on the whole service with its simulators."""

import os
import re
import signal
import time

from playwright.sync_api import Page, expect

from tests.system.demo import Demo, until

PRESSURE = '[data-testid="value"][data-tag="L01-ISO.chamber.pressure"]'
REVERSAL = "L01-ISO.chamber.pressure.reversal"


def sign_in(page: Page) -> None:
    page.get_by_test_id("login").click()
    page.get_by_test_id("login-user").fill("operator")
    page.get_by_test_id("login-password").fill("demo-operator")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("login-user")).to_have_count(0)


def test_ten_lines_live(page: Page) -> None:
    for line in range(1, 11):
        expect(page.get_by_test_id(f"tile-L{line:02}")).to_be_visible()
    value = page.locator(PRESSURE).first
    expect(value).to_have_text(re.compile(r"\d+\.\d"))
    first = value.inner_text()
    until(lambda: value.inner_text() != first, 10.0, "the chamber pressure moves")


def test_alarm_is_shown_silenced_and_acknowledged(page: Page, demo: Demo) -> None:
    sign_in(page)
    began = time.monotonic()
    demo.run("fault", "L01-ISO", "pressure-loss", "--for", "8s")
    page.keyboard.press("F3")
    row = page.locator(f'[data-testid="alarm-row"][data-alarm-id="{REVERSAL}"]')
    expect(row.first).to_be_visible(timeout=2000)
    assert time.monotonic() - began < 2.0

    page.get_by_test_id("silence").first.click()
    until(
        lambda: not next(a for a in demo.ask("/api/v1/annunciator")["areas"] if a["id"] == "W1")["horn"], 3.0, "silence"
    )
    alarm = demo.alarm(REVERSAL)
    assert alarm is not None and not alarm["acknowledged"]

    row.first.get_by_test_id("acknowledge").click()
    confirm = page.get_by_test_id("acknowledge-confirm")
    if confirm.count():
        confirm.first.click()
    until(lambda: (a := demo.alarm(REVERSAL)) is None or a["acknowledged"], 3.0, "acknowledged")


def test_why_a_device_is_not_read_stands_in_its_panel(page: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/#/line/L01")
    page.get_by_test_id("equipment-L01-PRC").wait_for()
    said = page.get_by_test_id("faults-L01-PRC")
    expect(said).to_have_count(0)
    demo.run("fault", "L01-PRC", "silent", "--for", "5s")
    expect(said).to_contain_text("L01-PRC", timeout=5000)
    sentence = next(d["failure"] for d in demo.ask("/api/v1/devices?unwell=true") if d["device"] == "L01-PRC")
    expect(said.locator("li")).to_have_text([sentence])
    expect(said).to_have_count(0, timeout=15_000)


def test_trend_is_drawn(page: Page) -> None:
    page.locator(PRESSURE).first.click()
    trend = page.get_by_test_id("trend")
    expect(trend).to_be_visible()
    expect(trend.locator("canvas").first).to_be_visible(timeout=5000)


def test_both_languages(page: Page) -> None:
    before = page.locator("body").inner_text()
    page.get_by_test_id("language").click()
    until(
        lambda: "洁净" in page.locator("body").inner_text() or "隔离器" in page.locator("body").inner_text(),
        3.0,
        "Chinese",
    )
    assert page.locator("body").inner_text() != before


def test_a_lost_feed_is_said_within_3_s_and_found_again(page: Page, demo: Demo) -> None:
    """Once by the engine's silence (the api says so), once by the api's own."""
    lost = page.get_by_test_id("data-lost")
    expect(lost).to_have_count(0)
    value = page.locator(PRESSURE).first
    expect(value).to_have_attribute("data-dress", "good")
    for verb in ("engine", "api"):
        process = demo.child(verb)
        os.kill(process, signal.SIGSTOP)
        try:
            expect(lost).to_be_visible(timeout=3000)
            expect(value).not_to_have_attribute("data-dress", "good")
        finally:
            os.kill(process, signal.SIGCONT)
        expect(lost).to_have_count(0, timeout=15_000)
        expect(value).to_have_attribute("data-dress", "good", timeout=10_000)
