"""Names of classes and files with markup in them, in the browser: they are text on its pages, and no script runs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chromium import Page, chromium

from labelnoise.book import explore
from labelnoise.own._page import page as report_page
from labelnoise.own._page import pictures_of
from labelnoise.own._samples import read_samples
from labelnoise.own.estimate import DEFAULT, estimate_of
from labelnoise.own.images import OwnSet

NAMES = (
    "</script><script>ran = 1</script>",
    "\"><img src=x onerror='ran = 2'>",
    '\'></td></style></title><svg onload="ran = 3">',
)
FILE = "<img src=x onerror='ran = 4'>.csv"
SEEN = """new Promise(done => setTimeout(done, 100)).then(() => ({
  ran: window.ran ?? null,
  handlers: [...document.querySelectorAll("*")].flatMap(each => each.getAttributeNames())
    .filter(name => name.startsWith("on")),
  images: [...document.images].map(each => each.src).filter(source => !source.startsWith("data:")),
  texts: [...document.querySelectorAll("th, td, p, option, figcaption, li")].map(each => each.textContent.trim()),
  alternatives: [...document.images].map(each => each.alt),
  labels: [...document.querySelectorAll("svg[aria-label]")].map(each => each.getAttribute("aria-label")),
}))"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as found:
        yield found


def problems(page: Page, html: str, path: Path, *shown: str) -> Iterator[str]:
    """What names did to a page, and those of what it is to show that it does not have as a whole text."""
    path.write_text(html)
    page.open(path.as_uri())
    seen = page.evaluate(SEEN)
    if seen["ran"] is not None:
        yield f"script {seen['ran']} ran"
    yield from (f"handler: {name}" for name in seen["handlers"])
    yield from (f"image: {source}" for source in seen["images"])
    texts = {*seen["texts"], *seen["alternatives"], *seen["labels"]}
    yield from (f"not shown: {text}" for text in shown if not any(text in each for each in texts))
    yield from (f"exception: {each}" for method, each in page.events if method == "Runtime.exceptionThrown")


@pytest.fixture
def report(tmp_path: Path) -> str:
    """The page of a report on labels in a file, with pictures as training adds them."""
    labels = np.arange(60) % 3
    with (tmp_path / FILE).open("w", newline="") as file:
        csv.writer(file).writerows([["label"], *([NAMES[label]] for label in labels)])
    probs = 0.05 + 0.85 * np.eye(3)[np.where(np.arange(60) < 4, (labels + 1) % 3, labels)]
    pd.DataFrame(probs, columns=list(NAMES)).to_csv(tmp_path / "probs.csv", index=False)
    samples = read_samples(tmp_path / FILE, tmp_path / "probs.csv")
    made = estimate_of(samples, DEFAULT, 0.5)
    own = OwnSet(np.zeros((60, 1, 2, 2), np.uint8), samples.noisy_labels, samples.class_names, (FILE,) * 60)
    return report_page(made, None, pictures_of(own, made.suggestions)).decode()


@pytest.fixture
def explored() -> str:
    """The page to explore, with a name in each place that has one."""
    arm = {"seeds": [0], "curves": [[50, 60]]}
    last = {"accuracy": [60, None], "plain": [60, None]}
    plain = arm | {"best": last, "last": last}
    gained = last | {"gain": [0, None, None]}
    estimate = {"mean": np.eye(3).tolist(), "truth": np.eye(3).tolist(), "n": 1, "error": 0.1}
    first, second, third = NAMES
    cell = {"dataset": first, "kind": second, "rate": "0.2", "model": third, "title": second, "ceiling": None}
    methods = {"cross-entropy": plain, third: arm | {"best": gained, "last": gained}}
    cells = [cell | {"methods": methods, "estimators": {"oracle": estimate, first: estimate}}]
    start = {"dataset": first, "kind": second, "rate": "0.2", "model": third, "method": third, "estimator": first}
    choices = {field: [(value, value)] for field, value in start.items()}
    shown = {"choices": choices, "classes": {first: NAMES}, "start": start, "cells": cells}
    return f"<!doctype html><title>A page</title>{explore.page(shown)}"


def test_in_a_report_they_are_text(page: Page, report: str, tmp_path: Path) -> None:
    captions = [f"{FILE}: {NAMES[0]}, rather {NAMES[1]}", f"{FILE}: {NAMES[1]}, rather {NAMES[2]}"]
    assert list(problems(page, report, tmp_path / "report.html", *NAMES, FILE, *captions)) == []


def test_on_the_page_to_explore_they_are_text(page: Page, explored: str, tmp_path: Path) -> None:
    label = f"Accuracy on clean test labels in percent over epochs, cross-entropy and {NAMES[2]}; "
    assert list(problems(page, explored, tmp_path / "explore.html", *NAMES, label)) == []


def test_a_page_that_reads_them_as_markup_is_found(page: Page, report: str, explored: str, tmp_path: Path) -> None:
    found = list(problems(page, unescape(report), tmp_path / "report.html", NAMES[1]))
    assert {"handler: onerror", "handler: onload", f"not shown: {NAMES[1]}"} <= set(found)
    raw = re.sub(r"\\u00(26|27|3c|3e)", lambda code: chr(int(code[1], 16)), explored)  # as if JSON were not escaped
    ended = list(problems(page, raw, tmp_path / "explore.html"))
    assert all(any(each.endswith(" ran") for each in told) for told in (found, ended))
