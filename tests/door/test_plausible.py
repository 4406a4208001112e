"""Input that is wrong without being malformed: what is said of it, or the page that says that it can't be noticed."""

import re
from pathlib import Path

import numpy as np
import pytest

import labelnoise
from labelnoise import InputError, corrupt, pair_flip, symmetric
from labelnoise.own.doubts import flat
from labelnoise.own.images import copies, from_arrays

K, N = 4, 1200
PAGE = (Path(__file__).parents[2] / "book/tried.md").read_text()


def good(matrix=None, seed=0, n=N, k=K):
    """P(noisy | x) by a model that is nearly sure of the class, noisy labels drawn from it, and the clean classes."""
    generator = np.random.default_rng(seed)
    matrix = symmetric(k, 0.2) if matrix is None else matrix
    clean = generator.integers(k, size=n)
    about = 0.9 * np.eye(k)[clean] + 0.1 * generator.dirichlet(np.full(k, 0.3), size=n)
    drawn = (about.cumsum(axis=1) < generator.random((n, 1))).sum(axis=1).clip(0, k - 1)
    return about @ matrix, corrupt(drawn, matrix, generator), drawn


def normed(rows):
    return rows / rows.sum(axis=1, keepdims=True)


def softmax(rows):
    return normed(np.exp(rows - rows.max(axis=1, keepdims=True)))


PROBS, LABELS, CLEAN = good()
HOT = np.eye(K)
GENERATOR = np.random.default_rng(5)
SHUFFLED = GENERATOR.permutation(N)
SOME = GENERATOR.random(N)
PAIRED = good(pair_flip(K, 0.3))
UNEVEN = np.array([[0.9, 0.1, 0, 0], [0.3, 0.6, 0.1, 0], [0, 0, 0.95, 0.05], [0.2, 0, 0, 0.8]])


def mixed(share):
    """The probabilities of a network that knows a share of the labels by heart."""
    return np.where((share > SOME)[:, None], 0.02 * PROBS + 0.98 * HOT[LABELS], PROBS)


def changed(column, values):
    probs = PROBS.copy()
    probs[:, column] = values
    return normed(probs)


def by_sample():
    generator = np.random.default_rng(1)
    half = generator.random(4 * N) < 0.5
    clean = generator.integers(K, size=4 * N)
    matrices = np.where(half[:, None, None], symmetric(K, 0.5), symmetric(K, 0.02))
    probs = matrices[np.arange(4 * N), clean]
    return probs, (probs.cumsum(axis=1) < generator.random((4 * N, 1))).sum(axis=1), half, clean


BY_SAMPLE = by_sample()
PICTURES = np.random.default_rng(3).integers(0, 256, size=(80, 8, 8), dtype=np.uint8)
KINDS = np.arange(80) % K
TESTS, TEST_KINDS = np.random.default_rng(4).integers(0, 256, size=(40, 8, 8), dtype=np.uint8), np.arange(40) % K


def images(pixels=PICTURES, labels=KINDS, tests=TESTS, test_labels=TEST_KINDS):
    own = from_arrays(pixels, labels, tests, test_labels)
    return [*copies(own), *own.decisions]


def estimated(probs, labels):
    report = labelnoise.estimate(probs, labels).report
    return [*report.warnings, *report.decisions]


ORDER, SURER, SHARES = "fit the labels better in another order", "too sure of itself", "trained for other shares"
HEART, HARD = "the class of the largest probability", "a 1 and zeros"
COPY, TEST_COPY = "are copies of an earlier one", "test images are among the training images"

