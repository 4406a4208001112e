"""Any probabilistic classifier of scikit-learn's, corrected by reweighting."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelnoise._checks import check_choice, check_unmasked, check_whole
from labelnoise.errors import InputError
from labelnoise.estimators import ESTIMATORS
from labelnoise.transitions import Matrix, validate

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, column_or_1d, has_fit_parameter
except ImportError as error:
    raise ImportError(
        "ReweightedClassifier needs scikit-learn 1.6 or newer: pip install 'labelnoise[sklearn]'."
    ) from error

CLEAN_STEPS = 200  # towards the clean probabilities
LARGEST_WEIGHT = 100.0  # without a bound where T[i, i] is 0


class ReweightedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trains a classifier on noisy labels so that it predicts the clean class.

    Importance reweighting: each sample counts ``P(clean = label | x) / P(noisy = label | x)`` times (Liu and Tao 2016,
    arXiv:1411.7718, equation 5). P(noisy | x) comes from the same classifier by cross-validation, T by an estimator of
    this library unless it is given, and P(clean | x) is that which T maps nearest to P(noisy | x).

    Args:
        estimator: has ``predict_proba``, and a ``fit`` that takes ``sample_weight``; or a pipeline that ends in such a
            one. None for a logistic regression.
        transition_matrix: T, shape (n_classes, n_classes), rows are clean classes and sum to 1; or the name of what
            estimates it, in `labelnoise.ESTIMATORS`.
        cv: folds of the cross-validation; fewer where a class has fewer samples.

    Attributes:
        classes_: the labels, shape (n_classes,), in the order of T and of the probabilities.
        transition_matrix_: T, shape (n_classes, n_classes).
        sample_weight_: of the samples, shape (n_samples,).
        estimator_: the classifier that was trained with these weights.

    Raises:
        InputError: by ``fit``, a classifier without probabilities or weights, or no transition matrix; masked values.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> samples, labels = load_iris(return_X_y=True)
    >>> ReweightedClassifier(GaussianNB()).fit(samples, labels).predict(samples[:2])
    array([0, 0])
    """

    def __init__(
        self, estimator: Any = None, *, transition_matrix: ArrayLike | str = "confident-learning", cv: int = 5
    ) -> None:
        self.estimator = estimator
        self.transition_matrix = transition_matrix
        self.cv = cv

    def fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803
        """Estimate T and train with weights.

        Args:
            X: samples as the classifier takes them, of shape (n_samples, ...).
            y: noisy labels, shape (n_samples,).
        """
        classifier = self._classifier()
        if y is None:
            raise ValueError("This ReweightedClassifier estimator requires y to be passed, but the target y is None.")
        check_unmasked(X, "X")
        check_unmasked(y, "y")
        labels = column_or_1d(y, warn=True)
        if not len(labels):
            raise InputError("There are no samples to train on; pass at least two classes of them.")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"Training takes two classes or more; all labels are {self.classes_[0]!r}, of one class.")
        pred_probs = self._held_out(classifier, X, codes)
        self.transition_matrix_ = self._matrix(pred_probs, codes)
        self.sample_weight_ = _weights(pred_probs, codes, self.transition_matrix_)
        weighted = "sample_weight"
        if isinstance(classifier, Pipeline):
            weighted = f"{classifier.steps[-1][0]}__{weighted}"
        self.estimator_ = clone(classifier).fit(X, labels, **{weighted: self.sample_weight_})
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """P(clean | x), shape (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        check_unmasked(X, "X")
        found: NDArray[np.float64] = self.estimator_.predict_proba(X)
        return found

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The likeliest clean class, shape (n_samples,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @available_if(lambda self: hasattr(self._classifier(), "decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """That of the classifier, where it has one."""
        check_is_fitted(self)
        check_unmasked(X, "X")
        found: NDArray[np.float64] = self.estimator_.decision_function(X)
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._classifier()).input_tags
        return tags

    def _classifier(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def _held_out(self, classifier: Any, samples: Any, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        last = classifier.steps[-1][1] if isinstance(classifier, Pipeline) else classifier
        if not hasattr(classifier, "predict_proba") or not has_fit_parameter(last, "sample_weight"):
            raise InputError(
                f"{type(last).__name__} must have predict_proba, and a fit that takes sample_weight; use another "
                "classifier, or wrap it in CalibratedClassifierCV."
            )
        folds = StratifiedKFold(max(2, min(check_whole(self.cv, "cv", 2), np.bincount(codes).min())))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class in y has only 1 members")
            found: NDArray[np.float64] = cross_val_predict(classifier, samples, codes, cv=folds, method="predict_proba")
        return found

    def _matrix(self, pred_probs: NDArray[np.float64], codes: NDArray[np.int64]) -> Matrix:
        if not isinstance(self.transition_matrix, str):
            return validate(self.transition_matrix, len(self.classes_))
        name = check_choice(self.transition_matrix, "estimator of T", ESTIMATORS, "; or pass T")
        return ESTIMATORS[name](pred_probs, codes)


def _weights(pred_probs: NDArray[np.float64], codes: NDArray[np.int64], matrix: Matrix) -> NDArray[np.float64]:
    """How much likelier each label is as the clean than as the noisy one, shape (n_samples,)."""
    clean = np.full_like(pred_probs, 1 / len(matrix))
    # Expectation and maximisation towards the P(clean | x) whose P(noisy | x) has the least divergence.
    for _ in range(CLEAN_STEPS):
        clean *= (pred_probs / np.maximum(clean @ matrix, 1e-12)) @ matrix.T
        clean /= clean.sum(axis=1, keepdims=True)
    rows = np.arange(len(codes))
    found: NDArray[np.float64] = clean[rows, codes] / np.maximum((clean @ matrix)[rows, codes], 1e-12)
    return np.minimum(found, LARGEST_WEIGHT)
