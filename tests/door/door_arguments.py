"""Bad values times arguments of every public function."""

import datetime
import inspect
import operator
import warnings

import numpy as np
import scipy.sparse
import torch

import labelnoise

GENERATOR = np.random.default_rng(0)
N = 36
LABELS = np.arange(N) % 3
PROBS = np.full((N, 3), 0.1) + 0.7 * np.eye(3)[LABELS]
FEATURES = GENERATOR.standard_normal((N, 4))
IMAGES = GENERATOR.integers(256, size=(N, 4, 4))
SET = labelnoise.NoisySet(torch.as_tensor(IMAGES[:, None], dtype=torch.uint8), LABELS)
MATRIX = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
ABOUT = {"in_channels": 1, "image_size": 4, "mean": 0, "deviation": 1, "class_names": ["0", "1"]}
NETWORK = labelnoise.TrainedNetwork(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), ABOUT)
HUGE = 10**10


def with_row(array, row):
    """The array with another row 1."""
    changed = np.array(array, dtype=np.result_type(array, np.asarray(row)))
    changed[1] = row
    return changed


def tensor_kinds(array):
    """Tensors that no estimator can read."""
    tensor = torch.as_tensor(np.asarray(array))
    wide = tensor.float()
    with warnings.catch_warnings(action="ignore"):  # of a prototype
        nested = torch.nested.nested_tensor([wide, wide])
    return {
        "a sparse tensor": wide.to_sparse(),
        "a tensor without data": wide.to("meta"),
        "a float8 tensor": wide.to(torch.float8_e4m3fn),
        "a complex tensor": wide.to(torch.complex64),
        "a nested tensor": nested,
    }


class Failing:
    """What NumPy asks for its array in vain."""

    def __init__(self, error):
        self.error = error

    def __array__(self, *args, **kwargs):
        raise self.error


NO_ARRAYS = {
    "a file that is gone": Failing(OSError("gone")),
    "a division by zero": Failing(ZeroDivisionError("x")),
    "None": None,
    "a number": 5,
    "a word": "abc",
    "bytes": b"abc",
    "a set": {0, 1},
    "a dictionary": {"a": 1},
    "a function": len,
    "a generator expression": (k for k in range(3)),
    "nothing": [],
    "nothing within": [[]],
    "ragged lists": [[0, 1], [1]],
    "a date": datetime.date(2020, 1, 1),
    "dates": np.full(N, np.datetime64("2020-01-01")),
    "fields": np.zeros(N, dtype=[("a", "f8")]),
    "durations": np.zeros(N, "m8[s]"),
    "scipy's sparse": scipy.sparse.csr_array(PROBS),
}


def tables(good, **more):
    """Bad values of a table of numbers like this one."""
    masked = np.ma.masked_array(good, mask=np.zeros(good.shape, bool))
    masked[1, 0] = np.ma.masked
    return (
        NO_ARRAYS
        | tensor_kinds(good)
        | {
            "one axis": good[:, 0],
            "three axes": good[None, None],
            "text": good.astype(str),
            "objects": np.full(good.shape, None),
            "complex": good.astype(complex),
            "masked": masked,
            "a list of masked rows": list(masked),
            "lists with a masked number": [list(row) for row in masked],
            "NaN": with_row(good.astype(float), np.nan),
            "infinity": with_row(good.astype(float), np.inf),
            "minus infinity": with_row(good.astype(float), -np.inf),
            "beyond float64": with_row(good.astype(np.longdouble), np.longdouble("1e4000")),
            **more,
        }
    )