# By what is wrong: who is asked, what is given, and a part of what is said; below, how the page's line on it begins.
NOTICED = {
    "two columns exchanged": (estimated, PROBS[:, [0, 2, 1, 3]], LABELS, ORDER),
    "columns in a cycle": (estimated, PROBS[:, [1, 2, 3, 0]], LABELS, ORDER),
    "columns in reverse": (estimated, PROBS[:, ::-1], LABELS, ORDER),
    "columns in the order of another set": (estimated, PROBS[:, [3, 0, 2, 1]], LABELS, ORDER),
    "labels that count from one, wrapped around": (estimated, PROBS, (LABELS + 1) % K, ORDER),
    "two labels exchanged": (estimated, PROBS, np.array([1, 0, 2, 3])[LABELS], ORDER),
    "labels one row off": (estimated, PROBS, np.roll(LABELS, 1), SURER),
    "probabilities one row off": (estimated, np.roll(PROBS, 1, axis=0), LABELS, SURER),
    "labels in reverse": (estimated, PROBS, LABELS[::-1], SURER),
    "a file of labels that was sorted": (estimated, PROBS, np.sort(LABELS), SURER),
    "a CSV sorted by another column": (estimated, PROBS, LABELS[SHUFFLED], SURER),
    "half of the rows shuffled": (estimated, PROBS, np.r_[LABELS[: N // 2], LABELS[N // 2 :][::-1]], SURER),
    "all labels learned by heart": (estimated, mixed(1), LABELS, HEART),
    "nearly all labels learned by heart": (estimated, mixed(0.99), LABELS, HEART),
    "predictions as labels": (estimated, PROBS, PROBS.argmax(axis=1), HEART),
    "predictions as probabilities": (estimated, HOT[PROBS.argmax(axis=1)], LABELS, HARD),
    "labels as probabilities": (estimated, HOT[LABELS], LABELS, HARD),
    "probabilities that were sharpened": (estimated, normed(PROBS**2), LABELS, SURER),
    "P(clean | x) in place of P(noisy | x)": (estimated, PROBS @ np.linalg.inv(symmetric(K, 0.2)), LABELS, SURER),
    "a model of another noise rate": (estimated, good(symmetric(K, 0.05))[0], LABELS, SURER),
    "balanced weights": (estimated, normed(PROBS * [4, 1, 1, 1]), LABELS, SHARES),
    "a column that is the same everywhere": (estimated, changed(1, 0.0), LABELS, "is the same in all"),
    "two columns that are the same everywhere": (
        estimated, np.column_stack([PROBS[:, :2] / 2, np.full((N, 2), 0.25)]) / np.c_[
            PROBS[:, :2].sum(axis=1) / 2 + 0.5], LABELS, SHARES,
    ),
    "one probability for all samples": (estimated, np.full((N, K), 1 / K), LABELS, "is the same in all"),
    "the shares of the labels as every row": (
        estimated, np.tile(np.bincount(LABELS) / N, (N, 1)), LABELS, "is the same in all"
    ),
    "a class that no label bears": (
        estimated, PROBS, np.where(LABELS == 3, 0, LABELS), "Classes that no label bears are left out: 3"
    ),
    "two classes joined in the labels": (
        estimated, PROBS, np.where(LABELS == 2, 1, LABELS), "Classes that no label bears are left out: 2"
    ),
    "a class of which nearly all were lost": (
        estimated, *(part[(LABELS != 3) | (LABELS.cumsum() < 60)] for part in (PROBS, LABELS)),
        "Classes with few samples",
    ),
    "percentages": (estimated, PROBS * 100, LABELS, "are percentages and were divided by 100"),
    "rows that sum to nearly 1": (estimated, PROBS * 1.02, LABELS, "each row was divided by its sum"),
    "logits": (estimated, np.log(PROBS), LABELS, "apply a softmax to logits first"),
    "log-probabilities that were negated": (estimated, -np.log(PROBS), LABELS, "rows must be probabilities"),
    "T given with its columns as clean classes": (labelnoise.validate, UNEVEN.T, "pass its transpose"),
    "labels one-hot by the wrong axis": (estimated, PROBS, HOT[LABELS].T, "must hold one label per sample"),
    "probabilities with classes as rows": (estimated, PROBS.T, LABELS, "but pred_probs has 4 rows"),
    "noise that depends on the sample": (estimated, BY_SAMPLE[0], BY_SAMPLE[1], "Noise seems to depend on the sample"),
    "each image twice": (images, np.r_[PICTURES, PICTURES], np.r_[KINDS, KINDS], COPY),
    "each image twice, with other labels": (
        images, np.r_[PICTURES, PICTURES], np.r_[KINDS, (KINDS + 1) % K], "80 of them with another label"
    ),
    "all images the same": (images, np.repeat(PICTURES[:1], 80, axis=0), KINDS, COPY),
    "test images from the training images": (images, PICTURES, KINDS, PICTURES[:40], KINDS[:40], TEST_COPY),
    "a few test images among the training images": (
        images, np.r_[PICTURES[:78], TESTS[:2]], KINDS, TEST_COPY
    ),
    "images that are all blank": (images, np.zeros_like(PICTURES), KINDS, COPY),
    "images from 0 to 1": (images, (PICTURES / 255).astype(np.float32), KINDS, "fractions from 0 to 1"),
    "images from -1 to 1": (images, (PICTURES / 127.5 - 1).astype(np.float32), KINDS, "fractions from -1 to 1"),
    "labels of images that count from one": (images, PICTURES, KINDS + 1, TESTS, TEST_KINDS + 1, "are not 0, 1, ..."),
    "bytes that were divided by 255 as bytes": (images, PICTURES // 255, KINDS, COPY),
}  # fmt: skip
UNNOTICED = {
    "a few labels one row off": (
        estimated, PROBS, np.r_[np.roll(LABELS[:40], 1), LABELS[40:]], "labels that belong to other samples"
    ),
    "T of pair flips transposed in P(noisy | x)": (
        estimated, PAIRED[0] @ np.linalg.inv(pair_flip(K, 0.3)) @ pair_flip(K, 0.3).T, PAIRED[1],
        "a $T$ used the wrong way round",
    ),
    "a symmetric T transposed": (labelnoise.validate, symmetric(K, 0.2).T, "a $T$ used the wrong way round"),
    "a doubly stochastic T transposed": (labelnoise.validate, pair_flip(K, 0.3).T, "a $T$ used the wrong way round"),
    "one label in ten learned by heart": (estimated, mixed(0.1), LABELS, "probabilities of a network that has seen"),
    "test images that were brightened": (
        images, PICTURES, KINDS, PICTURES[:40] // 2 + 90, KINDS[:40], "test images among the training images"
    ),
    "images that were turned": (images, PICTURES.transpose(0, 2, 1), KINDS, "images that are all turned"),
    "images that were mirrored": (images, PICTURES[:, :, ::-1], KINDS, "images that are all turned"),
    "images that were inverted": (images, 255 - PICTURES, KINDS, "images that are all turned"),
    "labels of images one row off": (images, PICTURES, np.roll(KINDS, 1), "labels of images that belong to other"),
    "every sample twice": (
        estimated, np.r_[PROBS, PROBS], np.r_[LABELS, LABELS], "samples that are counted more than once"
    ),
    "probabilities after two softmaxes": (estimated, softmax(PROBS), LABELS, "probabilities that are less sure"),
    "probabilities that were smoothed": (estimated, 0.7 * PROBS + 0.3 / K, LABELS, "probabilities that are less sure"),
    "clean labels in place of noisy ones": (estimated, PROBS, CLEAN, "clean labels given as noisy ones"),
    "names of classes exchanged in both": (
        estimated, PROBS[:, [1, 0, 2, 3]], np.array([1, 0, 2, 3])[LABELS], "names of classes that are exchanged"
    ),
}  # fmt: skip


def said(ask, *given):
    """All that is told of an input, warnings and decisions or the refusal."""
    try:
        found = ask(*given)
    except InputError as error:
        return [str(error)]
    return found if isinstance(found, list) else []


def unnoticed_by_the_page():
    listed = PAGE.partition("## What can't be noticed")[2].partition("\n`labelnoise estimate`")[0]
    return [" ".join(line.split()) for line in re.findall(r"^- ((?:.|\n  )+)", listed, re.M)]


@pytest.mark.parametrize("row", NOTICED.values(), ids=NOTICED)
def test_what_looks_right_is_told_of(row):
    ask, *given, words = row
    assert any(words in each for each in said(ask, *given)), said(ask, *given)


@pytest.mark.parametrize("row", UNNOTICED.values(), ids=UNNOTICED)
def test_the_page_owns_up_to_what_is_not_noticed(row):
    ask, *given, begins = row
    assert any(line.startswith(begins) for line in unnoticed_by_the_page())
    assert all(
        re.match("Labels are whole numbers that count|The labels are 0 to 3", each) for each in said(ask, *given)
    )


def test_each_line_of_the_page_has_an_input_that_shows_it():
    # Noise by what is not in the data has no input: nothing in one would tell it.
    begins = (*tuple(row[-1] for row in UNNOTICED.values()), "noise that depends on something")
    assert [line for line in unnoticed_by_the_page() if not line.startswith(begins)] == []


def test_the_page_has_their_numbers():
    told = re.search(r"Of (\d+) inputs that look right but are wrong, (\d+) are reported", " ".join(PAGE.split()))
    assert told
    assert tuple(map(int, told.groups())) == (len(NOTICED) + len(UNNOTICED), len(NOTICED))
    assert len(NOTICED) + len(UNNOTICED) >= 50


def test_good_sets_are_not_said_to_hold_copies_or_flat_columns():
    for seed in range(20):
        probs, _, _ = good(n=200, seed=seed)
        assert not list(flat(probs, "abcd"))
        generator = np.random.default_rng(seed)
        pixels = generator.integers(0, 4, size=(120, 8, 8), dtype=np.uint8)
        own = from_arrays(pixels[:80], KINDS, pixels[80:], TEST_KINDS)
        assert not list(copies(own))
