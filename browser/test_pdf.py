"""A small book on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pdf import main

CHAPTER = "<section><h2>{}</h2><table><tr><th>head</th></tr><tr><td>{}</td></tr></table></section>"


@pytest.fixture
def print_book(tmp_path: Path) -> Callable[..., bytes]:
    def make(*chapters: str) -> bytes:
        body = f"<section><h1>Front</h1><div class='toctree-wrapper'>{''.join(chapters)}</div></section>"
        (tmp_path / "index.html").write_text(
            f"<!doctype html><style>td {{ white-space: nowrap }}</style><article>{body}</article>"
        )
        main(str(tmp_path), str(tmp_path / "book.pdf"))
        return (tmp_path / "book.pdf").read_bytes()

    return make


def titles(printed: bytes) -> list[str]:
    return [title.decode("latin-1") for title in re.findall(rb"/Title \(([^)]*)\)", printed)]


def test_cover_front_page_and_chapters_begin_a_page_and_are_bookmarks(print_book: Callable[..., bytes]) -> None:
    printed = print_book(CHAPTER.format("One", "x"), CHAPTER.format("Two", "wide " * 300))
    assert len(re.findall(rb"/Type /Page\b", printed)) == 4
    book, cover, *rest = titles(printed)
    assert book == cover
    assert rest == ["Front", "One", "Two"]


def test_what_is_cut_by_the_edge_of_the_paper_is_an_error(print_book: Callable[..., bytes]) -> None:
    with pytest.raises(SystemExit, match=r"wider than the paper, such as <pre style"):
        print_book("<pre style='width: 1000px'>wide</pre>")