PROBABILITIES = {
    "one column": PROBS[:, :1],
    "no rows": PROBS[:0],
    "a negative number": with_row(PROBS, [-0.1, 0.6, 0.5]),
    "a sum of 0.9": with_row(PROBS, [0.3, 0.3, 0.3]),
    "logits": with_row(PROBS, [-3.0, 2.0, 5.0]),
    "zeros": np.zeros_like(PROBS),
    "a row more": np.vstack([PROBS, PROBS[:1]]),
    "transposed": PROBS.T,
}
masked_labels = np.ma.masked_array(LABELS, mask=LABELS == 2)
LABEL_VALUES = (
    NO_ARRAYS
    | tensor_kinds(LABELS)
    | {
        "a table": LABELS[:, None],
        "fractions": LABELS + 0.5,
        "whole floats": LABELS * 1.0,
        "names": np.array(["cat", "dog", "owl"])[LABELS],
        "digits": LABELS.astype(str),
        "objects": np.full(N, None),
        "booleans": LABELS > 0,
        "complex": LABELS.astype(complex),
        "masked": masked_labels,
        "a list of masked labels": list(masked_labels),
        "a list of arrays that are masked": [np.ma.masked_array(label, mask=label == 2) for label in LABELS],
        "a negative label": with_row(LABELS, -1),
        "a huge label": with_row(LABELS, HUGE),
        "the hugest label": with_row(LABELS, 2**62),
        "unsigned and huge": with_row(LABELS.astype(np.uint64), np.uint64(2**63 + 5)),
        "a label too few": LABELS[1:],
        "a label more": np.append(LABELS, 0),
    }
)
NO_NUMBERS = {
    "None": None,
    "text": "1",
    "a word": "auto",
    "bytes": b"1",
    "a list": [1],
    "nothing": [],
    "a dictionary": {},
    "a function": len,
    "complex": 1j,
    "NaN": float("nan"),
    "NaN of float32": np.float32("nan"),
    "an array": np.ones(2),
    "a tensor": torch.ones(1),
    "a date": datetime.date(2020, 1, 1),
    "True": True,
    "False": np.False_,
}
ENDLESS = {"infinity": float("inf"), "minus infinity": float("-inf"), "a number beyond float64": 10**400}
FRACTIONS = {"a fraction": 1.5, "a whole float": 2.0, "half": np.float64(0.5), "minus a half": -0.5}


def but(values, *names):
    """The values without those that are good where they are given."""
    return {name: value for name, value in values.items() if name not in names}


def real(*outside):
    return NO_NUMBERS | ENDLESS | {f"{value}": value for value in outside}


def whole(*outside):
    return real(*outside) | FRACTIONS


GENERATORS = {
    "None": None,
    "a seed": 0,
    "legacy": np.random.RandomState(0),
    "the module": np.random,
    "text": "0",
    "a bit generator": np.random.PCG64(0),
    "torch's": torch.Generator(),
    "a function": len,
}
MATRICES = {
    "one class": np.ones((1, 1)),
    "not square": MATRIX[:2],
    "a row of 0.9": with_row(MATRIX, 0.3),
    "an entry above 1": with_row(MATRIX, [1.5, -0.5, 0]),
    "transposed": np.array([[0.9, 0.3, 0], [0.1, 0.7, 0], [0, 0, 1]]),
    "zeros": np.zeros((3, 3)),
    "no classes": np.zeros((0, 0)),
}
OF_THREE = MATRICES | {"two classes": np.full((2, 2), 0.5)}
FLAGS = {"None": None, "text": "no", "0": 0, "2": 2, "an array": np.array([True, False])}
PATHS = {
    "None": None,
    "a number": 3,
    "True": True,
    "a list": ["a"],
    "no file": "nowhere.npz",
    "a folder": ".",
    "a zero within": "a\0b",
    "nothing": "",
    "a name that is too long": "a" * 300,
    "a path that is too long": "a" * 5000,
    "no code point": "\ud800",
}
NO_TARGETS = {key: value for key, value in PATHS.items() if key != "no file"} | {
    "the folder above": "..",
    "a folder elsewhere": "/",
    "through a file": f"{__file__}/a/b",
}
TEXTS = {
    "None": None,
    "a number": 3,
    "nothing": "",
    "a list": ["lenet"],
    "bytes": b"lenet",
    "a function": len,
    "another": "magic",
    "True": True,
}
CLASSES = {
    "a number": 3,
    "text": "01",
    "one": [1],
    "twice": [1, 1],
    "ten": [1, 10],
    "negative": [-1, 1],
    "floats": [0.0, 1.0],
    "booleans": [True, False],
    "lists": [[0], [1]],
    "None in it": [None, 1],
    "no": [],
}
IMAGE_VALUES = (
    NO_ARRAYS
    | tensor_kinds(IMAGES)
    | {
        "one axis": IMAGES[:, 0, 0],
        "text": IMAGES.astype(str),
        "complex": IMAGES.astype(complex),
        "objects": np.full(IMAGES.shape, None),
        "NaN": with_row(IMAGES * 1.0, np.nan),
        "infinity": with_row(IMAGES * 1.0, np.inf),
        "an image more": np.concatenate([IMAGES, IMAGES]),
        "no pixels": IMAGES[:, :0],
        "masked": np.ma.masked_array(IMAGES, mask=IMAGES < 9),
        "a list of masked images": list(np.ma.masked_array(IMAGES, mask=IMAGES < 9)),
    }
)
CONSTANT = {"all alike": np.zeros_like(IMAGES)}
PIXELS = IMAGE_VALUES | {
    "a flat image": IMAGES.reshape(N, -1),
    "negative pixels": IMAGES - 300,
    "pixels beyond 255": IMAGES + 300,
    "five axes": IMAGES[None, None],
    "two channels": np.stack([IMAGES, IMAGES], axis=1),
    "oblong": IMAGES[:, :3],
}

