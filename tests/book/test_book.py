"""The book's sources fit together, and the site built from them stands on its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pybtex.database
import pytest
from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
SOURCES = [
    path
    for folder in (BOOK, ROOT / "notebooks")
    for path in sorted([*folder.rglob("*.md"), *folder.rglob("*.ipynb")])
    if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
]

# Attributes by which a tag makes the browser fetch something.
LOADS = {
    "script": ("src",), "link": ("href",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",),
    "video": ("src", "poster"), "audio": ("src",), "embed": ("src",), "object": ("data",), "track": ("src",),
}  # fmt: skip
REMOTE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
REMOTE_STYLE = re.compile(r"""(?:@import\s+(?:url\()?|url\()\s*["']?(?:https?:)?//[^\s"')]+""", re.IGNORECASE)


@cache
def parse(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(page: Path) -> set[str | None]:
    return {attribute(tag, key) for key in ("id", "name") for tag in parse(page).select(f"[{key}]")}


def attribute(tag: Tag, name: str) -> str | None:
    value = tag.get(name)
    return " ".join(value) if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["_config.yml", "_toc.yml"])
def test_configuration_is_one_file(name: str) -> None:
    assert (BOOK / name).is_symlink()
    assert os.path.samefile(BOOK / name, ROOT / name)


def test_contents_and_pages_agree() -> None:
    contents = set(parse_toc_yaml(BOOK / "_toc.yml"))
    pages = {path.relative_to(BOOK).with_suffix("").as_posix() for path in SOURCES if path.is_relative_to(BOOK)}
    assert contents == pages


def test_every_cited_key_is_in_the_bibliography() -> None:
    keys = set(re.findall(r"^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    cited = {
        (path.relative_to(ROOT).as_posix(), key.strip())
        for path in SOURCES
        for keys_cited in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text(encoding="utf-8"))
        for key in keys_cited.split(",")
    }
    assert {key for _, key in cited}, "nothing is cited"
    assert not {(path, key) for path, key in cited if key not in keys}


def test_no_two_works_are_cited_by_one_name() -> None:
    entries = pybtex.database.parse_file(BOOK / "references.bib").entries.values()
    cited = Counter()
    for entry in entries:
        people = [str(person) for person in entry.persons.get("author", [])]
        last = [person.partition(",")[0] for person in people]
        cited[" and ".join(last) if len(last) < 3 else f"{last[0]} et al.", entry.fields.get("year")] += 1
    assert [work for work, n in cited.items() if n > 1 and work[0]] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".ipynb"], ids=lambda path: path.stem)
def test_notebook_holds_no_error(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, without a warning. Built elsewhere, so that it can't lean on an earlier build."""
    out = tmp_path_factory.mktemp("book")
    options = ["-W", "-n", "--keep-going", "--path-output", str(out)]
    program = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run([program, "build", *options, BOOK], capture_output=True, text=True)
    warnings = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line]
    assert done.returncode == 0, "\n".join(warnings) or done.stderr[-2000:]
    return out / "_build" / "html"


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, BeautifulSoup]:
    """Each page of the site by its path."""
    found = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.relative_to(site).parts]
    return {path.relative_to(site).as_posix(): parse(path) for path in found}


def test_every_source_has_its_page(pages: dict[str, BeautifulSoup]) -> None:
    assert {f"{name}.html" for name in parse_toc_yaml(BOOK / "_toc.yml")} <= set(pages)
    assert "index.html" in pages


def remote_loads(name: str, page: BeautifulSoup) -> Iterator[str]:
    for tag in page.find_all(list(LOADS)):
        for key in LOADS[tag.name]:
            if REMOTE.search(attribute(tag, key) or ""):
                yield f"{name}: <{tag.name} {key}={attribute(tag, key)}>"
    for tag in page.find_all("script"):
        if re.search(r"https?://", tag.string or ""):
            yield f"{name}: inline script {(tag.string or '')[:80]!r}"
    for tag in [*page.find_all("style"), *page.find_all(style=True)]:
        if match := REMOTE_STYLE.search((tag.string or "") + (attribute(tag, "style") or "")):
            yield f"{name}: {match[0]}"


def test_no_page_loads_from_another_host(site: Path, pages: dict[str, BeautifulSoup]) -> None:
    found = [load for name, page in pages.items() for load in remote_loads(name, page)]
    for style in site.rglob("*.css"):
        for match in REMOTE_STYLE.finditer(style.read_text(encoding="utf-8")):
            found.append(f"{style.relative_to(site)}: {match[0]}")
    assert not found


