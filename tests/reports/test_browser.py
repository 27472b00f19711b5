"""Pages in a real browser: no complaints at two widths, and what a person does with them works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from physnn.reports.page import report_page
from physnn.reports.report_files import write_report
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes
from tests.reports.chromium import BROWSER, Page, browser_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here: apt-get install chromium"),
]

FRAME = "document.querySelector('.frame')"
BOX = f"{FRAME}.firstElementChild.getAttribute('viewBox').split(' ').map(Number)"
COLUMN = "[...document.querySelector('tbody').rows].map(row => row.cells[{}].textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    source = folder / "<b>x<b><script>document.title='x'.h5"
    write_sweep(source, {"kind": "planted", "<script>document.title='x'</script>": "<b>x</b>"}, planted_sizes(1))
    write_report([source], folder / "page.html")
    return folder / "page.html"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_quiet_and_can_be_used(page, width, tmp_path):
    with browser_page() as shown:
        shown.open(page, width)
        assert shown.value("document.title").endswith("document.title='x'.h5"), "the name is shown, not run"
        assert shown.value("document.querySelectorAll('b').length") == 0
        assert shown.value("document.querySelectorAll('svg').length") == 7
        assert shown.value("document.documentElement.scrollWidth") <= width, "nothing sticks out"
        _sort(shown)
        _zoom(shown)
        assert not shown.complaints and shown.requests == [page.as_uri()], "no errors, and nothing is asked for"
        assert shown.picture(tmp_path / "page.png").stat().st_size > 20_000


def _sort(shown: Page) -> None:
    heading = "document.querySelectorAll('thead button')[1]"
    before = shown.value(COLUMN.format(1))
    shown.click(heading)
    up = shown.value(COLUMN.format(1))
    shown.click(heading)
    down = shown.value(COLUMN.format(1))
    numbers = [float(cell.partition("(")[0]) for cell in up]
    assert numbers == sorted(numbers) and down == up[::-1] and sorted(before) == sorted(up)
    assert shown.value("document.querySelectorAll('thead th')[1].getAttribute('aria-sort')") == "descending"
    assert shown.value(COLUMN.format(0)) != sorted(shown.value(COLUMN.format(0))), "rows stay whole"


def _zoom(shown: Page) -> None:
    whole = shown.value(BOX)
    shown.click("document.querySelector('.tools button')")
    near = shown.value(BOX)
    assert near[2] == pytest.approx(whole[2] / 1.6, rel=1e-3) and near[3] / near[2] == pytest.approx(
        whole[3] / whole[2]
    )
    shown.drag(FRAME, 40, 0)
    moved = shown.value(BOX)
    assert moved[0] < near[0] and moved[2] == near[2], "what is dragged to the right shows what lies to the left"
    shown.click("document.querySelectorAll('.tools button')[2]")
    assert shown.value(BOX) == pytest.approx(whole)
    shown.click(FRAME, clicks=2)
    assert shown.value(BOX)[2] == pytest.approx(whole[2] / 2, rel=1e-3)
    for key, name in (("+", "zoom in"), ("0", "reset")):
        shown.call("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "text": key})
        shown.call("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})
        inside = shown.value(BOX)[2] < whole[2] / 3
        assert inside == (name == "zoom in")


def test_a_page_of_a_run_loads_itself_anew(page, tmp_path):
    running = tmp_path / "running.html"
    with browser_page() as shown:
        running.write_text(report_page([], "first", 0.5))
        shown.open(running, 1280)
        wait_for(shown, "first")
        running.write_text(report_page([], "second"))
        wait_for(shown, "second")
        assert not shown.complaints


def wait_for(shown: Page, words: str) -> None:
    """Wait until the page has some words; while it loads it has no body."""
    for _ in range(200):
        if words in str(shown.value("document.body ? document.body.textContent : ''")):
            return
        time.sleep(0.05)
    raise AssertionError(f"{words} does not come")


def test_a_script_that_is_not_ours_is_refused(page, tmp_path):
    """What the policy is for: if markup got through, it would not act."""
    changed = tmp_path / "changed.html"
    text = page.read_text()
    changed.write_text(text.replace("</body>", "<script>document.title='acted'</script></body>"))
    with browser_page() as shown:
        shown.open(changed, 1280)
        assert shown.value("document.title") != "acted" and any("Content Security" in c for c in shown.complaints)
