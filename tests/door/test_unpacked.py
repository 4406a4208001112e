"""What is small as a file and huge once it is unpacked is refused before that, and what a user may have is read."""

import io
import tracemalloc
import zipfile
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from labelnoise import _files
from labelnoise.errors import InputError
from labelnoise.own._samples import read_probs, read_samples
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
    for name in ("read", "iter_batches"):
        monkeypatch.setattr(pyarrow.parquet.ParquetFile, name, lambda *args, **kwargs: pytest.fail("it was read"))
    np.save("probs.npy", np.full((32 * PIECE, 2), 0.5, np.float16))
    with pytest.raises(InputError, match=r"^own\.parquet would unpack to 16,7\d\d,\d{3} bytes, more than 100 times"):
        read_samples(Path("own.parquet"), Path("probs.npy"))


POOLS = []  # to which what is read goes back, at any later time


@contextmanager
def little_memory(most):
    """No more than these bytes are taken by Arrow or by Python at any time."""
    before = pyarrow.default_memory_pool()
    POOLS.append(pool := pyarrow.proxy_memory_pool(before))
    pyarrow.set_memory_pool(pool)
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
        assert pool.max_memory() + peak < most
    finally:
        tracemalloc.stop()
        pyarrow.set_memory_pool(before)


def once(value, rows, kind):
    """A value for each row that is stored once; as a file has it that says nothing of dictionaries."""
    return pyarrow.DictionaryArray.from_arrays(pyarrow.repeat(0, rows), pyarrow.array([value], kind))


def as_type(array, kind):
    """An array of another type, or as it is: older PyArrows make and write no views."""
    with suppress(NotImplementedError):
        return array.cast(kind)
    return array


LONG, ROWS = "x" * 2**16, 2**11  # which make 128 MiB
FIRST = r"^The first [\d,]+ rows of column {} of own\.parquet would unpack to 1,\d\d\d,\d\d\d bytes, more than 100"


@pytest.mark.parametrize("said", [True, False], ids=["as categories", "as texts"])
def test_a_long_text_that_all_rows_have_is_held_once(said):
    texts = pyarrow.table({"label": once(LONG, ROWS, pyarrow.string()), "p": np.full(ROWS, 0.5)})
    pyarrow.parquet.write_table(texts, "own.parquet", store_schema=said)
    assert Path("own.parquet").stat().st_size < 2**13
    with little_memory(2**22):
        assert read_labels(Path("own.parquet")).texts == (LONG,)
        assert read_probs(Path("own.parquet"), 0).values.shape == (ROWS, 1)


def test_texts_that_are_stored_as_differences_are_read_in_pieces_and_no_further_than_the_limit(low):
    def write(texts):
        how = {"use_dictionary": False, "column_encoding": {"label": "DELTA_BYTE_ARRAY"}, "compression": "zstd"}
        pyarrow.parquet.write_table(pyarrow.table({"label": texts * ROWS}), "own.parquet", **how)

    write(["a", "b"])
    labels = read_labels(Path("own.parquet"))
    assert labels.texts == ("a", "b")
    assert labels.codes.tolist() == [0, 1] * ROWS
    write([LONG[: 2**13]])
    with little_memory(2**23), pytest.raises(InputError, match=FIRST.format("label")):
        read_labels(Path("own.parquet"))


BYTES = {"bytes": pyarrow.binary(), "long bytes": pyarrow.large_binary(), "bytes as views": pyarrow.binary_view()}


@pytest.mark.parametrize("kind", BYTES.values(), ids=BYTES)
def test_images_of_any_type_of_bytes_are_read(kind):
    file = io.BytesIO()
    Image.new("L", (28, 28)).save(file, "png")
    images = as_type(pyarrow.array([file.getvalue()] * len(LABELS)), kind)
    for column in (images, pyarrow.StructArray.from_arrays([images], ["bytes"])):
        pyarrow.parquet.write_table(pyarrow.table({"image": column, "label": LABELS}), "own.parquet")
        assert read_images(Path("own.parquet")).images.shape == (len(LABELS), 1, 28, 28)


