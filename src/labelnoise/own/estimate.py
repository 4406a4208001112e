"""``labelnoise estimate``: T from labels and predicted probabilities in files."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelnoise._checks import check_choice
from labelnoise.estimators import ESTIMATORS, RESAMPLES, Estimator, Floats, bootstrap_deviation, wrong_labels
from labelnoise.noise import Labels
from labelnoise.own._outputs import check_folder
from labelnoise.own._samples import Samples, read_samples
from labelnoise.own._terminal import as_text, lines
from labelnoise.own.suggestions import CLEANED, SUGGESTIONS, add_threshold, check_threshold, ranked

if TYPE_CHECKING:
    from labelnoise.own.report import Report

DEFAULT = "confident-learning"  # of those that read no features, the least error and the best coverage in the book
MOST_ROWS = 100_000  # of a resample; more would take long and say no more
# Of the probabilities in all resamples: for thousands of classes there are fewer resamples, but at least so many, which
# know a deviation to a part of 24 %, and these have fewer samples, but at least so many of each class on average.
MOST_PROBS, LEAST_RESAMPLES, LEAST_SAMPLES = 2_000_000_000, 10, 10

DESCRIPTION = """Find the labels that are likely wrong, and estimate T, where T[i, j] = P(label j | clean class i), from
labels and a model's probabilities.

Both files have one row per sample, in the same order, and are CSV, NPY or Parquet; or one table has both. Labels are
the only column, the one named noisy_label or label, or the one that --label-column names. They are matched with columns
by name; columns without names are taken in the sorted order of the labels. Messages count rows from 0, without a
header."""
EXAMPLE = """example, with scikit-learn:
  probs = cross_val_predict(model, x, labels, cv=5, method="predict_proba")
  np.save("probs.npy", probs); np.save("labels.npy", labels)
  labelnoise estimate --labels labels.npy --probs probs.npy --out report/
writes report/report.html, report.json, suggestions.csv (the clearest of the likely wrong labels first) and
labels_cleaned.csv."""

NOTES = (
    "Assumed: each probability comes from a model that was not trained on that sample's label (out-of-sample, as from "
    "cross-validation); labels that were memorised look clean. Flips depend on the class alone, not on the sample.",
    "A suggestion is the likeliest clean class by Bayes' rule from T and the probabilities, after some steps that take "
    "the flips out of these. They are ranked by how many times as likely as the label the likeliest other class is.",
    "The intervals hold what another draw of the samples would change. They don't know the bias of the estimator or "
    "of the model, so they cover the truth less often than they say; see the book's chapter on precision.",
)


def known(estimator: str) -> Estimator:
    """The estimator of a name.

    Raises:
        InputError: there is none.
    """
    return ESTIMATORS[check_choice(estimator, "estimator", ESTIMATORS)]


def estimate(pred_probs: Floats, noisy_labels: Labels, class_names: tuple[str, ...], estimator: str) -> Report:
    """T by an estimator of the book, with intervals from resamples.

    Of more than `MOST_ROWS` samples a resample has so many (Bickel, Götze and van Zwet 1997, Statistica Sinica 7,
    1-31). For estimators that count, the deviation is scaled by the root of the number; of others it is too large.

    Args:
        pred_probs, noisy_labels: shapes (n_samples, n_classes) and (n_samples,), as `check_inputs` gives them.
        class_names: one name per class.
        estimator: a name in `labelnoise.ESTIMATORS`.

    Raises:
        InputError: an unknown estimator.
    """
    function, (n_samples, n_classes) = known(estimator), pred_probs.shape
    from labelnoise.own.doubts import doubts
    from labelnoise.own.report import Report, at_least_counted

    fitting = max(MOST_PROBS // (LEAST_RESAMPLES * n_classes), LEAST_SAMPLES * n_classes)
    rows = min(n_samples, MOST_ROWS, fitting)
    resamples = min(max(MOST_PROBS // (rows * n_classes), LEAST_RESAMPLES), RESAMPLES)
    deviation = bootstrap_deviation(function, pred_probs, noisy_labels, resamples=resamples, size=rows)
    deviation *= (rows / n_samples) ** 0.5 if function.counts else 1
    counts = np.bincount(noisy_labels, minlength=n_classes)
    bounds = at_least_counted(function(pred_probs, noisy_labels), deviation, counts)
    title = f"T by {function.title} from {n_samples:,} labels of {n_classes} classes"
    told = doubts(pred_probs, noisy_labels, class_names, bounds)
    listed = ranked(noisy_labels, class_names, wrong_labels(pred_probs, noisy_labels, bounds.estimate))
    return Report(title, class_names, counts, bounds, NOTES, listed, warnings=told)


def estimate_of(samples: Samples, estimator: str, threshold: float) -> Report:
    """`estimate` of samples, with what was decided about them and the threshold to change labels by."""
    report = estimate(samples.pred_probs, samples.noisy_labels, samples.class_names, estimator)
    return replace(report, decisions=samples.decisions, threshold=threshold)


def run(options: argparse.Namespace) -> int:
    """The command; its report goes to the terminal, and as JSON and HTML to a folder."""
    if options.out is not None:
        check_folder(options.out, *filter(None, (options.labels, options.probs)))
    check_threshold(options.threshold, "--threshold")
    known(options.estimator)
    samples = read_samples(options.labels, options.probs, options.label_column)
    print(lines(samples.decisions), end="\n\n", flush=True)
    report = estimate_of(samples, options.estimator, options.threshold)
    from labelnoise.own import _page

    written = [] if options.out is None else ["", _page.write(options.out, report)]
    print(as_text(report), *written, sep="\n")
    return 0


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add what the command takes to a parser."""
    command.add_argument("--labels", type=Path, required=True, metavar="FILE", help="noisy labels, names or 0, 1, ...")
    command.add_argument("--probs", type=Path, metavar="FILE", help="a column per class; default: beside the labels")
    command.add_argument("--label-column", metavar="NAME", help="the column of the labels, in a table of several")
    names = f"{', '.join(ESTIMATORS)} (default {DEFAULT})"
    command.add_argument("--estimator", default=DEFAULT, metavar="NAME", help=names)
    add_threshold(command)
    told = f"write report.html, report.json, {SUGGESTIONS} and {CLEANED} there"
    command.add_argument("--out", type=Path, metavar="DIR", help=told)
    command.set_defaults(run=run, stopped="nothing was written.")
