"""What a person sees, in a real Chromium. With PENSTOCK_PICTURES=1 it draws docs/images anew."""

import os
import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from scene import alert, figures, fill, page, samples, view_of

from penstock.clock import now
from penstock.codec.build import build_events
from penstock.connector import Sample
from penstock.console.layout import Layout, Machine
from penstock.console.view import View
from penstock.factory.layout import LINES
from penstock.settings.tags import Tag

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DEADLINE = 20.0
HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202e&'\"`${1}</script>"


@pytest.fixture
def open_page(browser):
    """Shows a view; any error in the page, and any request to elsewhere, fails the test."""
    wrong = []
    with ExitStack() as started:
        servers = {}

        def open_(view, width=1280, height=860, scheme="light"):
            if id(view) not in servers:
                servers[id(view)] = started.enter_context(page(view)).url
            url = servers[id(view)]
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme,
                locale="en-GB", timezone_id="Europe/Berlin",
            )  # fmt: skip
            started.callback(context.close)
            shown = context.new_page()
            shown.set_default_timeout(60_000)
            shown.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
            shown.on("pageerror", lambda error: wrong.append(str(error)))
            shown.on("request", lambda r: None if r.url.startswith(url) else wrong.append(r.url))
            shown.goto(url)
            shown.wait_for_selector(".line")
            return shown

        yield open_
    assert wrong == []


def picture(shown, name, tmp_path):
    folder = IMAGES if os.environ.get("PENSTOCK_PICTURES") else tmp_path
    shown.screenshot(path=folder / name)
    assert (folder / name).stat().st_size > 10_000


@pytest.fixture
def troubled(tmp_path):
    view = view_of(tmp_path)
    fill(view)
    view.alert(alert())
    seen = {"state": "acknowledged", "acknowledged_by": "Ann Lee", "note": "seal ordered"}
    pump = "acme/bremen/filling/line2/pump02"
    view.alert(alert(pump, id="f00d", message="pump02 does not behave as it normally does", **seen))
    return view


def test_a_figure_that_is_not_known_says_why(tmp_path, open_page):
    view = view_of(tmp_path)
    fill(view)
    nothing = {
        "balance": [{"element": "producing", "planning": "planned", "duration": 1}],
        "no_order_counts": "down", "produced": 0.0, "good": 0.0, "scrap": 0.0,
        "planned_run_time": 0.0, "good_run_time": 0.0, "kpis": {"oee": 0.0, "quality_ratio": None},
    }  # fmt: skip
    view.kpi(figures("acme/bremen/packing/line3", 0.0, now(), **nothing))
    shown = open_page(view)
    box = shown.wait_for_selector(".kpis > [title]")
    assert box.inner_text().split() == ["Quality", "–"]
    assert box.get_attribute("title") == "nothing was produced"


def test_a_figure_of_which_little_is_known_says_so_and_what_is_doubtful(tmp_path, open_page):
    view = view_of(tmp_path)
    fill(view)
    flags = ["counter GoodCount rose unseen", "more scrap than was produced"]
    view.kpi(figures("acme/bremen/packing/line3", 0.0, now(), coverage=0.07, flags=flags))
    shown = open_page(view)
    box = shown.wait_for_selector(".line .window[title]")
    assert "7.0 % of it known, doubtful, as of" in " ".join(box.inner_text().split())
    assert box.get_attribute("title") == "; ".join(flags)


def test_the_line_in_trouble_is_first_and_says_why(troubled, open_page, tmp_path):
    shown = open_page(troubled)
    assert "1 of 3 lines needs attention: stamping/line1" in shown.inner_text("#summary")
    first, second, _ = shown.query_selector_all(".line")
    assert first.get_attribute("data-tone") == "bad"
    assert second.get_attribute("data-tone") == "good"
    head = first.query_selector(".head").inner_text()
    assert "Failure: press02" in head and "Alert: press01" in head
    assert re.search(r"OEE\s*51\.3 %", first.inner_text())
    assert "seen by Ann Lee (seal ordered)" in shown.inner_text("#alerts")
    picture(shown, "console-desktop.png", tmp_path)