probs, features, labels = tables(PROBS, **PROBABILITIES, integers=PROBS.astype(int)), tables(FEATURES), LABEL_VALUES
features["integers"], features["no columns"] = FEATURES.astype(int), FEATURES[:, :0]
matrix, of_three = tables(MATRIX, **MATRICES), tables(MATRIX, **OF_THREE)
any_probs = but(tables(PROBS, **PROBABILITIES), "transposed", "a row more", "no rows")
percentile, coverage, seed = real(0, -1, 100.1), real(0, -0.1, 1.01), whole(-1)
several = but(probs, "three axes")
n_classes = whole(-1, 0, 1, 10**6, 10**9, 10**18)
rate = real(-0.1, 1.1)
start = of_three | {"a 0": np.eye(3)}
disagreement, share, positive = real(0, -0.1, 1.1), real(0, -0.1, 1.1), real(0, -1)
priors = {
    "text": ["1", "1", "1"],
    "two": [0.5, 0.5],
    "negative": [-1, 1, 1],
    "zeros": [0, 0, 0],
    "NaN": [np.nan, 1, 1],
    "infinity": [np.inf, 1, 1],
    "a word": "uniform",
    "a number": 1,
    "a set": {1},
    "ragged": [[1], 1, 1],
}
diagonal = real(0, 1 / 3, 1, 1.1)
singular = {"no inverse": np.full((3, 3), 1 / 3)}
no_rank = {"no better than a guess": np.full((3, 3), 1 / 3)}
known_rate = {"images": IMAGES, "clean_labels": LABELS, "n_classes": 3, "rate": 0.2, "generator": GENERATOR}

GIVEN = {
    "None": None,
    "a number": 5,
    "a word": "x",
    "two classes": np.eye(2),
    "a sum of -1": -np.eye(3),
    "NaN": np.full((3, 3), np.nan),
    "masked": np.ma.masked_equal(np.eye(3), 0),
}
ESTIMATES = {f"one that gives {what}": lambda probs, labels, found=found: found for what, found in GIVEN.items()}

# Labels that what reads files takes as well.
FILE_LABELS = ("names", "digits", "whole floats", "booleans", "a table")

