"""Headless Chromium for the tests, spoken to over a pair of pipes.

Chromium's DevTools protocol over ``--remote-debugging-pipe``: JSON messages
ended by a zero byte, read by Chromium on file descriptor 3 and written on 4.
No driver, no port and no Python package is needed.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "book/_static"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--no-default-browser-check",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name leads anywhere
    "--remote-debugging-pipe",
)
SETTLED = """(async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await document.fonts.ready;
  await Promise.all([...document.images].map(i => i.decode().catch(() => 0)));
  await new Promise(r => requestAnimationFrame(() => setTimeout(r, 0)));
  return !document.querySelector("meta[http-equiv=Refresh i]");
})()"""


def write(folder: Path, body: str, *, scripts: Sequence[str]) -> Path:
    """A page with `body`, the book's style and scripts of `_static`."""
    loaded = "".join(
        f'<script src="{STATIC / s}.js"></script>' for s in scripts
    )
    file = folder / "page.html"
    file.write_text(
        '<!doctype html><html lang="en" data-theme="light">'
        '<meta charset="utf-8"><title>x</title>'
        f'<link rel="stylesheet" href="{STATIC / "book.css"}">{loaded}'
        '<body><main class="bd-main"><article class="bd-article">'
        f"<h1>x</h1>{body}</article></main>",
        encoding="utf-8",
    )
    return file


class BrowserError(RuntimeError):
    """Chromium died, timed out, or a script on the page failed."""


def find() -> str | None:
    """The path of a Chromium that this module can drive here, or None."""
    if os.name != "posix":  # which hands on file descriptors by number
        return None
    named = os.environ.get("CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)))


class Browser:
    """One Chromium process; a context manager, as are its pages."""

    def __init__(self, executable: str, *, timeout: float = 60.0):
        import fcntl  # POSIX alone; the other tests are collected without

        self.timeout = timeout
        self._count = 0
        self._events: list[dict] = []
        self._tail = b""
        self._home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # clear of 3 and 4, where Chromium wants its ends
        high = [
            fcntl.fcntl(f, fcntl.F_DUPFD, 10) for f in (theirs_in, theirs_out)
        ]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={self._home.name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,  # Python's own are not inheritable
            preexec_fn=place,
            start_new_session=True,
        )
        for f in (theirs_in, theirs_out, *high):
            os.close(f)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (BrowserError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._home.cleanup()

    def page(self, *, width=1280, height=900, dark=False, scale=1) -> "Page":
        """A new tab, `width` pixels wide, which prefers light or dark."""
        return Page(self, width=width, height=height, dark=dark, scale=scale)

    def call(self, method: str, *, session: str | None = None, **params):
        """Send one command and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            try:
                data = data[os.write(self._out, data) :]
            except BrokenPipeError as error:
                raise BrowserError("Chromium is gone") from error
        deadline = time.monotonic() + self.timeout
        while True:
            reply = self._read(deadline, method)
            if reply.get("id") == self._count:
                if "error" in reply:
                    raise BrowserError(f"{method}: {reply['error']}")
                return reply["result"]
            self._events.append(reply)

    def wait(self, session: str, method: str) -> dict:
        """The next event `method` of a tab; earlier ones count."""
        deadline = time.monotonic() + self.timeout
        while True:
            for event in self._events:
                if self._matches(event, session, method):
                    self._events.remove(event)
                    return event["params"]
            self._events.append(self._read(deadline, method))

    def take(self, session: str, method: str) -> list[dict]:
        """All events `method` of a tab so far; they are forgotten."""
        found = [e for e in self._events if self._matches(e, session, method)]
        self._events = [e for e in self._events if e not in found]
        return [e["params"] for e in found]

    @staticmethod
    def _matches(event, session, method):
        return (event.get("sessionId"), event.get("method")) == (
            session,
            method,
        )

    def _read(self, deadline: float, what: str) -> dict:
        while b"\0" not in self._tail:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise BrowserError(f"{what}: no answer in {self.timeout} s")
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise BrowserError(f"{what}: Chromium ended")
            self._tail += chunk
        line, _, self._tail = self._tail.partition(b"\0")
        return json.loads(line)


class Page:
    """A tab of its own browser context: no storage shared with others."""

    def __init__(self, browser, *, width, height, dark, scale):
        self.browser = browser
        self.scale = scale
        self.requests: list[str] = []
        self.complaints: list[str] = []  # failed loads, script errors
        self._asked: dict[str, str] = {}
        context = browser.call("Target.createBrowserContext")
        self._context = context["browserContextId"]
        target = browser.call(
            "Target.createTarget",
            url="about:blank",
            browserContextId=self._context,
        )
        self._session = browser.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.prefer("dark" if dark else "light")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call(
            "Target.disposeBrowserContext", browserContextId=self._context
        )

    def call(self, method: str, **params):
        return self.browser.call(method, session=self._session, **params)

    def resize(self, width: int, height: int = 900):
        """Make the window `width` by `height` CSS pixels."""
        self.width = width
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=self.scale,
            mobile=False,
        )

    def prefer(self, scheme: str, *, media: str = "screen"):
        """Take the reader's preference: 'light' or 'dark'; or print."""
        self.call(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    def open(self, where: str | Path) -> "Page":
        """Load a file or an address; wait for its maths and pictures."""
        url = where.resolve().as_uri() if isinstance(where, Path) else where
        self.call("Page.navigate", url=url)
        self.browser.wait(self._session, "Page.loadEventFired")
        try:
            stays = self.evaluate(SETTLED)
        except BrowserError:  # it has gone on to another already
            stays = False
        if not stays:
            self.browser.wait(self._session, "Page.loadEventFired")
            self.evaluate(SETTLED)
        return self

    def evaluate(self, expression: str):
        """The JSON value of a JavaScript expression; promises awaited."""
        reply = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in reply:
            raise BrowserError(str(reply["exceptionDetails"]))
        self._collect()
        return reply["result"].get("value")

    def until(self, expression: str, *, seconds: float = 15.0):
        """Wait until the expression is true, and return its value.

        The page may be replaced by another one meanwhile.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                if value := self.evaluate(expression):
                    return value
                fault = "still false"
            except BrowserError as error:
                fault = str(error)
            if time.monotonic() > deadline:
                raise BrowserError(f"{fault} in {seconds} s: {expression}")
            time.sleep(0.05)

    def screenshot(self, path: Path, *, full: bool = False):
        """Write a PNG of the window, or of a window as tall as the page."""
        if full:
            tall = self.evaluate("document.documentElement.scrollHeight")
            self.resize(self.width, min(tall, 16000))
            self.evaluate(SETTLED)
        Path(path).write_bytes(self.picture())

    def picture(self) -> bytes:
        """A PNG of the window."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def pdf(self, path: Path):
        """Print the page to a PDF file."""
        self.prefer("light", media="print")
        printed = self.call("Page.printToPDF", printBackground=True)
        Path(path).write_bytes(base64.b64decode(printed["data"]))

    def _collect(self):
        take = self.browser.take
        for event in take(self._session, "Network.requestWillBeSent"):
            self.requests.append(event["request"]["url"])
            self._asked[event["requestId"]] = event["request"]["url"]
        for event in take(self._session, "Network.loadingFailed"):
            url = self._asked.get(event["requestId"], "?")
            if not event.get("canceled"):
                self.complaints.append(f"{event['errorText']}: {url}")
        for event in take(self._session, "Runtime.exceptionThrown"):
            details = event["exceptionDetails"]
            self.complaints.append(
                details.get("exception", {}).get("description")
                or details["text"]
            )
