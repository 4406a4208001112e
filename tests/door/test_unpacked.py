"""What is small as a file and huge once it is unpacked is refused before that, and what a user may have is read."""

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from labelnoise import _files
from labelnoise.errors import InputError
from labelnoise.own._samples import read_samples
from labelnoise.own._tabular import read_labels
from labelnoise.own.images import read_images

PIECE, PIECES = 2**16, 2**8  # bytes of zeros, 16 MiB in all
LABELS = np.arange(20) % 2


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def low(monkeypatch):
    """A lower limit, so that what is beyond it is made at once."""
    monkeypatch.setattr(_files, "MOST_UNPACKED", 2**20)


def npz(method):
    """Blank images, which are written in pieces."""
    np.savez("own.npz", Str=LABELS)
    header = {"descr": "|u1", "fortran_order": False, "shape": (PIECES, 256, 256)}
    with zipfile.ZipFile("own.npz", "a", method) as archive, archive.open("Xtr.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(PIECES):
            file.write(bytes(PIECE))


def parquet(column, pieces, **how):
    with pyarrow.parquet.ParquetWriter("own.parquet", pyarrow.schema({"label": column.type}), **how) as writer:
        for _ in range(pieces):
            writer.write_table(pyarrow.table({"label": column}))


ONE = pyarrow.array(np.zeros(PIECE, np.int64))
PARQUET = {
    "rows of one value": lambda: parquet(ONE, 32),
    "zeros that are packed": lambda: parquet(ONE, 32, use_dictionary=False, compression="zstd"),
}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_of_an_npz_nothing_is_unpacked_that_is_far_larger_than_what_is_stored(low, method):
    npz(method)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"^Xtr in own\.npz would unpack to 16,777,344 bytes, more than 100 times"):
        read_images(Path("own.npz"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("make", PARQUET.values(), ids=PARQUET)
def test_of_parquet_no_column_is_read_that_is_far_larger_than_what_is_stored(low, make, monkeypatch):
    make()
    monkeypatch.setattr(pyarrow.parquet, "read_table", lambda *args, **kwargs: pytest.fail("it was read"))
    np.save("probs.npy", np.full((32 * PIECE, 2), 0.5, np.float16))
    with pytest.raises(InputError, match=r"^own\.parquet would unpack to 16,7\d\d,\d{3} bytes, more than 100 times"):
        read_samples(Path("own.parquet"), Path("probs.npy"))


def test_statistics_that_do_not_fit_their_column_are_told_in_a_sentence():
    # Found by the fuzzer: to ask such a column for its number of values ended the process.
    parquet(pyarrow.array(LABELS), 1)
    path = Path("own.parquet")
    optional, required = (b"\x25" + each + b"\x18\x05label" for each in (b"\x02", b"\x00"))
    assert path.read_bytes().count(optional) == 1
    path.write_bytes(path.read_bytes().replace(optional, required))
    with pytest.raises(InputError, match=r"own\.parquet"):
        read_labels(path)


def test_of_parquet_no_column_is_read_that_no_memory_holds(monkeypatch):
    parquet(pyarrow.array(LABELS), 1)
    monkeypatch.setattr("os.sysconf", lambda name: 10)
    with pytest.raises(InputError, match=r"^A column of own\.parquet would take"):
        read_samples(Path("own.parquet"), Path("probs.npy"))


@pytest.mark.parametrize("most", [700, 300], ids=["of which PIL warns", "which PIL refuses"])
def test_an_image_of_too_many_pixels_is_told_in_a_sentence(monkeypatch, most):
    for row, label in enumerate(LABELS):
        Path(str(label)).mkdir(exist_ok=True)
        Image.new("L", (28, 28)).save(f"{label}/{row}.png")
    assert len(read_images(Path.cwd()).images) == len(LABELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
    with pytest.raises(InputError, match=rf"^Row 0 of .* of more than {most} pixels \(0/0\.png\); make it smaller\.$"):
        read_images(Path.cwd())


def test_blank_images_and_many_labels_of_one_class_are_read():
    blank = np.zeros((len(LABELS), 256, 256), np.uint8)
    np.savez_compressed("own.npz", Xtr=blank, Str=LABELS)
    assert read_images(Path("own.npz")).images.shape == (len(LABELS), 1, 256, 256)
    probs = np.full((PIECE, 2), 0.5)
    np.save("probs.npy", probs)
    parquet(pyarrow.array((np.arange(PIECE) == 0).astype(int)), 1)
    assert read_samples(Path("own.parquet"), Path("probs.npy")).noisy_labels.sum() == 1
