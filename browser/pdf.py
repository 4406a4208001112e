"""The whole book as one PDF, from the site built as a single page: `make pdf`."""

from __future__ import annotations

import sys
from base64 import b64decode
from pathlib import Path

import yaml
from chromium import chromium

ROOT = Path(__file__).parents[1]
WIDTH = 657  # pixels between the margins of print.css on A4

# The page's own chapters stand below its front page's heading: all come up by one, so that each is a bookmark.
REARRANGE = """([style, title, version, authors, date]) => {
  const article = document.querySelector("article"), cover = document.createElement("div");
  cover.className = "cover";
  for (const [name, text] of [["h1", title], ["p", authors], ["p", `Version ${version}, ${date}`]])
    cover.appendChild(document.createElement(name)).textContent = text;
  for (const old of article.querySelectorAll(".toctree-wrapper :is(h2, h3, h4, h5)")) {
    const heading = document.createElement(`h${old.localName[1] - 1}`);
    heading.append(...old.childNodes);
    old.replaceWith(heading);
  }
  document.body.replaceChildren(cover, article);
  document.head.appendChild(document.createElement("style")).textContent = style;
  document.documentElement.dataset.theme = "light";
  document.title = title;
}"""
# A table that is too wide for the paper is made smaller, as it can't be scrolled there.
FIT = """width => {
  const wide = [...document.querySelectorAll("table, mjx-container[display]")].filter(each => each.scrollWidth > width);
  for (const each of wide) each.style.zoom = width / each.scrollWidth;
  return [...document.querySelectorAll("article *")]
    .filter(each => each.getClientRects().length && each.getBoundingClientRect().right > width + 1)
    .map(each => each.outerHTML.slice(0, 80));
}"""


def main(site: str, target: str) -> None:
    """Print ``index.html`` in a folder to a file; fails if something is wider than the paper."""
    about = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    authors = ", ".join(author["name"] for author in about["authors"])
    cover = [about["title"], about["version"], authors, str(about["date-released"])]
    with chromium() as page:
        page.call("Emulation.setEmulatedMedia", media="print")
        page.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=1000, deviceScaleFactor=1, mobile=False)
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.open((Path(site).resolve() / "index.html").as_uri())
        style = (Path(__file__).parent / "print.css").read_text()
        page.apply(REARRANGE, [style, *cover])
        if cut := page.apply(FIT, WIDTH):
            raise SystemExit(f"{len(cut)} things are wider than the paper, such as {cut[0]}")
        printed = page.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True,
                            generateDocumentOutline=True, generateTaggedPDF=True)  # fmt: skip
    Path(target).write_bytes(b64decode(printed["data"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
