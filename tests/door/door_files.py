"""Bad files, and who reads them: each is made in the current folder, and the message names it."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from door_arguments import but
from PIL import Image
from safetensors.torch import save_file

N = 60
LABELS = np.arange(N) % 3
PROBS = np.full((N, 3), 0.1) + 0.7 * np.eye(3)[LABELS]
IMAGES = np.random.default_rng(0).integers(256, size=(N, 28, 28), dtype=np.uint8)


def saved(name, content):
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def npy(name, array):
    return lambda: np.save(name, array)


def header(shape, descr="<f8"):
    """The bytes of an .npy file that claims a shape and has one number."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(8)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def parquet(name, columns, metadata=None):
    def make():
        table = pyarrow.table(columns)
        if metadata is not None:
            table = table.replace_schema_metadata({"huggingface": metadata})
        pyarrow.parquet.write_table(table, name)

    return make


def anything(name):
    """What may lie where a file of any kind is expected."""
    return {
        "no file": lambda: None,
        "a folder": Path(name).mkdir,
        "a pipe": lambda: os.mkfifo(name),
        "a device": lambda: os.symlink("/dev/zero", name),
        "the kernel's messages": lambda: os.symlink("/proc/kmsg", name),
        "a link to nowhere": lambda: os.symlink("nowhere", name),
        "a link to itself": lambda: os.symlink(name, name),
        "0 bytes": saved(name, b""),
        "a zero": saved(name, b"\0"),
        "random bytes": saved(name, np.random.default_rng(0).bytes(999)),
        "text": saved(name, "x\n") if not name.endswith("csv") else saved(name, b"\xff\xfe\0x"),
        "a cut header": saved(name, b"\x93NUMPY\x01\x00"),
        "a cut archive": saved(name, b"PK\x03\x04"),
        "an empty archive": saved(name, b"PK\x05\x06" + bytes(18)),
        "a pickle": saved(name, b"\x80\x04\x95\x05\0\0\0\0\0\0\0K\x01."),
    }


def claims(name):
    """Headers of .npy files that claim what isn't there."""
    shapes = {
        "10^15 numbers": (10**15,),
        "10^18 numbers": (10**9, 10**9),
        "a negative shape": (-1, 3),
        "more than 64 bits": (2**70,),
        "no shape": "x",
        "a nested shape": ((1,), 2),
    }
    types = {"objects": "|O", "an unknown type": "<q99", "a call": "__import__('os')", "fields": "x', 'x"}
    found = {f"a header with {key}": saved(name, header(shape)) for key, shape in shapes.items()}
    found |= {f"a header with {key}": saved(name, header((1,), each)) for key, each in types.items()}
    return found | {
        "a long header": saved(name, header((1,)) + b"x" * 10),
        "deeply nested": saved(name, header("(" * 60 + ")" * 60)),
    }


