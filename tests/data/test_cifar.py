"""CIFAR-10 and CIFAR-10N, on small files in the forms in which they circulate."""

import hashlib
import os
import pickle
import re
import tarfile
import tracemalloc

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from labelnoise import data, names
from labelnoise.data import _cifar as cifar
from labelnoise.data import sources
from labelnoise.errors import InputError
from labelnoise.trials import prepare, run

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
ROWS = 6  # a batch


def batch(seed):
    generator = np.random.default_rng(seed)
    pixels = generator.integers(256, size=(ROWS, 3072), dtype=np.uint8)
    return {"data": pixels, "labels": generator.integers(10, size=ROWS).tolist()}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder named in LABELNOISE_DATA with a small CIFAR-10, whose md5s torchvision is told; no network."""
    root = tmp_path / "own"
    inner = root / CIFAR10.base_folder
    inner.mkdir(parents=True)
    content = {f"data_batch_{k}": batch(k) for k in range(1, 6)} | {"test_batch": batch(6)}
    md5 = {}
    for name, held in {**content, "batches.meta": {"label_names": NAMES}}.items():
        (inner / name).write_bytes(pickle.dumps(held, protocol=2))
        md5[name] = hashlib.md5((inner / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{k}", md5[f"data_batch_{k}"]] for k in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "url", (tmp_path / "nowhere").as_uri())
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("LABELNOISE_DATA", str(root))
    return root


@pytest.fixture
def unread(monkeypatch):
    """No data set is remembered from before, and none afterwards."""
    data.loaded.cache_clear()
    data.true_matrix.cache_clear()
    yield
    data.loaded.cache_clear()
    data.true_matrix.cache_clear()


def human(folder, protocol=2, **changed):
    """A file of human labels in the authors' form; a value of None leaves a key out."""
    clean = np.concatenate([batch(k)["labels"] for k in range(1, 6)])
    tables = {"clean_label": clean}
    for k, key in enumerate(data.HUMAN_LABELS.values()):
        tables[key] = (clean + k) % 10
    tables = {key: value for key, value in {**tables, **changed}.items() if value is not None}
    torch.save(tables, folder / cifar.HUMAN_FILE, pickle_protocol=protocol)
    return folder / cifar.HUMAN_FILE


def unpacked_or_packed(own, packed, monkeypatch):
    if packed:
        archive = own / CIFAR10.filename
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(own / CIFAR10.base_folder, CIFAR10.base_folder)
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
        for path in (own / CIFAR10.base_folder).iterdir():
            path.unlink()
        (own / CIFAR10.base_folder).rmdir()


# From torchvision's tarfile with Python 3.12 and 3.13; the archive's md5 is right, so what is in it is known.
@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
@pytest.mark.parametrize("packed", [False, True])
def test_batches_are_read_in_their_order_with_channels_first(own, packed, monkeypatch, capsys):
    unpacked_or_packed(own, packed, monkeypatch)
    read = data.cifar10()
    for images, labels, seeds in (
        (read.train_images, read.train_labels, range(1, 6)),
        (read.test_images, read.test_labels, (6,)),
    ):
        expected = np.concatenate([batch(seed)["data"] for seed in seeds]).reshape(-1, 3, 32, 32)
        np.testing.assert_array_equal(images[:].numpy(), expected)
        assert images[:].dtype == torch.uint8
        assert images[:].is_contiguous()
        assert labels.tolist() == [label for seed in seeds for label in batch(seed)["labels"]]
        assert labels.dtype == np.int64
    assert read.class_names == tuple(NAMES)
    assert read.train_noisy_labels is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_batch_with_another_content_is_not_unpickled(own, name, tmp_path):
    (own / CIFAR10.base_folder / name).write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    with pytest.raises(
        InputError, match=re.escape(f"{own} has no whole CIFAR-10, and it can't be fetched (")
    ) as caught:
        data.cifar10()
    assert not (tmp_path / "ran").exists()
    assert "\n" not in str(caught.value)


def test_without_files_and_network_one_sentence_says_what_to_do(own, monkeypatch, tmp_path):
    monkeypatch.delenv("LABELNOISE_DATA")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'cache'} has no whole CIFAR-10")) as caught:
        data.cifar10()
    assert str(caught.value).endswith("set LABELNOISE_DATA to it.")


