"""Sentences for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

WIDTH = 100


def printable(text: str) -> str:
    """A text with nothing in it that could steer a terminal, as a name of a class or a file could."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def lines(sentences: Iterable[str]) -> str:
    """Each sentence in lines of its own."""
    return printable("\n".join(textwrap.fill(sentence, WIDTH) for sentence in sentences))