def broken_links(site: Path, name: str, page: BeautifulSoup) -> Iterator[str]:
    for tag in page.find_all(["a", *LOADS]):
        for key in LOADS.get(tag.name, ("href",)):
            url = urlsplit(attribute(tag, key) or "")
            if url.scheme or url.netloc or key == "srcset":
                continue
            target = ((site / name).parent / unquote(url.path)).resolve() if url.path else site / name
            if not target.is_file():
                yield f"{name}: {url.geturl()} is no file"
            elif target.name == "explore.html" and "=" in url.fragment:  # choices, which tests/book/test_explore.py has
                continue
            elif url.fragment and target.suffix == ".html" and unquote(url.fragment) not in anchors(target):
                yield f"{name}: {url.geturl()} has no such anchor"


def test_every_local_link_and_anchor_resolves(site: Path, pages: dict[str, BeautifulSoup]) -> None:
    assert not [link for name, page in pages.items() for link in broken_links(site, name, page)]


def test_every_image_says_what_it_shows(pages: dict[str, BeautifulSoup]) -> None:
    # Sphinx puts an image's path where no alternative text is given.
    for name, page in pages.items():
        for image in page.find_all("img"):
            alt = (attribute(image, "alt") or "").strip()
            assert alt, f"{name}: {image}"
            assert not re.search(r"\.(png|svg|jpe?g|gif|webp)$", alt), f"{name}: {image}"


def test_every_figure_and_table_with_a_caption_is_numbered(pages: dict[str, BeautifulSoup]) -> None:
    for name, page in pages.items():
        for caption in page.select("figcaption, table > caption"):
            assert caption.select_one(".caption-number"), f"{name}: {caption.get_text()[:80]}"


def test_formulae_are_set_by_a_script_of_the_site(site: Path, pages: dict[str, BeautifulSoup]) -> None:
    with_formulae = {name: page for name, page in pages.items() if page.select_one(".math")}
    assert "notation.html" in with_formulae
    for name, page in with_formulae.items():
        scripts = [urlsplit(attribute(tag, "src") or "").path for tag in page.find_all("script")]
        mathjax = [(site / name).parent / source for source in scripts if "mathjax" in source]
        assert len(mathjax) == 1, name
        assert mathjax[0].is_file(), name
        assert list((mathjax[0].parent / "output" / "chtml" / "fonts").rglob("*.woff")), name


def test_every_formula_is_where_mathjax_looks_for_it(pages: dict[str, BeautifulSoup]) -> None:
    for name, page in pages.items():
        for formula in page.select(".math"):
            assert re.fullmatch(r"\s*(\\\(.+\\\)|\\\[.+\\\])\s*", formula.get_text(), re.DOTALL), f"{name}: {formula}"
        elsewhere = page.find_all(string=re.compile(r"\\[(\[]|\$\S[^$]*\$"))
        assert not [text for text in elsewhere if not text.find_parent(["pre", "code", "script", "style"])
                    and not text.find_parent(class_="math")], name  # fmt: skip


def test_every_page_has_a_title_and_one_heading_of_the_first_rank(pages: dict[str, BeautifulSoup]) -> None:
    for name, page in pages.items():
        assert page.title is not None, name
        assert page.title.get_text(strip=True), name
        # The theme repeats the title in a part that is printed only.
        headings = [h for h in page.find_all("h1") if not h.find_parent(id="jb-print-docs-body")]
        assert len(headings) == 1, name


def test_every_image_of_a_chapter_is_a_numbered_figure(pages: dict[str, BeautifulSoup]) -> None:
    images = [(name, image) for name, page in pages.items() for image in page.select("article img")]
    assert images
    for name, image in images:
        figure = image.find_parent("figure")
        assert figure is not None, f"{name}: {image}"
        assert figure.select_one("figcaption .caption-number + .caption-text"), f"{name}: {image}"


def test_no_page_weighs_more_than_3_megabytes_with_what_its_tags_load(
    site: Path, pages: dict[str, BeautifulSoup]
) -> None:
    for name, page in pages.items():
        tags = page.select("script[src], img[src], link[rel=stylesheet], link[rel=icon]")
        addresses = [urlsplit(attribute(tag, "src") or attribute(tag, "href") or "").path for tag in tags]
        loaded = {site / name, *(((site / name).parent / unquote(address)).resolve() for address in addresses)}
        assert sum(file.stat().st_size for file in loaded) < 3e6, name


def test_nothing_is_left_unrendered(pages: dict[str, BeautifulSoup]) -> None:
    for name, page in pages.items():
        text = " ".join(
            str(part) for part in page.find_all(string=True) if not part.find_parent(["pre", "code", "script"])
        )
        assert not re.search(r"\{(glue|cite|numref|ref|eq|doc|math)(:\w+)?\}|(?m:^:::)", text), name
        assert "Traceback (most recent call last)" not in page.get_text(), name
        assert not page.select(".output.traceback, .output.stderr, .system-message, .problematic"), name


def test_no_line_of_text_begins_with_a_percent_sign():
    """MyST reads such a line as a comment, and leaves it out."""
    pages = [path.read_text() for path in sorted((ROOT / "book").glob("*.md"))]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        pages += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert [line for page in pages for line in page.splitlines() if line.lstrip().startswith("%")] == []