@pytest.mark.parametrize("labels", data.HUMAN_LABELS)
def test_human_labels_come_with_the_images_and_the_clean_labels(own, labels):
    human(own)
    read, clean = data.cifar10n(labels), data.cifar10()
    shift = list(data.HUMAN_LABELS).index(labels)
    np.testing.assert_array_equal(read.train_noisy_labels, (clean.train_labels + shift) % 10)
    assert read.train_noisy_labels.dtype == np.int64
    np.testing.assert_array_equal(read.train_labels, clean.train_labels)
    assert torch.equal(read.train_images[:], clean.train_images[:])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_files_of_either_numpy_are_read(own, dtype, core):
    path = human(own, worse_label=np.full(5 * ROWS, 7, dtype=dtype))
    content = path.read_bytes()
    (now,) = set(re.findall(rb"numpy\._?core", content))
    # Rewritten as a file from before zip archives, in which names may change their length.
    torch.save(torch.load(path, weights_only=False), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(now, core))
    assert set(data.cifar10n().train_noisy_labels) == {7}


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_file_is_refused_and_not_run(own, tmp_path, zipped):
    path = own / cifar.HUMAN_FILE
    torch.save({"clean_label": Runs(tmp_path / "ran")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=re.escape(f"{path} is damaged or holds more than arrays, so")) as caught:
        data.cifar10n()
    assert not (tmp_path / "ran").exists()
    assert "\n" not in str(caught.value)
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists(), "the file of this test can do no harm"


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:100], lambda b: b"not a file of torch", lambda b: b[9:]]
)
def test_a_damaged_file_is_named(own, damage):
    path = human(own)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=re.escape(f"{path} is damaged")):
        data.cifar10n()


def test_a_number_in_the_file_takes_no_memory(own):
    # Found by the fuzzer: a number of four bytes says where a value is kept, and a list as long was made.
    path = own / cifar.HUMAN_FILE
    path.write_bytes(b"\x80\x02]r\xff\xff\xff\x07.")
    tracemalloc.start()
    with pytest.raises(InputError, match="is damaged"):
        data.cifar10n()
    assert tracemalloc.get_traced_memory()[1] < 2 * sources.MOST_UNPACKED
    tracemalloc.stop()


def test_an_array_whose_bytes_are_not_those_of_its_type_is_refused(own):
    # Found by the fuzzer: NumPy's own reading of such an array ended the process.
    path = human(own, protocol=2)
    torch.save(torch.load(path, weights_only=False), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for good, bad in (
        (b"X\x02\x00\x00\x00i8", b"X\x02\x00\x00\x00O8"),
        (b"X\x02\x00\x00\x00i8", b"X\x02\x00\x00\x00u3"),
    ):
        assert good in content
        path.write_bytes(content.replace(good, bad))
        with pytest.raises(InputError, match=re.escape(f"{path} is damaged or holds more than arrays")):
            data.cifar10n()
    path.write_bytes(content.replace(b"K\x1e\x85", b"K\x7f\x85"))  # its shape, (30,)
    with pytest.raises(InputError, match=re.escape(f"{path} is damaged or holds more than arrays")):
        data.cifar10n()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"worse_label": None}, " has no worse_label; fetch it again from https"),
        ({"clean_label": None}, " has no clean_label; fetch"),
        ({"worse_label": np.zeros(5, int)}, "has 5 labels, but there are 30 images."),
        ({"worse_label": np.full(30, 10)}, "has 10 in row 0; with 10 classes"),
        ({"worse_label": [0.5] * 30}, "must be integers, not float64"),
        ({"clean_label": np.arange(30) % 10}, ", where CIFAR-10 has "),
    ],
)
def test_a_file_with_something_else_is_refused(own, changed, message):
    human(own, **changed)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        data.cifar10n("worse")
    assert str(own) in str(caught.value)


def test_an_unknown_name_and_a_missing_file_are_refused(own):
    with pytest.raises(InputError, match="Unknown human labels 'worst'; use one of: aggregate, random1, random2"):
        data.cifar10n("worst")
    with pytest.raises(InputError, match=re.escape("There is no CIFAR-10_human.pt in $LABELNOISE_DATA or")):
        data.cifar10n()


@pytest.mark.parametrize("labels", data.HUMAN_LABELS)
def test_human_noise_is_the_labels_that_people_gave(own, unread, labels):
    human(own)
    name, shift = f"cifar10n-{labels}", list(data.HUMAN_LABELS).index(labels)
    clean = data.loaded(name).train_labels
    assert data.loaded(name).class_names == data.entry(name).class_names
    assert data.n_images(name) == 5 * ROWS
    for seed in (0, 1):
        noisy, matrix = data.corruption(name, names.HUMAN, seed)
        np.testing.assert_array_equal(noisy, (clean + shift) % 10)
        np.testing.assert_array_equal(matrix, np.roll(np.eye(10), shift, axis=1))
        np.testing.assert_array_equal(data.true_matrix(name, names.HUMAN, seed), matrix)
    other, _ = data.corruption(name, "pair-flip-1.0", 0)
    np.testing.assert_array_equal(other, (clean + 1) % 10)


def test_a_trial_learns_from_the_labels_that_people_gave(own, unread, tiny):
    human(own)
    asked = tiny(dataset="cifar10n-worse", noise="human", method="forward", transition="true", images=None, refit=True)
    prepared = prepare(asked)
    shift = list(data.HUMAN_LABELS).index("worse")
    assert torch.equal(prepared.noisy.noisy_labels, (prepared.noisy.clean_labels + shift) % 10)
    assert prepared.train.images.shape == (5 * ROWS - 6, 3, 32, 32)
    record = run(asked)
    assert record.status == "done"
    np.testing.assert_array_equal(record.transition_matrices["oracle"], np.roll(np.eye(10), shift, axis=1))