def test_it_is_useful_on_a_phone_and_in_the_dark(troubled, open_page, tmp_path):
    shown = open_page(troubled, 390, 844)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [one.bounding_box() for one in shown.query_selector_all(".machine")]
    assert min(box["height"] for box in boxes) >= 44  # a finger's width
    picture(shown, "console-phone.png", tmp_path)
    dark = open_page(troubled, scheme="dark")
    dark.click(".alert summary")
    picture_of = dark.wait_for_selector(".alert img")
    deadline = time.monotonic() + DEADLINE
    while not picture_of.evaluate("img => img.naturalWidth"):  # as a function: no string is run
        assert time.monotonic() < deadline
        dark.wait_for_timeout(50)
    picture(dark, "console-dark.png", tmp_path)


def test_values_move_and_an_alert_comes_and_goes(troubled, open_page):
    press = LINES[0].places[0]
    shown = open_page(troubled)
    shown.click("button.machine:has-text('press01')")
    shown.fill("#filter", "GoodCount")
    shown.wait_for_selector("#values tr:only-child:has-text('227')")
    found = list(samples(press, now(), GoodCount=4711))
    for event in build_events(found, source="p", session="s", sequences={}, ingest=now()):
        troubled.samples(event)
    shown.wait_for_selector("#values tr:has-text('4,711')")
    shown.keyboard.press("Escape")
    shown.wait_for_selector("dialog[open]", state="detached")
    over = {"state": "cleared", "version": {"epoch": 1, "offsets": [2], "emission": 1}}
    troubled.alert(alert(**over))
    shown.wait_for_selector(".alert:has-text('press01')", state="detached")
    assert shown.query_selector(".alert:has-text('pump02')")


def test_the_keyboard_reaches_everything_and_comes_back(troubled, open_page):
    shown = open_page(troubled)
    shown.focus(".machine")
    name = shown.evaluate("document.activeElement.innerText")
    shown.keyboard.press("Enter")
    shown.wait_for_selector("dialog[open] #values tr")
    assert shown.evaluate("document.activeElement.getAttribute('aria-label')") == "Close"
    shown.keyboard.press("Enter")
    shown.wait_for_selector("dialog[open]", state="detached")
    assert shown.evaluate("document.activeElement.innerText") == name
    shown.wait_for_timeout(500)  # updates come meanwhile, and must not take the focus
    assert shown.evaluate("document.activeElement.innerText") == name


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !node.getClientRects().length || node.className === "skip") continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${node.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(troubled, open_page, scheme):
    shown = open_page(troubled, scheme=scheme)
    shown.click(".alert summary")
    assert shown.evaluate(CONTRAST) == []
    unnamed = "[...document.querySelectorAll('button,input')].filter(n => !n.labels?.length"
    unnamed += " && !n.getAttribute('aria-label') && !n.innerText.trim()).length"
    assert shown.evaluate(unnamed) == 0


def test_hostile_names_are_shown_as_text(open_page):
    path = f"acme/bremen/{HOSTILE}/m"
    tag = Tag(asset="x", tag=HOSTILE, address="1", unit=HOSTILE, description=HOSTILE)
    machine = Machine(path, None, {HOSTILE: tag})
    view = View(Layout(f"acme/{HOSTILE}", {f"acme/bremen/{HOSTILE}": (machine,)}))
    time = now()
    found = [Sample(path, HOSTILE, HOSTILE, time)]
    for event in build_events(found, source="s", session="s", sequences={}, ingest=time):
        view.samples(event)
    evidence = {**alert()["evidence"], "words": [HOSTILE], "tags": [HOSTILE] * 3}
    view.alert(alert(path, id=HOSTILE, message=HOSTILE, cause=HOSTILE, evidence=evidence))
    shown = open_page(view)
    shown.click(".alert summary")
    shown.click(".machine")
    shown.wait_for_selector("#values tr")
    assert HOSTILE in shown.inner_text("#values")
    assert HOSTILE in shown.text_content(".alert .words")
    assert shown.evaluate("document.title").endswith("Penstock")
    assert shown.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    plot = shown.get_attribute(".alert img", "src")
    shown.goto(shown.url.rstrip("/") + plot)  # as a document of its own, where scripts would run
    assert shown.evaluate("document.title") != "owned"
    assert HOSTILE.split("\u202e", maxsplit=1)[0] in shown.evaluate(
        "document.documentElement.textContent"
    )


def test_a_page_that_lost_its_server_says_so_and_comes_back(troubled, browser):
    with page(troubled) as served:
        shown = browser.new_page()
        shown.goto(served.url)
        shown.wait_for_selector(".line")
    shown.wait_for_selector(".link.lost:has-text('No connection')")
    shown.close()
