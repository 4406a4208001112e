"""What a report says of a T, and that no name of a class or file can do anything to its page or to a terminal."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelnoise.names import named
from labelnoise.own import _page
from labelnoise.own._page import page, pictures_of
from labelnoise.own._terminal import as_text, lines
from labelnoise.own.images import OwnSet
from labelnoise.own.report import Report, advice, at_least_counted, headline
from labelnoise.statistics import Interval, interval
from labelnoise.transitions import symmetric

NAMES = ("cat", "dog", "owl")
RIGHT = pd.DataFrame({"row": [0], "label": ["cat"], "suggestion": ["cat"], "p_wrong": [0.0], "times": [0.1]})


def report_of(matrix, counts, names=NAMES, gain=None):
    return Report("", names, counts, at_least_counted(matrix, np.zeros_like(matrix), counts), (), RIGHT, gain)


def test_advice_names_the_classes_in_which_another_label_is_as_frequent():
    counts = np.array([10, 10, 10])
    for matrix, expected in ((np.eye(3), ()), (np.roll(np.eye(3), 1, axis=1), NAMES), (named("paper-0.5", 3), ())):
        said = " ".join(advice(report_of(matrix, counts)))
        assert tuple(name for name in NAMES if name in said) == expected


def test_the_headline_has_the_classes_of_least_and_most_noise_and_the_first_confusion():
    matrix = np.array([[0.9, 0.05, 0.05], [0.25, 0.7, 0.05], [0.1, 0.1, 0.8]])
    said = headline(report_of(matrix, np.array([10_000] * 3)))
    assert (
        said.index("10.0 % of class cat") < said.index("30.0 % of class dog") < said.index("dog labelled cat, 25.0 %")
    )
    assert "owl" not in said


def said_of(matrix, counts, gain=None):
    return advice(report_of(matrix, counts, gain=gain))[-1]


@given(st.floats(0, 0.6), st.integers(10, 10**6))
def test_advice_divides_by_what_a_point_is_worth_and_names_the_gain_that_the_labels_can_tell(rate, n):
    matrix, held_out = symmetric(3, rate), round(0.2 * 3 * n)
    said = said_of(matrix, np.array([n] * 3))
    assert f"hold {held_out:,} of the samples out" in said
    divisor = float(re.search(r"divided by ([\d.]+),", said)[1])
    assert divisor == pytest.approx(matrix[0, 0] - matrix[0, 1], abs=0.0051)
    # Classifiers disagree on a tenth of the labels; the half-width of a 95 % interval is 1.96 standard errors.
    points = 100 * 1.96 * (0.1 / held_out) ** 0.5 / (matrix[0, 0] - matrix[0, 1])
    assert (f"a gain of {points:.1f} points or more" if points < 100 else "no gain can be told from chance") in said


@pytest.mark.parametrize("matrix", [symmetric(3, 2 / 3), np.roll(np.eye(3), 1, axis=1)], ids=str)
def test_advice_does_not_send_to_labels_that_can_not_rank(matrix):
    for gain in (None, interval([0.1, 0.2])):
        said = said_of(matrix, np.array([100] * 3), gain)
        assert "noisy labels can't rank classifiers" in said
        assert "hold" not in said


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.01, 0.03, "a gain"), (-0.03, -0.01, "a loss"), (-0.1, 0.2, "within chance")]
)
def test_a_gain_that_was_seen_is_said_with_its_interval_and_verdict(low, high, word):
    said = said_of(symmetric(3, 0.2), np.array([100] * 3), Interval((low + high) / 2, low, high, 1.0, 60))
    assert said.endswith(f"({100 * low:+.1f} to {100 * high:+.1f}, n = 60): {word}.")


# Pages.

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }} & 'owl' \x1b[2J")


class Parsed(HTMLParser):
    """The tags of a page with what they have, and its texts."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(content.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def decoded(address):
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))))


def test_hostile_names_are_shown_as_they_are_and_do_nothing():
    matrix, counts = np.array([[0.9, 0.1, 0], [0.3, 0.7, 0], [0, 0, 1]]), np.array([10_000] * 3)
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 1, 2, 2)
    own = OwnSet(images, np.arange(3), HOSTILE, HOSTILE)
    ranked = pd.DataFrame({"row": [1, 0], "label": [HOSTILE[1], HOSTILE[0]], "suggestion": [HOSTILE[2], HOSTILE[1]]})
    report = report_of(matrix, counts, HOSTILE)
    parsed = Parsed(page(report, None, pictures_of(own, ranked)))
    assert {tag for tag, _ in parsed.tags} == {
        "html", "meta", "title", "style", "h1", "h2", "p", "div", "table", "tr", "th", "td", "small", "figure", "img",
        "figcaption",
    }  # fmt: skip
    shown = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert [set(each) for each in shown] == [{"alt", "src"}] * 2
    captions = [f"{HOSTILE[1]}: {HOSTILE[1]}, rather {HOSTILE[2]}", f"{HOSTILE[0]}: {HOSTILE[0]}, rather {HOSTILE[1]}"]
    assert [each["alt"] for each in shown] == captions
    assert all(caption in parsed.texts for caption in captions)
    for each, row in zip(shown, ranked["row"], strict=True):
        np.testing.assert_array_equal(decoded(each["src"]), images[row, 0])
    assert all(parsed.texts.count(name) >= 5 for name in HOSTILE)  # rows and columns of two matrices, and the classes


def test_no_name_steers_a_terminal():
    said = as_text(report_of(np.eye(3), np.array([100] * 3), HOSTILE))
    assert all(letter.isprintable() or letter == "\n" for letter in said)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "x\ry", "\x9b2J"])
def test_no_name_in_a_sentence_steers_a_terminal(name):
    said = lines([f"The classes in their order are {name}.", "x" * 300])
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert said.startswith("The classes in their order are ")


def test_a_page_has_every_entry_of_a_few_classes_and_of_many_an_image():
    few = Parsed(page(report_of(symmetric(30, 0.29), np.array([100] * 30), tuple(map(str, range(30))))))
    assert (few.texts.count("71.0"), few.texts.count("1.0")) == (30, 2 * 30 * 29)
    assert "img" not in dict(few.tags)
    names = tuple(map(str, range(31)))
    matrix = np.eye(31) * 0.6 + np.roll(np.eye(31), 1, axis=1) * 0.4
    many = Parsed(page(report_of(matrix, np.array([100] * 31), names)))
    whole, flips = (decoded(attributes["src"]) for tag, attributes in many.tags if tag == "img")
    assert whole.shape == flips.shape == (31, 31, 3)
    dark, yellow = [68, 1, 84], [253, 231, 37]
    np.testing.assert_array_equal((whole == yellow).all(axis=2), matrix == 0.6)
    np.testing.assert_array_equal((flips == yellow).all(axis=2), matrix == 0.4)
    np.testing.assert_array_equal((flips == dark).all(axis=2), matrix != 0.4)


def test_a_table_of_many_rows_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(_page, "LISTED_ROWS", 10)
    parsed = Parsed(page(report_of(symmetric(31, 0.1), np.array([100] * 31), tuple(map(str, range(31))))))
    assert "The first 10 of 31 rows." in parsed.texts
    assert sum(tag == "tr" for tag, _ in parsed.tags) == 11
