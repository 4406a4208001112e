"""Chromium without a window and without a network, by the DevTools protocol over a pipe.

Little is asked of it, so nothing has to be installed beside the browser itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--no-first-run", "--remote-debugging-pipe",
    # Nobody listens there, so that whatever leaves is refused, this machine's own addresses among it.
    "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
)  # fmt: skip
PATIENCE = 300  # seconds, after which a browser that hangs is ended


class Page:
    """One page of the browser; ``events`` are those since it was opened, each its method and parameters."""

    def __init__(self, browser: subprocess.Popen[bytes]) -> None:
        self._browser = browser
        self._session: dict[str, str] = {}
        self._rest = b""
        self._asked = 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", **target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _next(self) -> dict[str, Any]:
        assert self._browser.stdout is not None
        while b"\0" not in self._rest:
            more = os.read(self._browser.stdout.fileno(), 1 << 20)
            if not more:
                raise RuntimeError(f"Chromium ended by itself, or hung for {PATIENCE} seconds.")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if "method" in found:
            self.events.append((found["method"], found["params"]))
        return found

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        assert self._browser.stdin is not None
        self._asked += 1
        asked = {"id": self._asked, "method": method, "params": parameters, **self._session}
        self._browser.stdin.write(json.dumps(asked).encode() + b"\0")
        self._browser.stdin.flush()
        while (answer := self._next()).get("id") != self._asked:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str) -> None:
        """Go there, and wait until all is loaded and its formulae are set."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._next()
        self.evaluate("window.MathJax?.startup?.promise.then(() => document.fonts.ready).then(() => null)")

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page, or of its promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def apply(self, function: str, argument: Any = None) -> Any:
        """The value of a function of JavaScript, given what JSON can hold."""
        return self.evaluate(f"({function})({json.dumps(argument)})")


@contextmanager
def chromium() -> Iterator[Page]:
    """An empty page in a browser of its own, which is gone afterwards."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit("There is no Chromium here; install it (on Debian and Ubuntu: apt-get install chromium).")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol is read from file descriptor 3 and written to 4.
        command = ["sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 >&2', program, *OPTIONS, f"--user-data-dir={profile}"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as browser:
            watchdog = threading.Timer(PATIENCE, browser.kill)
            watchdog.start()
            try:
                page = Page(browser)
                yield page
                page.call("Browser.close")
            finally:
                watchdog.cancel()
                browser.kill()
