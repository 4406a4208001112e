"""The built site in a browser without a network, on a phone's screen: `make browser`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from chromium import Page, chromium

SITE = Path(__file__).parents[1] / "book" / "_build" / "html"
PAGES = [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.relative_to(SITE).parts]
PHONE = {"width": 375, "height": 812, "deviceScaleFactor": 1, "mobile": True}
HEAVIEST = 3e6  # bytes of a page with all that it loads
SEEN = """({
  width: document.documentElement.scrollWidth,
  headings: [...document.querySelectorAll("h1")].filter(each => each.offsetParent).length,
  raw: [...document.querySelectorAll(".math")]
    .filter(each => !each.querySelector("mjx-container") || each.querySelector("mjx-merror, [data-mjx-error]"))
    .map(each => each.textContent),
  blank: [...document.images].filter(each => each.complete && !each.naturalWidth).map(each => each.src),
})"""


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    with chromium() as found:
        found.call("Emulation.setDeviceMetricsOverride", **PHONE)
        yield found


def of(page: Page, *methods: str) -> list[dict[str, Any]]:
    return [parameters for method, parameters in page.events if method in methods]


def problems(page: Page, path: Path) -> Iterator[str]:
    """What a reader without a network would find wrong with a page."""
    page.open(path.as_uri())
    seen = page.evaluate(SEEN)
    requested = {each["request"]["url"] for each in of(page, "Network.requestWillBeSent")}
    yield from (f"request to {url}" for url in requested if urlsplit(url).scheme not in ("file", "data"))
    yield from (f"not loaded: {each['errorText']}" for each in of(page, "Network.loadingFailed"))
    yield from (f"exception: {each['exceptionDetails']['text']}" for each in of(page, "Runtime.exceptionThrown"))
    entries = [each["entry"] for each in of(page, "Log.entryAdded")]
    yield from (f"console: {each['text']}" for each in entries if each["level"] == "error")
    calls = of(page, "Runtime.consoleAPICalled")
    yield from (f"console: {each['args']}" for each in calls if each["type"] in ("error", "assert"))
    yield from (f"formula not set: {text}" for text in seen["raw"])
    yield from (f"image not shown: {address}" for address in seen["blank"])
    if seen["width"] > PHONE["width"]:
        yield f"{seen['width']} pixels wide"
    if seen["headings"] != 1:
        yield f"{seen['headings']} titles to be seen"
    files = [Path(unquote(urlsplit(url).path)) for url in requested if url.startswith("file:")]
    if (weight := sum(file.stat().st_size for file in files if file.is_file())) > HEAVIEST:
        yield f"{weight / 1e6:.2f} MB"


def test_the_site_is_built() -> None:
    assert SITE / "index.html" in PAGES, "build it first: make book"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(SITE).as_posix())
def test_a_page_needs_no_network_and_fits_a_phone(page: Page, path: Path) -> None:
    assert list(problems(page, path)) == []


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("", ""),
        ("<script src='https://example.org/x.js'></script>", "request to https://example.org/x.js"),
        ("<script>fetch('http://127.0.0.1:9/x')</script>", "request to http://127.0.0.1:9/x"),
        ("<script>undefined.x</script>", "exception: Uncaught"),
        ("<script>console.error('oh')</script>", "console: "),
        ("<span class='math'>\\(x\\)</span>", "formula not set: \\(x\\)"),
        ("<img src='none.png'>", "image not shown: "),
        ("<div style='width: 400px'>wide</div>", "pixels wide"),
        ("<h1>Another</h1>", "2 titles to be seen"),
        (f"<!-- {'x' * int(HEAVIEST)} -->", "3.00 MB"),
    ],
    ids=lambda value: value[:30],
)
def test_a_fault_is_found(page: Page, tmp_path: Path, fault: str, found: str) -> None:
    path = tmp_path / "page.html"
    style = "<style>body { margin: 0 }</style><meta name='viewport' content='width=device-width'>"
    path.write_text(f"<!doctype html><title>A page</title>{style}<h1>Title</h1>{fault}")
    told = list(problems(page, path))
    assert any(found in each for each in told) if found else told == []
