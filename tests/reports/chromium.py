"""A real browser without a window, led through a pipe: no port, no network, no further package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
"""Browser of this machine; None where there is none."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
    "about:blank",
)


class Page:
    """A page of the browser: what it shows, and what it complained of."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing, self._rest, self._number = reading, writing, b"", 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    _session: str | None = None

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            self._rest += os.read(self._reading, 2**20)
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Result of a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters or {}}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._heard(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _heard(self, event: dict[str, Any]) -> None:
        name, what = event.get("method", ""), event.get("params", {})
        if name == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.complaints.append(what["entry"]["text"])
        if name == "Runtime.exceptionThrown" or (name == "Runtime.consoleAPICalled" and what["type"] == "error"):
            self.complaints.append(json.dumps(what)[:500])
        if name == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])

    def open(self, path: Path, width: int, height: int = 900) -> None:
        """Show a file in a window of a width in pixels, and wait until it is there."""
        mobile = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", size)
        self.call("Page.navigate", {"url": path.as_uri()})
        for _ in range(200):
            if self.value("document.readyState") == "complete" and self.value("location.href") == path.as_uri():
                return
            time.sleep(0.05)
        raise AssertionError("the page does not come")

    def value(self, expression: str) -> Any:
        """Value of an expression on the page."""
        found = self.call("Runtime.evaluate", {"expression": expression, "returnByValue": True})
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def click(self, expression: str, clicks: int = 1) -> None:
        """Press the mouse in the middle of an element, as a person does."""
        x, y = self.value(
            f"(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}}); const b = "
            "e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for k in range(1, clicks + 1):
            for kind in ("mousePressed", "mouseReleased"):
                how = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": k}
                self.call("Input.dispatchMouseEvent", how)

    def drag(self, expression: str, dx: float, dy: float) -> None:
        """Press the mouse in the middle of an element, move it, and let go."""
        x, y = self.value(
            f"(() => {{ const b = {expression}.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind, at in (
            ("mousePressed", (x, y)),
            ("mouseMoved", (x + dx, y + dy)),
            ("mouseReleased", (x + dx, y + dy)),
        ):
            how = {"type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1}
            self.call("Input.dispatchMouseEvent", how)

    def picture(self, out: Path, whole: bool = True) -> Path:
        """Picture of the page."""
        found = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        out.write_bytes(base64.b64decode(found["data"]))
        return out


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """Page of a browser that ends with the context."""
    assert BROWSER is not None
    to_read, to_write = os.pipe(), os.pipe()  # the browser reads commands at 3 and answers at 4
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:

        def places() -> None:
            ends = os.dup(to_read[0]), os.dup(to_write[1])
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        process = subprocess.Popen(
            [BROWSER, *FLAGS, f"--user-data-dir={folder}"],
            preexec_fn=places,  # noqa: PLW1509  (nothing else runs here)
            close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read[0])
        os.close(to_write[1])
        try:
            yield Page(to_write[0], to_read[1])
        finally:
            process.kill()
            process.wait()
            os.close(to_read[1])
            os.close(to_write[0])
