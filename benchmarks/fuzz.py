"""Changes small valid files without end, guided by the code that they reach, and reads them.

    pip install atheris                             # Linux or macOS, Python 3.11 to 3.13
    python benchmarks/fuzz.py npz                   # one of READERS, for five minutes
    python benchmarks/fuzz.py npz --seconds 3600
    python benchmarks/fuzz.py npz --again FILE      # read a file that was found

Each must give a result or an `InputError`; a ledger serves the lines that it can trust and warns of others. A file that
does otherwise, or takes more than 10 seconds or a gigabyte, is left in ``runs/fuzz/`` and ends the search; the tests
keep such files.
"""

import argparse
import hashlib
import io
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["labelnoise", "numpy", "zipfile", "json", "gzip", "safetensors"]):
    import gzip
    import json
    import zipfile

    import numpy as np
    import pyarrow
    import pyarrow.parquet
    import torch
    from PIL import Image
    from safetensors.torch import save

    from labelnoise import load_network
    from labelnoise.data import _cifar as cifar
    from labelnoise.data import read_npz, sources
    from labelnoise.errors import InputError
    from labelnoise.own._samples import read_probs, read_samples
    from labelnoise.own._tabular import read_labels
    from labelnoise.own.images import read_images
    from labelnoise.trials import Ledger, Record, encode, trial
    from labelnoise.trials._ledger import DamagedLine

SECONDS, MEGABYTES = 10, 1024  # that reading a small file may take
LONGEST = 4096  # bytes of a file
FOUND = Path("runs/fuzz")
LABELS = np.arange(20) % 2
IMAGES = np.arange(20 * 9, dtype=np.uint8).reshape(20, 3, 3)
PROBS = np.full((20, 2), 0.2) + 0.6 * np.eye(2)[LABELS]
ABOUT = {"network": "lenet", "in_channels": 1, "image_size": 28, "class_names": ["a", "b"], "mean": 1, "deviation": 1}


@dataclass(frozen=True)
class Reader:
    """What reads files of a kind.

    Attributes:
        name: of the file.
        read: takes its path.
        seeds: valid content to begin with.
        forms: what the changed bytes are put into; by checksums and compression alone, no change would come further.
    """

    name: str
    read: Callable[[Path], None]
    seeds: Callable[[], list[bytes]]
    forms: tuple[Callable[[bytes], bytes], ...] = (bytes,)