# Of each function its good arguments, and the bad values of each of them.
FUNCTIONS = {
    **{
        name: ({"pred_probs": PROBS, "noisy_labels": LABELS}, {"pred_probs": probs, "noisy_labels": labels})
        for name in ("argmax_counts", "confident_learning")
    },
    **{
        name: (
            {"pred_probs": PROBS, "noisy_labels": LABELS},
            {"pred_probs": probs, "noisy_labels": labels, "percentile": percentile},
        )
        for name in ("anchor", "dual_t", "iterative_anchors")
    },
    "selective_threshold": (
        {"pred_probs": PROBS, "noisy_labels": LABELS},
        {"pred_probs": probs, "noisy_labels": labels, "coverage": coverage},
    ),
    "selective_costs": (
        {"features": FEATURES, "noisy_labels": LABELS},
        {
            "features": features,
            "noisy_labels": labels,
            "coverage": coverage,
            "spacing": real(0, -0.1, 0.6, 1e-9, 1e-4, 9e-4),
            "seed": seed,
        },
    ),
    "hoc": (
        {"features": FEATURES, "noisy_labels": LABELS},
        {"features": features, "noisy_labels": labels, "queries": whole(-1, 0), "seed": seed},
    ),
    "tempered_likelihood": (
        {"clean_probs": PROBS, "noisy_labels": LABELS},
        {"clean_probs": probs, "noisy_labels": labels},
    ),
    "maximum_likelihood": (
        {"clean_probs": PROBS, "noisy_labels": LABELS},
        {
            "clean_probs": probs,
            "noisy_labels": labels,
            "start": start,
            "tolerance": real(-1, -1e-9),
            "max_steps": whole(-1, 0),
        },
    ),
    "interval": (
        {"estimate": labelnoise.argmax_counts, "pred_probs": PROBS, "noisy_labels": LABELS},
        {
            "estimate": {"None": None, "a name": "anchor", "a number": 3} | ESTIMATES,
            "pred_probs": several,
            "noisy_labels": labels,
            "level": real(0, 1, -0.1, 95, 1 - 1e-16),
            "resamples": whole(-1, 0, 1, 10**12, 2**62),
            "seed": seed,
        },
    ),
    "gain_resolution": (
        {"n_samples": 100, "transition_matrix": MATRIX},
        {"n_samples": whole(-1, 0), "transition_matrix": matrix | no_rank, "disagreement": disagreement},
    ),
    "predicted_gain": (
        {"first": LABELS, "second": LABELS, "noisy_labels": LABELS, "transition_matrix": MATRIX},
        {"first": labels, "second": labels, "noisy_labels": labels, "transition_matrix": of_three | no_rank},
    ),
    "corrupt": (
        {"clean_labels": LABELS, "transition_matrix": MATRIX, "generator": GENERATOR},
        {
            "clean_labels": but(labels, "a label too few", "a label more"),
            "transition_matrix": matrix,
            "generator": GENERATORS,
        },
    ),
    "draw": ({"probs": PROBS, "generator": GENERATOR}, {"probs": any_probs, "generator": GENERATORS}),
    "instance_probs": (
        known_rate,
        {
            "images": IMAGE_VALUES | CONSTANT,
            "clean_labels": labels,
            "n_classes": n_classes,
            "rate": rate,
            "generator": GENERATORS,
            "normalise": FLAGS,
        },
    ),
    "mean_transition_matrix": (
        {"probs": PROBS, "clean_labels": LABELS},
        {"probs": tables(PROBS, **PROBABILITIES), "clean_labels": labels},
    ),
    "oracle": (
        {"clean_labels": LABELS, "noisy_labels": LABELS, "n_classes": 3},
        {"clean_labels": labels, "noisy_labels": labels, "n_classes": n_classes},
    ),
    **{
        name: ({"estimate": MATRIX, "truth": MATRIX}, {"estimate": tables(MATRIX), "truth": tables(MATRIX)})
        for name in ("l1_error", "frobenius_error")
    },
    "noise_rate": ({"transition_matrix": MATRIX}, {"transition_matrix": matrix, "class_priors": priors}),
    "validate": ({"transition_matrix": MATRIX}, {"transition_matrix": matrix, "n_classes": whole(-1, 0)}),
    **{
        name: ({"n_classes": 3, "rate": 0.2}, {"n_classes": n_classes, "rate": rate})
        for name in ("symmetric", "pair_flip")
    },
    **{
        name: ({"transition_matrix": MATRIX}, {"transition_matrix": matrix})
        for name in ("Forward", "Reweighted", "Resampled", "Revised")
    },
    "Backward": ({"transition_matrix": MATRIX}, {"transition_matrix": matrix | singular}),
    "CoTeaching": ({}, {"forget": share, "ramp": share}),
    "EarlyLearning": (
        {"n_samples": 12, "n_classes": 3},
        {"n_samples": whole(-1, 0, 10**13), "n_classes": n_classes, "weight": positive, "memory": share},
    ),
    "GeneralisedCrossEntropy": ({}, {"power": share}),
    "Mixup": ({}, {"alpha": positive}),
    "SymmetricCrossEntropy": ({}, {"alpha": positive, "beta": positive, "log_of_zero": real(0, 1)}),
    **{
        name: ({"n_classes": 3}, {"n_classes": n_classes, "weight": real(-1), "start_diagonal": diagonal})
        for name in ("SigmoidVolumeMinimised", "TotalVariation", "VolumeMinimised")
    },
    **{name: ({}, {"classes": CLASSES}) for name in ("fashion_mnist", "fashion_mnist_h")},
    "cifar10n": ({}, {"labels": TEXTS}),
    "read_npz": ({"path": "set.npz"}, {"path": PATHS, "n_classes": whole(-1, 0, 1)}),
    "write_npz": ({"path": "set.npz", "noisy_set": SET}, {"path": NO_TARGETS, "noisy_set": NO_ARRAYS}),
    "load_network": ({}, {"path": PATHS}),
    "TrainedNetwork.save": ({"self": NETWORK}, {"path": NO_TARGETS}),
    **{
        f"TrainedNetwork.{name}": ({"self": NETWORK, "images": IMAGES}, {"images": but(PIXELS, "an image more")})
        for name in ("predict", "predict_proba")
    },
    "Bounds.covers": (
        {"self": labelnoise.Bounds(MATRIX, MATRIX, MATRIX), "transition_matrix": MATRIX},
        {"transition_matrix": of_three},
    ),
    "estimate": (
        {"pred_probs": PROBS, "labels": LABELS},
        {
            "pred_probs": but(probs, "a row of 0.9", "a sum of 0.9"),
            "labels": but(labels, *FILE_LABELS),
            "estimator": TEXTS,
            "threshold": real(-0.1, 1.1),
        },
    ),
    "train": (
        {"images": IMAGES, "labels": LABELS, "test_images": IMAGES, "test_labels": LABELS},
        {
            "images": PIXELS,
            "labels": but(labels, *FILE_LABELS, "a huge label", "the hugest label", "unsigned and huge"),
            "test_images": PIXELS,
            "test_labels": but(labels, *FILE_LABELS),
            "image_size": whole(-1, 0, 10**9),
            "seed": seed,
            "workers": whole(-1, 0),
            "device": TEXTS,
            "method": TEXTS,
            "network": TEXTS,
            "progress": FLAGS,
        },
    ),
}


def public(name):
    """The function, class or method that is public by this name."""
    return operator.attrgetter(name)(labelnoise)


def cases():
    """Each bad value of each argument: the function's name, the argument, what is wrong, and all that is passed."""
    for name, (good, bad) in FUNCTIONS.items():
        defaults = {key: each.default for key, each in inspect.signature(public(name)).parameters.items()}
        for argument, values in bad.items():
            for wrong, value in values.items():
                if value is not defaults[argument]:
                    yield name, argument, wrong, {**good, argument: value}