LABEL_ARRAYS = {
    "no labels": LABELS[:0],
    "two columns": np.stack([LABELS, LABELS], axis=1),
    "no columns": np.zeros((N, 0)),
    "a number": np.array(1),
    "dates": np.full(N, np.datetime64("2020-01-01")),
    "durations": LABELS.astype("m8[s]"),
    "complex": LABELS * 1j,
    "fields": np.zeros(N, dtype=[("a", "f8")]),
    "objects": np.full(N, None),
    "a label short": LABELS[1:],
    "NaN": np.where(LABELS == 1, np.nan, 0),
    "negative": LABELS - 1,
    "a fraction": LABELS + 0.5,
    "infinity": np.where(LABELS == 1, np.inf, 0),
    "one class": 0 * LABELS,
    "bytes": np.full(N, b""),
    "bytes that are no UTF-8": np.full(N, b"\xd6"),
    "long double with NaN": np.full(N, np.nan, np.longdouble),
}
BEYOND = {
    "unsigned and huge": (LABELS + np.uint64(2**63)).astype(np.uint64),
    "huge": LABELS + 10**10,
    "five classes of three": (LABELS + np.arange(N) % 2 * 3),
    "long double and huge": LABELS * np.longdouble(1e300),
}
PROB_ARRAYS = {
    "no rows": PROBS[:0],
    "one axis": PROBS[:, 0],
    "three axes": PROBS[None],
    "a number": np.array(1.0),
    "one column": PROBS[:, :1],
    "text": PROBS.astype("U4"),
    "complex": PROBS * 1j,
    "integers": (PROBS * 10).astype(int),
    "booleans": PROBS > 0.5,
    "NaN": np.where(PROBS > 0.5, np.nan, PROBS),
    "infinity": np.where(PROBS > 0.5, np.inf, PROBS),
    "logits": np.log(PROBS),
    "negative": PROBS - 0.2,
    "a row more": np.vstack([PROBS, PROBS[:1]]),
    "transposed": PROBS.T,
    "zeros": 0 * PROBS,
    "dates": np.full(PROBS.shape, np.datetime64("2020")),
    "long double logits": np.log(PROBS).astype("g"),
    "beyond float64": np.full(PROBS.shape, np.longdouble("1e4000")),
    "float16 infinity": np.full(PROBS.shape, np.inf, np.float16),
    "sums of 3": PROBS * 3,
    "objects": PROBS.astype(object),
}
IMAGE_ARRAYS = {
    "no images": IMAGES[:0],
    "one axis": IMAGES[:, 0, 0],
    "flat": IMAGES.reshape(N, -1),
    "five axes": IMAGES[None, None],
    "four channels": np.stack([IMAGES] * 4, axis=-1),
    "text": IMAGES.astype("U3"),
    "complex": IMAGES * 1j,
    "oblong": IMAGES[:, :20],
    "NaN": np.where(IMAGES > 9, np.nan, 1),
    "infinity": np.where(IMAGES > 9, np.inf, 1),
    "negative": IMAGES - 300.0,
    "beyond 255": IMAGES * 9.0,
    "small": IMAGES[:, :9, :9],
    "no pixels": IMAGES[:, :0],
    "a number": np.array(1),
    "objects": IMAGES.astype(object),
    "an image short": IMAGES[1:],
    "dates": IMAGES.astype("M8[s]"),
    "long double beyond 255": IMAGES * np.longdouble(1e10),
    "all of nothing": np.zeros((0, 28, 28), np.uint8),
}
CSV = {
    "a header only": "label\n",
    "no label in a row": "label\n0\n\n1\n",
    "two columns": "a,b\n" + "0,1\n" * N,
    "a longer row": "id,label\n0,1\n1,2,3\n",
    "unclosed quotes": 'id,label\n0,"1\n',
    "a zero byte": "label\n0\0\n",
    "a label short": "label\n" + "0\n1\n" * 20,
    "one class": "label\n" + "0\n" * N,
    "names of others": "label\n" + "cat\n" * N,
    "a negative label": "label\n" + "-1\n" * N,
    "a fraction": "label\n" + "0.5\n" * N,
    "only blanks": " \n \n",
    "a huge label": "label\n" + "1e999\n" * N,
    "a long field": "label\n" + "9" * 200_000 + "\n",
    "UTF-16": "label\n0\n".encode("utf-16"),
    "Latin-1": "label\n\xe9\n".encode("latin-1"),
    "a mark alone": b"\xef\xbb\xbf",
    "an empty first line": "\nlabel\n" + "0\n1\n2\n" * 20,
}
PROB_CSV = {
    "a header only": "a,b,c\n",
    "a word": "a,b,c\n" + "0.5,x,0.5\n" * N,
    "a name twice": "a,a,b\n" + "0.5,0.5,0\n" * N,
    "a gap": "0,1,2\n" + "0.5,,0.5\n" * N,
    "a longer row": "0,1,2\n" + "1,0,0,0\n" * N,
    "one column": "0\n" + "1.0\n" * N,
    "NaN": "0,1,2\n" + "nan,0.5,0.5\n" * N,
    "logits": "0,1,2\n" + "-3.5,2.5,7.5\n" * N,
    "a zero byte": "0,1,2\n1,0,\0\n",
    "a row short": "0,1,2\n" + "0.5,0.25,0.25\n" * (N - 1),
    "infinity": "0,1,2\n" + "inf,0.5,0.5\n" * N,
    "text": "x\n" * N,
    "an empty first line": "\na,b,c\n" + "0.5,0.25,0.25\n" * N,
}
JSONL = {
    "no JSON": "x\n",
    "a list": "[1]\n",
    "a number": "1\n",
    "cut off": '{"label": 1\n',
    "null": '{"label": null}\n' * N,
    "nested": '{"label": {"a": 1}}\n' * N,
    "a list a row": '{"label": [1]}\n' * N,
    "nothing": "{}\n" * N,
    "two kinds": '{"label": 1}\n{"label": "a"}\n',
    "deep": "[" * 9000 + "\n",
}
FAR = pyarrow.array([2**62] * N, pyarrow.timestamp("ms"))
COLUMNS = {
    "no columns": {},
    "no rows": {"label": pyarrow.array([], pyarrow.int64())},
    "timestamps out of range": {"label": FAR},
    "dates out of range": {"label": pyarrow.array([2**30] * N, pyarrow.date32())},
    "durations": {"label": pyarrow.array([2**62] * N, pyarrow.duration("ms"))},
    "nulls": {"label": pyarrow.nulls(N)},
    "lists": {"label": [[1]] * N},
    "structs": {"label": [{"a": 1}] * N},
    "a gap": {"label": [0, None] * (N // 2)},
    "binary": {"label": [b"\xff"] * N},
    "two columns": {"a": LABELS, "b": LABELS},
    "decimals": {"label": pyarrow.array([1] * N, pyarrow.decimal128(3, 1))},
    "a label short": {"label": LABELS[1:]},
}
PICTURES = [{"bytes": png(pixels), "path": None} for pixels in IMAGES]
IMAGE_COLUMNS = {
    **but(COLUMNS, "two columns"),
    "no image": {"label": LABELS},
    "images that are text": {"image": ["x"] * N, "label": LABELS},
    "images that are null": {"image": pyarrow.nulls(N), "label": LABELS},
    "no picture": {"image": [b"x"] * N, "label": LABELS},
    "numbers": {"image": LABELS, "label": LABELS},
    "times": {"image": FAR, "label": LABELS},
    "a cut picture": {"image": [PICTURES[0]["bytes"][:60]] * N, "label": LABELS},
    "no label": {"image": PICTURES},
}
FEATURES = {
    "a list": [],
    "a string": "x",
    "a number": 1,
    "null": None,
    "no JSON": "{",
    "info is a list": {"info": []},
    "features is a list": {"info": {"features": ["label"]}},
    "a null feature": {"info": {"features": {"label": None}}},
    "a feature that is text": {"info": {"features": {"label": "x"}}},
    "features is null": {"info": {"features": None}},
    "names that are text": {"info": {"features": {"label": {"names": "cat"}}}},
    "names that are numbers": {"info": {"features": {"label": {"names": [1, 2, 3]}}}},
    "too few names": {"info": {"features": {"label": {"names": ["a"]}}}},
    "names that are null": {"info": {"features": {"label": {"names": [None] * 3}}}},
    "info is null": {"info": None},
}
ABOUT = {
    "network": "lenet",
    "in_channels": 1,
    "image_size": 28,
    "class_names": ["a", "b"],
    "mean": 1,
    "deviation": 1,
    "resized": None,
}


ODD = {
    "image_size": (100_000,),
    "class_names": ("ab", ["a", 1], {"a": 0, "b": 1}),
    "resized": ([1], True, 29),
    "mean": ("0.5", float("inf"), float("nan"), 1e308, True),
    "deviation": ("0.5", 0, 5e-324, float("inf"), float("nan"), 1e308),
}


def archive(**arrays):
    return lambda: np.savez("bad.npz", **{"Xtr": IMAGES, "Str": LABELS, **arrays})


def member(key, content, size=None):
    """An archive with an entry of its own bytes, packed."""

    def make():
        np.savez("bad.npz", **but({"Xtr": IMAGES, "Str": LABELS}, key))
        with zipfile.ZipFile("bad.npz", "a", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{key}.npy", content)

    return make


def archives(images, labels):
    """Bad .npz files of a set."""
    found = anything("bad.npz")
    found |= {f"labels: {key}": archive(Str=array) for key, array in labels.items()}
    found |= {f"images: {key}": archive(Xtr=array) for key, array in images.items()}
    found |= {
        "tests without labels": archive(Xts=IMAGES),
        "labels of tests alone": archive(Yts=LABELS),
        "a test too few": archive(Xts=IMAGES, Yts=LABELS[1:]),
        "a test of another class": archive(Xts=IMAGES, Yts=LABELS + 9),
    }
    for key in ("Xtr", "Str"):
        found |= {
            f"{key}: {title}": member(key, header(shape, "|u1" if key == "Xtr" else "<i8"))
            for title, shape in {"10^15 numbers": (10**15,), "negative": (-5,), "2^70 numbers": (2**70,)}.items()
        }
        found |= {
            f"{key}: {title}": member(key, content)
            for title, content in {
                "no array": b"x",
                "nothing": b"",
                "a cut header": b"\x93NUMPY\x01\x00",
                "another version": b"\x93NUMPY\x09\x00" + bytes(99),
                "a pickle": b"\x80\x04K\x01.",
            }.items()
        }
    return found


def weights(about):
    return lambda: save_file({"x": torch.zeros(1)}, "bad.safetensors", {"labelnoise": about} if about else None)


def folder(**files):
    def make():
        for k, (pixels, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            Path(f"bad/{label}").mkdir(parents=True, exist_ok=True)
            Path(f"bad/{label}/{k}.png").write_bytes(png(pixels))
        for name, content in files.items():
            content(Path("bad", *name.split("__")).with_suffix(".png"))

    return make


def files(table, *others):
    """A folder with a table, and images that it lists."""

    def make():
        Path("bad").mkdir()
        for k, pixels in enumerate(IMAGES):
            Path(f"bad/{k}.png").write_bytes(png(pixels))
        Path("bad/labels.csv").write_text(table)
        for other in others:
            other()

    return make


LISTED = "image,label\n" + "".join(f"{k}.png,{label}\n" for k, label in enumerate(LABELS))
FOLDERS = {
    "nothing": Path("bad").mkdir,
    "a folder without images": lambda: Path("bad/cat").mkdir(parents=True),
    "a pipe among images": folder(**{"0__zz": os.mkfifo}),
    "a device": folder(**{"1__zz": lambda p: p.symlink_to("/dev/zero")}),
    "a link to nowhere": folder(**{"1__zz": lambda p: p.symlink_to("nowhere")}),
    "an empty image": folder(**{"2__zz": Path.touch}),
    "no image": folder(**{"2__zz": lambda p: p.write_bytes(b"x")}),
    "another size": folder(**{"2__zz": lambda p: p.write_bytes(png(IMAGES[0, :9]))}),
    "two tables": files(LISTED, saved("bad/more.csv", LISTED)),
    "a table that is a pipe": files(LISTED, lambda: os.mkfifo("bad/metadata.csv")),
    "an image that is missing": files(LISTED + "x.png,1\n"),
    "an image that is a pipe": files(LISTED + "x.png,1\n", lambda: os.mkfifo("bad/x.png")),
    "other columns": files("a,b\n0.png,1\n"),
    "no label": files("image,label\n0.png,\n"),
    "a header only": files("image,label\n"),
    "one npy": files("image,label\n", lambda: Path("bad/labels.csv").unlink(), npy("bad/x.npy", IMAGES)),
    "two npy that are none": lambda: (
        Path("bad").mkdir(),
        Path("bad/a.npy").write_bytes(b"x"),
        Path("bad/b.npy").write_bytes(b"x"),
    ),
    "two npy that are pipes": lambda: (Path("bad").mkdir(), os.mkfifo("bad/a.npy"), os.mkfifo("bad/b.npy")),
    "two npy that don't fit": lambda: (
        Path("bad").mkdir(),
        np.save("bad/a.npy", IMAGES),
        np.save("bad/b.npy", LABELS[1:]),
    ),
}
GOOD_LABELS, GOOD_PROBS = npy("labels.npy", LABELS), npy("probs.npy", PROBS)
GOOD_IMAGES, GOOD_SET = npy("images.npy", IMAGES), archive()
KEYS = ("Xtr", "Str", "Xts", "Yts")


def readers():
    """Commands as texts, what is made first, what is bad, and the words one of which the message has."""
    estimate, probs = "estimate --labels bad{} --probs probs.npy", "estimate --labels labels.npy --probs bad{}"
    for ending, more in (
        (".csv", {key: saved("bad.csv", content) for key, content in CSV.items()}),
        (".npy", claims("bad.npy") | {k: npy("bad.npy", array) for k, array in (LABEL_ARRAYS | BEYOND).items()}),
        (".jsonl", {key: saved("bad.jsonl", content) for key, content in JSONL.items()}),
        (".parquet", {key: parquet("bad.parquet", columns) for key, columns in COLUMNS.items()}),
    ):
        for wrong, make in (anything(f"bad{ending}") | more).items():
            yield f"labels{ending}", estimate.format(ending), (GOOD_PROBS, make), wrong
    for ending, more in (
        (".csv", {key: saved("bad.csv", content) for key, content in PROB_CSV.items()}),
        (".npy", claims("bad.npy") | {key: npy("bad.npy", array) for key, array in PROB_ARRAYS.items()}),
        (".parquet", {key: parquet("bad.parquet", columns) for key, columns in COLUMNS.items()}),
    ):
        for wrong, make in (anything(f"bad{ending}") | more).items():
            yield f"probabilities{ending}", probs.format(ending), (GOOD_LABELS, make), wrong
    of_images = but(LABEL_ARRAYS, "bytes")
    for wrong, make in archives(IMAGE_ARRAYS, of_images).items():
        yield "images.npz", "train bad.npz", (make,), wrong
    for wrong, make in (anything("bad.npy") | claims("bad.npy")).items():
        yield "images.npy", "train bad.npy labels.npy", (GOOD_LABELS, make), wrong
        yield "labels of images.npy", "train images.npy bad.npy", (GOOD_IMAGES, make), wrong
    for wrong, array in IMAGE_ARRAYS.items():
        yield "images.npy", "train bad.npy labels.npy", (GOOD_LABELS, npy("bad.npy", array)), wrong
    for wrong, array in of_images.items():
        yield "labels of images.npy", "train images.npy bad.npy", (GOOD_IMAGES, npy("bad.npy", array)), wrong
    for wrong, columns in IMAGE_COLUMNS.items():
        yield "images.parquet", "train bad.parquet", (parquet("bad.parquet", columns),), wrong
    for wrong, make in but(anything("bad.parquet"), "a folder").items():
        yield "images.parquet", "train bad.parquet", (make,), wrong
    for wrong, features in FEATURES.items():
        columns = {"image": PICTURES, "label": LABELS}
        text = features if wrong == "no JSON" else json.dumps(features)
        yield "metadata of Parquet", "train bad.parquet", (parquet("bad.parquet", columns, text),), wrong
    for wrong, make in FOLDERS.items():
        yield "folder of images", "train bad", (make,), wrong


def sets():
    """Sets that `read_npz` would refuse, as arguments of a `NoisySet`."""
    images, labels = torch.from_numpy(IMAGES)[:, None], LABELS
    good = {"train_images": images, "noisy_labels": labels, "test_images": images, "test_labels": labels}
    bad_images = {
        "no images": images[:0],
        "fractions": images / 255,
        "wide": images.long(),
        "two channels": images.repeat(1, 2, 1, 1),
        "one axis": images[:, 0, 0, 0],
        "text": "x",
        "sparse": images.float().to_sparse(),
        "meta": images.to("meta"),
        "an image short": images[1:],
        "no pixels": images[..., :0],
        "a list": [1, 2],
        "a number": 3,
        "five axes": images[None],
    }
    bad_labels = {
        "no labels": labels[:0],
        "fractions": labels / 2,
        "text": labels.astype(str),
        "negative": labels - 1,
        "a table": labels[:, None],
        "a label short": labels[1:],
        "None in it": [None] * N,
        "a number": 3,
        "ragged": [[0], 1],
        "unsigned and huge": (labels + np.uint64(2**63)).astype(np.uint64),
        "masked": np.ma.masked_equal(labels, 1),
    }
    for key in good:
        for wrong, value in (bad_images if "images" in key else bad_labels).items():
            yield f"{key}: {wrong}", good | {key: value}
        yield f"{key}: None", good | {key: None}


def networks():
    """Bad files of trained networks."""
    changed = {
        "no description": None,
        "no JSON": "{",
        "a list": "[]",
        "nothing in it": "{}",
        "other weights": json.dumps(ABOUT),
        **{
            f"{key} is {value!r}": json.dumps(ABOUT | {key: value})
            for key in ABOUT
            for value in (None, [], "x", -1, {})
            if (key, value) != ("resized", None)
        },
        **{f"{key} is {value!r}": json.dumps(ABOUT | {key: value}) for key, values in ODD.items() for value in values},
        **{f"no {key}": json.dumps(but(ABOUT, key)) for key in ABOUT if key != "resized"},
    }
    return anything("bad.safetensors") | {key: weights(about) for key, about in changed.items()}