def each(*functions: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Reads a file by several functions, each of which may refuse it in a sentence."""

    def read(path: Path) -> None:
        for function in functions:
            try:
                function(path)
            except InputError as error:
                if not str(error).strip() or "\n" in str(error):
                    raise AssertionError(f"no sentence: {str(error)!r}") from error

    return read


def saved(write: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    file = io.BytesIO()
    write(file, *args, **kwargs)
    return file.getvalue()


def zipped(content: bytes, *names: str, **others: bytes) -> bytes:
    """An archive with the bytes under each name, and with others."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, entry in [*((name, content) for name in names), *others.items()]:
            archive.writestr(name.replace("__", "."), entry)
    return file.getvalue()


def table(**columns: Any) -> bytes:
    return saved(lambda file: pyarrow.parquet.write_table(pyarrow.table(columns), file))


def npz_seeds() -> list[bytes]:
    whole = saved(np.savez_compressed, Xtr=IMAGES, Str=LABELS, Xts=IMAGES, Yts=LABELS)
    names = np.array(["cat", "dog"])[LABELS]
    arrays = (IMAGES, LABELS, IMAGES / 255, names, LABELS.astype("S1"), IMAGES[..., None].astype("f2"))
    return [whole, saved(np.savez, IMAGES, LABELS), *(saved(np.save, array) for array in arrays)]


def npz_forms() -> tuple[Callable[[bytes], bytes], ...]:
    images, labels = saved(np.save, IMAGES), saved(np.save, LABELS)
    return (
        bytes,
        lambda content: zipped(content, "Xtr.npy", Str__npy=labels),
        lambda content: zipped(content, "Str.npy", Xtr__npy=images),
    )


def csv_seeds() -> list[bytes]:
    rows = [f"{k},{label},{0.8 - 0.6 * label:.1f},{0.2 + 0.6 * label:.1f}\n" for k, label in enumerate(LABELS)]
    texts = ["0\n1\n" * 10, "label\ncat\ndog\n", "a,b\n0.5,0.5\n1,0\n", "id,label,0,1\n" + "".join(rows)]
    texts += ["a;b\n0,5;0,5\n", '"a\tb"\t"c"\n1\t0\n', "label\n0\n\n1\n", "\ufefflabel|x\n1|2\n"]
    return [text.encode() for text in [*texts, '{"label": 1, "0": 0.5, "1": 0.5}\n']]


def parquet_seeds() -> list[bytes]:
    png = saved(lambda file: Image.fromarray(IMAGES[0]).save(file, "png"))
    picture = [{"bytes": png, "path": None}] * 20
    return [
        table(label=LABELS, a=PROBS[:, 0], b=PROBS[:, 1]),
        table(image=picture, label=LABELS),
        table(label=["cat", "dog", None]),
        table(label=pyarrow.array([1, 2], pyarrow.timestamp("ms"))),
    ]


def idx_seeds() -> list[bytes]:
    raw = b"\0\0\x08\x01" + (20).to_bytes(4, "big") + LABELS.astype(np.uint8).tobytes()
    return [raw, gzip.compress(raw)]


def network_seeds() -> list[bytes]:
    weights = {"x": torch.zeros(1)}
    return [save(weights, {"labelnoise": json.dumps(ABOUT)}), save(weights), json.dumps(ABOUT).encode()]


def human_seeds() -> list[bytes]:
    whole = saved(lambda file: torch.save({"clean_label": LABELS, "worse_label": LABELS}, file))
    tensors = saved(lambda file: torch.save({"clean_label": torch.zeros(3)}, file))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return [whole, tensors, archive.read("archive/data.pkl")]


def records() -> list[Record]:
    return [Record(trial=trial(noise="paper-0.5", model="lenet", method="cross-entropy", seed=k)) for k in range(2)]


def signed(content: bytes) -> bytes:
    """Lines that each get a key and a hash that fits, whatever they say."""
    key = records()[0].trial.key.encode()
    heads = (hashlib.sha256(key + line).hexdigest().encode() for line in content.split(b"\n"))
    lines = zip(heads, content.split(b"\n"), strict=True)
    return b"".join(b'{"key": "%b", "sha256": "%b", %b\n' % (key, head, line) for head, line in lines)


def read_ledger(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DamagedLine)
        ledger = Ledger(path)
        for record in ledger:
            assert record.trial in ledger
            assert record.complete
            ledger.find_fit(record.trial)


def ledger_seeds() -> list[bytes]:
    lines = [encode(record) for record in records()]
    return [b"".join(lines), lines[0][:-1], lines[0].split(b'", ', 2)[2].rstrip()]


READERS = {
    "npz": Reader("a.npz", each(read_npz, read_images), npz_seeds, npz_forms()),
    "npy": Reader("a.npy", each(read_labels, read_probs), lambda: npz_seeds()[2:]),
    "csv": Reader("a.csv", each(read_labels, read_probs, read_samples), csv_seeds),
    "jsonl": Reader("a.jsonl", each(read_labels, read_probs, read_samples), csv_seeds),
    "parquet": Reader("a.parquet", each(read_labels, read_probs, read_samples, read_images), parquet_seeds),
    "idx": Reader(
        "t10k-labels-idx1-ubyte.gz",
        each(lambda path: sources._idx(path, path.stem)),
        idx_seeds,
        (bytes, gzip.compress),
    ),
    "network": Reader(
        "a.safetensors",
        each(load_network),
        network_seeds,
        (bytes, lambda content: save({"x": torch.zeros(1)}, {"labelnoise": content.decode(errors="replace")})),
    ),
    "human": Reader(
        "a.pt",
        each(lambda path: cifar.labels_in(path, "worse", LABELS)),
        human_seeds,
        (bytes, lambda content: zipped(content, "archive/data.pkl", **{"archive/version": b"3\n"})),
    ),
    "ledger": Reader("a.jsonl", read_ledger, ledger_seeds, (bytes, signed)),
}


def prepared(folder: Path, reader: Reader, seconds: int) -> list[str]:
    """Arguments of libFuzzer, once there is what they name."""
    (corpus := folder / "corpus").mkdir()
    for k, content in enumerate(reader.seeds()):
        (corpus / str(k)).write_bytes(content)
    FOUND.mkdir(parents=True, exist_ok=True)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**10 if sys.platform == "linux" else 2**20)
    limits = {"max_total_time": seconds, "timeout": SECONDS, "rss_limit_mb": used + MEGABYTES, "max_len": LONGEST}
    given = limits | {"artifact_prefix": f"{FOUND}/{reader.name}-", "print_final_stats": 1}
    return [sys.argv[0], str(corpus), *(f"-{name}={value}" for name, value in given.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--again", type=Path, metavar="FILE")
    options = parser.parse_args()
    reader = READERS[options.reader]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, reader.name)

        def read(content: bytes) -> None:
            for form in reader.forms:
                path.write_bytes(form(content))
                reader.read(path)

        if options.again:
            read(options.again.read_bytes())
        else:
            atheris.Setup(prepared(Path(folder), reader, options.seconds), read)
            atheris.Fuzz()


if __name__ == "__main__":
    main()
