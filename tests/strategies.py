"""What properties are tried on: valid input, at its borders too, and values that are no valid input of anything.

Few examples in the suite, the same each time. ``LABELNOISE_EXAMPLES=2000 pytest tests/...`` tries that many new ones.
"""

import os

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labelnoise.errors import InputError

ASKED = os.environ.get("LABELNOISE_EXAMPLES")
settings.register_profile("labelnoise", derandomize=ASKED is None, deadline=None)

settings.load_profile("labelnoise")


def few(number):
    """The settings of a property that is tried on so many inputs, unless more are asked for."""
    return settings(max_examples=int(ASKED or number), suppress_health_check=[HealthCheck.too_slow])


tried = few(15)


def answered(function, *args, **kwargs):
    """What a function gives and None, or None and the sentence by which it refuses."""
    try:
        return function(*args, **kwargs), None
    except InputError as error:
        return None, str(error)


seeds, sizes, rates = st.integers(0, 2**32), st.integers(2, 6), st.floats(0, 1)
levels = st.floats(0.01, 0.999)
ENTRIES = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 1e-12, 1e-300]), st.floats(0, 1))


@st.composite
def distributions(draw, n, n_classes):
    """Rows that sum to 1, shape (n, n_classes): with zeros, ties, certainty and entries that are next to nothing."""
    weights = draw(hnp.arrays(np.float64, (n, n_classes), elements=ENTRIES))
    weights[weights.sum(axis=1) == 0] = 1
    return weights / weights.sum(axis=1, keepdims=True)


@st.composite
def matrices(draw, n_classes=sizes):
    """Transition matrices of any kind: permutations, singular ones, and classes that no label bears among them."""
    n = draw(n_classes)
    kinds = {
        "any": distributions(n, n),
        "a permutation": st.permutations(range(n)).map(lambda order: np.eye(n)[order]),
        "all rows alike": distributions(1, n).map(lambda row: np.repeat(row, n, axis=0)),
    }
    return draw(st.sampled_from(sorted(kinds)).flatmap(kinds.__getitem__))


@st.composite
def labels_of(draw, n, n_classes):
    """Labels, shape (n,), of which each class has one."""
    generator = np.random.default_rng(draw(seeds))
    return generator.permutation(np.append(np.arange(n_classes), generator.integers(n_classes, size=n - n_classes)))


def _rounded(probs):
    found = probs.round(1)
    found[found.sum(axis=1) == 0] = 1
    return found / found.sum(axis=1, keepdims=True)


def _never_the_first(probs):
    found = probs.copy()
    found[:, 0] = 0
    found[found.sum(axis=1) == 0, 1:] = 1
    return found / found.sum(axis=1, keepdims=True)


KINDS = {
    "as drawn": lambda probs: probs,
    "rounded": _rounded,
    "certain": lambda probs: np.eye(probs.shape[1])[probs.argmax(axis=1)],
    "all alike": lambda probs: np.repeat(probs[:1], len(probs), axis=0),
    "a class without probability": _never_the_first,
}


@st.composite
def samples(draw, kinds=tuple(KINDS), most=40):
    """Probabilities of shape (n_samples, n_classes) in either precision, and labels of which each class has one."""
    n_classes = draw(sizes)
    n = draw(st.integers(n_classes, most))
    concentration = draw(st.sampled_from([0.02, 0.3, 1.0, 30.0]))
    probs = np.random.default_rng(draw(seeds)).dirichlet(np.full(n_classes, concentration), size=n)
    probs = KINDS[draw(st.sampled_from(kinds))](probs)
    return probs.astype(draw(st.sampled_from([np.float64, np.float32]))), draw(labels_of(n, n_classes))


SCALARS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.complex_numbers(), st.text(max_size=6), st.binary(max_size=6),
    st.dates(), st.decimals(), st.fractions(), st.just(len),
    # Sizes that there is memory for, or that there is none for on any machine.
    st.integers(max_value=40), st.integers(min_value=2**40),
)  # fmt: skip
DTYPES = st.one_of(hnp.scalar_dtypes(), st.sampled_from(["U3", "S3", "O", "g"]).map(np.dtype))
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
anything = st.one_of(
    SCALARS,
    ARRAYS,
    st.lists(SCALARS, max_size=4),
    st.lists(st.lists(SCALARS, max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=2), SCALARS, max_size=2),
    ARRAYS.map(lambda array: np.ma.masked_array(array, mask=np.ones(array.shape, bool))),
)