def test_images_that_are_stored_once_are_read_no_further_than_the_limit(low):
    image = once(LONG.encode(), ROWS, pyarrow.binary())
    images = pyarrow.table(
        {"image": pyarrow.StructArray.from_arrays([image], ["bytes"]), "label": [0, 1] * (ROWS // 2)}
    )
    pyarrow.parquet.write_table(images, "own.parquet", store_schema=False)
    with (
        little_memory(2**23),
        pytest.raises(InputError, match=r"rows of column image of own\.parquet would unpack to 1,"),
    ):
        read_images(Path("own.parquet"))


def test_lists_of_which_a_row_can_have_any_number_are_not_read():
    lists = pyarrow.ListArray.from_arrays([0] * 20 + [2**22], np.zeros(2**22))
    probs = np.full(20, 0.5)
    table = pyarrow.table({"label": LABELS, "a": probs, "b": probs, "all": lists})
    pyarrow.parquet.write_table(table, "own.parquet", compression="zstd")
    with little_memory(2**20):
        samples = read_samples(Path("own.parquet"))
        assert samples.class_names == ("a", "b")
        assert "No probabilities, and left out: column all." in samples.decisions
        with pytest.raises(InputError, match=r"^Column all of own\.parquet holds list<.*>; it must hold one number"):
            read_labels(Path("own.parquet"), "all")
    pyarrow.parquet.write_table(table.rename_columns(["label", "a", "b", "image"]), "own.parquet", compression="zstd")
    with (
        little_memory(2**20),
        pytest.raises(InputError, match=r"^Row 0 of own\.parquet has no bytes in column image"),
    ):
        read_images(Path("own.parquet"))


CATS = pyarrow.array(["cat", "dog", "cat", None])
PLAIN = {
    "texts": (CATS, ["cat", "dog"]),
    "long texts": (CATS.cast(pyarrow.large_string()), ["cat", "dog"]),
    "texts as views": (as_type(CATS, pyarrow.string_view()), ["cat", "dog"]),
    "categories": (CATS.dictionary_encode(), ["cat", "dog"]),
    "categories of numbers": (pyarrow.array([7, 1, 7, None]).dictionary_encode(), ["7", "1"]),
    "numbers": (pyarrow.array([7, 1, 7, None], pyarrow.uint8()), ["7", "1"]),
    "decimals": (pyarrow.array([Decimal("7.0"), Decimal("1.0"), Decimal("7.0"), None]), ["7", "1"]),
    "truths": (pyarrow.array([True, False, True, None]), ["True", "False"]),
}


@pytest.mark.parametrize(("column", "texts"), PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("at_once", [1, 100])
def test_labels_of_any_plain_type_are_read_and_a_gap_is_told(column, texts, at_once):
    def write(column):
        beside = pyarrow.nulls(len(column), pyarrow.string())
        pyarrow.parquet.write_table(
            pyarrow.table({"label.of": beside, "label": column}), "own.parquet", row_group_size=at_once
        )

    write(column[:3])
    labels = read_labels(Path("own.parquet"), "label")
    assert [labels.texts[code] for code in labels.codes] == [texts[0], texts[1], texts[0]]
    write(column)
    with pytest.raises(InputError, match=r"^Row 3 of own\.parquet has no label"):
        read_labels(Path("own.parquet"), "label")


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


def test_whichever_byte_of_a_parquet_file_is_damaged_its_columns_are_read_or_it_is_refused():
    columns = {"label": LABELS, "a": np.linspace(0, 1, len(LABELS)), "b": np.linspace(1, 0, len(LABELS))}
    pyarrow.parquet.write_table(pyarrow.table(columns), "own.parquet", compression="none", write_statistics=False)
    whole = Path("own.parquet").read_bytes()
    refused = 0
    for place in range(len(whole)):
        for changed in (0, whole[place] ^ 1, whole[place] ^ 128, 255):
            Path("own.parquet").write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
            try:
                read_probs(Path("own.parquet"), 0)
            except InputError:
                refused += 1
    assert refused > len(whole)
