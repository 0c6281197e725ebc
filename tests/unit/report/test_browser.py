"""The pages in a real browser: nothing wider than the window, nothing on the console, what the script adds works."""

from __future__ import annotations

import pytest

from chromium import BINARY, Chromium
from intermodal.report.model import RunReport, TaskRow
from intermodal.report.page import build_profile_page, build_report
from report_cases import failed_run, full_run, hostile_run, profile

WIDTHS = (390, 768, 1024, 1440)
# every element that sticks out of the window, unless something around it scrolls or clips
STICKING_OUT = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  const held = e.closest('.scroll, .visually-hidden, .skip, thead, svg');
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1) && !held;
}).map(e => e.tagName + '.' + e.className).slice(0, 5)
"""
CROPPED = """
[...document.querySelectorAll('.card')].filter(c => [...c.children].some(
  e => e.getBoundingClientRect().right > c.getBoundingClientRect().right + 1)).map(c => c.textContent.slice(0, 40))
"""


@pytest.fixture(scope="module")
def browser():
    if not BINARY:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    found = Chromium()
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    loop = [
        TaskRow(f"for-loop-{i}-a-long-name", state="RUNNING", seconds=1.0, depends_on=("start",)) for i in range(25)
    ]
    chain = [TaskRow(f"link-{i}", depends_on=(f"link-{i - 1}",)) for i in range(14)]
    drawn = {
        "full": build_report(full_run()),
        "failed": build_report(failed_run()),
        "hostile": build_report(hostile_run()),
        "bare": build_report(RunReport("run-1")),
        "wide": build_report(RunReport("run-1", tasks=(TaskRow("start"), *loop, *chain))),
        "profile": build_profile_page(profile()),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, html in drawn.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in drawn}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["full", "failed", "hostile", "bare", "wide", "profile"])
def test_nothing_sticks_out_and_the_console_is_silent(browser, pages, name, width):
    browser.complaints.clear()
    browser.open(pages[name], width)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(STICKING_OUT) == []
    assert browser.ask(CROPPED) == []
    assert browser.complaints == []


def test_charts_are_drawn_at_their_natural_size_on_a_phone(browser, pages):
    browser.open(pages["full"], 390)
    sizes = browser.ask(
        "[...document.querySelectorAll('.card svg.chart:not(.dag):not(.spark)')]"
        ".map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width).filter(Boolean)"
    )
    assert len(sizes) > 15
    assert min(sizes) > 0.9


def test_the_wide_graph_gives_way_to_the_narrow_one(browser, pages):
    shown = "[...document.querySelectorAll('#pipeline .dag')].map(s => s.getBoundingClientRect().width > 0)"
    browser.open(pages["full"], 1440)
    assert browser.ask(shown) == [True, False]
    browser.open(pages["full"], 390)
    assert browser.ask(shown) == [False, True]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_follows_the_system_and_the_toggle_turns_it(browser, pages, dark):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, night = "rgb(244, 245, 246)", "rgb(14, 18, 20)"
    browser.open(pages["full"], 1440, dark)
    browser.ask("localStorage.clear()")
    browser.open(pages["full"], 1440, dark)
    assert browser.ask(ground) == (night if dark else light)
    browser.ask("document.querySelector('.toggle').click()")
    assert browser.ask(ground) == (light if dark else night)
    assert browser.ask("document.querySelector('.toggle').getAttribute('aria-pressed')") == str(not dark).lower()
    browser.open(pages["full"], 1440, dark)
    assert browser.ask(ground) == (light if dark else night), "the choice is remembered"
    browser.ask("localStorage.clear()")


def test_a_table_sorts_by_number_up_and_down(browser, pages):
    browser.open(pages["full"], 1440)
    table = "[...document.querySelectorAll('#evaluation table')][0]"
    accuracy = f"[...{table}.tBodies[0].rows].map(r => r.cells[2].textContent.trim())"
    for expected in (["0.450", "0.530"], ["0.530", "0.450"]):
        browser.ask(f"{table}.tHead.rows[0].cells[2].querySelector('button').click()")
        assert browser.ask(accuracy) == expected
    assert browser.ask(f"{table}.tHead.rows[0].cells[2].getAttribute('aria-sort')") == "descending"


def test_a_node_of_the_graph_opens_its_task(browser, pages):
    browser.open(pages["full"], 1440)
    assert browser.ask("document.getElementById('task-validate').open") is False
    browser.ask(
        "document.querySelector('#pipeline .dag a[href=\"#task-validate\"]').dispatchEvent(new MouseEvent('click'))"
    )
    assert browser.ask(
        "new Promise(done => setTimeout(() => done(document.getElementById('task-validate').open), 200))"
    )


def test_everything_that_can_be_pressed_can_be_reached_and_is_named(browser, pages):
    browser.open(pages["full"], 1440)
    nameless = (
        "[...document.querySelectorAll('a[href], button, summary, [tabindex]')].filter(e =>"
        " !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML.slice(0, 80))"
    )
    assert browser.ask(nameless) == []
    assert browser.ask("[...document.querySelectorAll('[tabindex]')].every(e => e.tabIndex === 0)")
    assert browser.ask("document.querySelectorAll('h1').length") == 1


def test_the_page_prints_on_paper_without_what_only_a_screen_needs(browser, pages):
    browser.open(pages["full"], 1440, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.querySelector('.toggle')).display") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")
