"""What casts doubt on an estimate: each a sentence on what was seen, and one on what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from labelnoise.estimators import Bounds, Floats
from labelnoise.noise import Labels, count_transitions
from labelnoise.own._tabular import listed
from labelnoise.transitions import Matrix

SURE = 0.001  # level of each test
# Of the labels, that agree with the likeliest class. On scikit-learn's digits, with none to four in ten labels flipped,
# six kinds of classifier agreed with at most 96 % of labels that they had not learned, those that had learned them by
# heart with 99 % and more.
BY_HEART = 0.99
HARD = 0.999  # of the rows, that are a 1 and zeros
LEAST_SAMPLES = 50  # below which agreement with the labels says nothing
FEW_SAMPLES = 25  # samples of a class, below which an interval for a share of a half is wider than 20 points each way
TOO_SURE = 0.05  # by which a mean probability may be above the frequency that it stands for
SECOND = 0.5  # of the labels that agree less where a model is less sure, those that go to second guesses by overlap
MOST_ROWS, MOST_CLASSES = 20_000, 1000  # that the test for noise by sample takes


def doubts(pred_probs: Floats, noisy_labels: Labels, names: Sequence[str], bounds: Bounds) -> tuple[str, ...]:
    """All that casts doubt on a T estimated from a user's probabilities.

    Args:
        pred_probs, noisy_labels: shapes (n_samples, n_classes) and (n_samples,), as `check_inputs` gives them.
        names: of the classes.
        bounds: T with intervals, estimated from these.
    """
    given = (pred_probs, noisy_labels, names)
    told = [*hard(pred_probs), *flat(pred_probs, names), *by_heart(pred_probs, noisy_labels), *another_order(*given)]
    # What is wrong with the probabilities as a whole explains whatever else is odd about them.
    more = [] if told else [*off(*given), *image_dependent(pred_probs, noisy_labels, bounds.estimate)]
    return (*told, *doubts_of_matrix(noisy_labels, names, bounds), *more)


def doubts_of_matrix(noisy_labels: Labels, names: Sequence[str], bounds: Bounds) -> tuple[str, ...]:
    """What casts doubt on a T, however it was estimated; arguments as `doubts`."""
    return (*_diagonal(names, bounds), *_few(noisy_labels, names))


def hard(pred_probs: Floats) -> Iterator[str]:
    """Predicted classes in place of probabilities."""
    share = float((pred_probs.max(axis=1) > 1 - 1e-6).mean())
    if share >= HARD and len(pred_probs) >= LEAST_SAMPLES:
        yield (
            f"{100 * share:.4g} % of the rows of probabilities are a 1 and zeros: predicted classes. "
            "Nothing then tells a doubtful sample from a sure one. Pass what the model gives before it takes the "
            "largest, such as predict_proba in scikit-learn."
        )


def flat(pred_probs: Floats, names: Sequence[str]) -> Iterator[str]:
    """Columns that have one value in all rows: no model that looked at the samples gives them."""
    same = np.flatnonzero(pred_probs.max(axis=0) == pred_probs.min(axis=0))
    if len(same) and len(pred_probs) >= LEAST_SAMPLES:
        yield (
            f"The probability of {listed([names[k] for k in same.tolist()], 5)} is the same in all "
            f"{len(pred_probs):,} rows: the model did not learn this class, or the column is none of probabilities. "
            "Look at how the probabilities were saved, and train on samples of every class."
        )


def by_heart(pred_probs: Floats, noisy_labels: Labels) -> Iterator[str]:
    """Labels that a model predicted, or has learned by heart."""
    share = float((pred_probs.argmax(axis=1) == noisy_labels).mean())
    if share < BY_HEART or len(noisy_labels) < LEAST_SAMPLES:
        return
    instead = (
        "Use probabilities that are out of sample, such as those of cross_val_predict(model, x, labels, cv=5, "
        'method="predict_proba") in scikit-learn'
    )
    if share == 1:
        yield (
            "Every label is the class of the largest probability. Either the labels are the predictions of this model, "
            f"or it has learned them by heart; wrong labels can't be seen then. Pass the labels as they were given. "
            f"{instead}."
        )
    else:
        yield (
            f"{100 * share:.1f} % of the labels are the class of the largest probability. Either nearly all labels are "
            "right, or the probabilities come from a model that was trained on these labels and has learned them by "
            f"heart; wrong ones look right then. {instead}, if they are not already."
        )


def another_order(pred_probs: Floats, noisy_labels: Labels, names: Sequence[str]) -> Iterator[str]:
    """Columns that stand for other classes than they were taken for.

    The permutation under which most samples agree is found by `scipy.optimize.linear_sum_assignment`. Each cycle of it
    is tested on its own: of the samples of its classes, b agree with the permuted label and c with their own. If no
    class were more often called by the permuted name than by its own, then ``b - c`` would reach its value with a
    probability of at most ``exp(-(b - c)**2 / (2 (b + c)))`` (Hoeffding 1963, Journal of the American Statistical
    Association 58, 13-30). Times the number of cycles that could have been found, below ``n_classes**m`` for m classes,
    that must be below `SURE`.
    """
    import scipy.optimize
    from scipy.sparse.csgraph import connected_components

    n_classes = len(names)
    joint = count_transitions(pred_probs.argmax(axis=1), noisy_labels, n_classes)
    order = scipy.optimize.linear_sum_assignment(joint, maximize=True)[1]
    moved, rows = [], np.arange(n_classes)
    n_cycles, cycle_of = connected_components(scipy.sparse.csr_array((np.ones(n_classes), (rows, order))))
    for k in range(n_cycles):
        cycle = np.flatnonzero(cycle_of == k).tolist()
        b, c = int(joint[cycle, order[cycle]].sum()), int(joint[cycle, cycle].sum())
        if b > c and len(cycle) * math.log(n_classes) - (b - c) ** 2 / (2 * (b + c)) < math.log(SURE):
            moved += cycle
    if moved:
        moved.sort()
        best = rows.copy()
        best[moved] = order[moved]
        shares = [100 * joint[rows, place].sum() / len(noisy_labels) for place in (rows, best)]
        read = [f"{names[k]} fits {names[int(order[k])]}" for k in moved]
        yield (
            f"The columns fit the labels better in another order: the column that was taken for {listed(read, 5)}. "
            f"Then {shares[1]:.1f} % of the labels would be the class of the largest probability, in place of "
            f"{shares[0]:.1f} %. Name the columns in a CSV or Parquet file, by model.classes_ in scikit-learn; if "
            "their order is right, the labels of these classes are mixed up."
        )


def _diagonal(names: Sequence[str], bounds: Bounds) -> Iterator[str]:
    matrix = bounds.estimate
    others = np.where(np.eye(len(matrix), dtype=bool), -1, matrix)
    beaten = np.flatnonzero(others.max(axis=1) >= matrix.diagonal())
    if len(beaten):
        rows = [f"{names[i]}, which is called {names[others[i].argmax()]}" for i in beaten.tolist()]
        yield (
            f"The diagonal of T is not the largest entry of {len(beaten)} of {len(matrix)} rows ({listed(rows, 3)}, at "
            "least as often). Methods that correct with T take the right label to be the most frequent one. Look at "
            "samples of these classes, and at the order of the columns, before you use T."
        )


def _few(noisy_labels: Labels, names: Sequence[str]) -> Iterator[str]:
    counts = np.bincount(noisy_labels, minlength=len(names))
    few = np.flatnonzero(counts < FEW_SAMPLES)
    if len(few):
        rows = [f"{names[i]} has {counts[i]}" for i in few.tolist()]
        yield (
            f"Classes with few samples: {listed(rows, 5)}. With fewer than {FEW_SAMPLES} a share is known to 20 points "
            "at best, and the intervals of these rows of T are rough. Collect more, or join classes that are alike."
        )


def off(pred_probs: Floats, noisy_labels: Labels, names: Sequence[str]) -> Iterator[str]:
    """Probabilities that the labels contradict, so that intervals of T, which take them as they are, miss the truth."""
    n = len(noisy_labels)
    agreed, top = pred_probs.argmax(axis=1) == noisy_labels, pred_probs.max(axis=1).astype(np.float64)
    gap = float(top.mean() - agreed.mean())
    if gap > TOO_SURE and gap > 4 * float((top - agreed).std()) / n**0.5:
        yield (
            f"The intervals can't be trusted: the likeliest class has a mean probability of {top.mean():.2f}, "
            f"but only {100 * agreed.mean():.1f} % of the labels are that class. The model is too sure of itself, so "
            "that T is off by more than its intervals say. Calibrate the probabilities on held-out labels, such as by "
            "CalibratedClassifierCV in scikit-learn."
        )
    shares, means = np.bincount(noisy_labels, minlength=len(names)) / n, pred_probs.mean(axis=0, dtype=np.float64)
    gaps = np.abs(means - shares)
    worst = int(gaps.argmax())
    if gaps[worst] > TOO_SURE and gaps[worst] > 4 * (shares[worst] * (1 - shares[worst]) / n) ** 0.5:
        yield (
            f"The intervals can't be trusted: {100 * shares[worst]:.1f} % of the labels are {names[worst]}, but the "
            f"mean probability of it is {100 * means[worst]:.1f} %. The model was trained for other shares of "
            "the classes, such as with balanced weights or on another set. Train it on labels like these, unweighted."
        )


def image_dependent(pred_probs: Floats, noisy_labels: Labels, transition_matrix: Matrix) -> Iterator[str]:
    """Noise that depends on the sample, if it shows.

    Of the samples that are guessed to be of one class, the surest quarter is compared with the next two. If flips
    depend on the class alone, labels agree less with the guesses of the latter only because some of these are wrong,
    and then many of the labels that no longer agree are the second guess. The test is of whether less than `SECOND`
    of the drop in agreement went there: a z-test of ``SECOND * agrees + is second``, whose mean is then higher in the
    first quarter. Noise that flips to the second guess, or any noise of two classes, does not show.

    Args:
        pred_probs: P(noisy | x), shape (n_samples, n_classes); the flips are taken out of them by the inverse of T.
        noisy_labels: shape (n_samples,).
        transition_matrix: T.
    """
    n, n_classes = pred_probs.shape
    if n_classes > MOST_CLASSES:
        return
    taken = slice(None, None, max(1, n // MOST_ROWS))
    labels, clean = noisy_labels[taken], pred_probs[taken] @ np.linalg.pinv(transition_matrix)
    rows = np.arange(len(labels))
    guesses = clean.argmax(axis=1)
    top = clean[rows, guesses]
    clean[rows, guesses] = -np.inf
    second = clean.argmax(axis=1)
    surest, following = [], []
    order = np.lexsort((-top, guesses))
    for of_class in np.split(order, np.cumsum(np.bincount(guesses))[:-1]):
        quarter = len(of_class) // 4
        surest.append(of_class[:quarter])
        following.append(of_class[quarter : 3 * quarter])
    first, then = (np.concatenate(each) for each in (surest, following))
    if len(first) < LEAST_SAMPLES:
        return
    agrees = guesses == labels
    scores = SECOND * agrees + (second == labels)
    error = (scores[first].var() / len(first) + scores[then].var() / len(then)) ** 0.5
    gap = scores[first].mean() - scores[then].mean()
    p_value = 0.5 * math.erfc(float(gap) / max(float(error), 1e-12) / 2**0.5)
    if p_value < SURE:
        a, b = (100 * agrees[part].mean() for part in (first, then))
        differ = 100 * (pred_probs[taken].argmax(axis=1) != labels).mean()
        shown = f"p = {p_value:.1g}" if p_value >= 1e-6 else "p < 0.000001"
        yield (
            "Noise seems to depend on the sample, not on its class alone: of the quarter of which the model is surest, "
            f"{a:.1f} % bear the label that it expects, of the next half {b:.1f} %, and more of the difference than "
            f"overlap of classes explains are labels that the model does not expect there ({shown}). T is a mean over "
            "samples then, too low for some and too high for others, and so is how likely a label is said to be wrong. "
            f"{differ:.1f} % of the labels are not the likeliest class of their sample. Such a count has the model's "
            "mistakes in it, yet on labels that people gave it came nearer to the share of wrong labels than T did. "
            "Look at the samples of which the model is less sure; if they are of a kind, estimate T for them apart."
        )
