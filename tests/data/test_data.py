import os
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torchvision.datasets import FashionMNIST

from labelnoise import data
from labelnoise.data import NoisySet, read_npz, sources, write_npz
from labelnoise.errors import InputError
from labelnoise.training import MODELS


@pytest.fixture(scope="module")
def paper():
    return data.load("fashion-mnist-3")


def test_the_papers_set_has_three_balanced_classes(paper):
    assert paper.train_images.shape == (18_000, 1, 28, 28)
    assert paper.test_images.shape == (3_000, 1, 28, 28)
    assert paper.train_images[:].dtype == paper.test_images[:].dtype == torch.uint8
    assert np.bincount(paper.train_labels).tolist() == [6_000] * 3
    assert np.bincount(paper.test_labels).tolist() == [1_000] * 3
    assert paper.train_labels.dtype == paper.test_labels.dtype == np.int64
    assert paper.class_names == ("T-shirt/top", "Trouser", "Dress") == data.entry("fashion-mnist-3").class_names
    assert paper.n_classes == 3
    assert (paper.train_images[:].min(), paper.train_images[:].max()) == (0, 255)


def test_images_are_those_that_torchvision_reads(paper):
    reference = FashionMNIST(str(sources.fashion_mnist()), train=True)
    keep = torch.isin(reference.targets, torch.tensor(data.PAPER_CLASSES))
    assert torch.equal(paper.train_images[:].squeeze(1), reference.data[keep])
    assert torch.equal(paper.train_images[np.array([5, 2])], paper.train_images[:][[5, 2]])


def test_images_are_mapped_into_memory_not_copied(paper):
    pixels = paper.train_images.pixels
    while not isinstance(pixels, np.memmap):
        pixels = pixels.base
    assert pixels.mode == "r"
    assert np.shares_memory(pixels, paper.train_images.pixels)


def test_changing_a_batch_leaves_the_data_alone(paper):
    before = paper.train_images[:3].clone()
    paper.train_images[:3].fill_(0)
    assert torch.equal(paper.train_images[:3], before)


def test_classes_are_numbered_in_the_order_given(paper):
    swapped = data.fashion_mnist((3, 0))
    assert swapped.class_names == ("Dress", "T-shirt/top")
    for ours, theirs in ((0, 2), (1, 0)):
        torch.testing.assert_close(
            swapped.test_images[swapped.test_labels == ours], paper.test_images[paper.test_labels == theirs]
        )


@pytest.mark.parametrize("classes", [(), (1,), (0, 0), (0, 1, 10), (-1, 2)])
def test_unknown_or_repeated_classes_are_refused(classes):
    with pytest.raises(InputError, match=re.escape(f"two or more different ids from 0 to 9, not {classes}")):
        data.fashion_mnist(classes)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(InputError, match="Unknown data set 'mnist'; use one of: fashion-mnist-3, fashion-mnist"):
        data.load("mnist")


def grey(n, seed=0, size=4):
    return np.random.default_rng(seed).integers(256, size=(n, size, size), dtype=np.uint8)


def save(path, **arrays):
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


noisy_sets = st.builds(
    lambda channels, train, test: (channels, train, test),
    st.sampled_from([1, 3]),
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
    st.none() | st.lists(st.integers(0, 4), min_size=1, max_size=6),
)


@settings(deadline=None, max_examples=25)
@given(noisy_sets, st.data())
def test_a_set_that_is_written_is_read_back(tmp_path_factory, drawn, draw):
    channels, train, test = drawn

    def images(n):
        pixels = draw.draw(hnp.arrays(np.uint8, (n, channels, 3, 5)))
        return torch.from_numpy(pixels)

    written = NoisySet(images(len(train)), np.array(train), *((images(len(test)), np.array(test)) if test else ()))
    path = tmp_path_factory.mktemp("npz") / "set.npz"
    write_npz(path, written)
    read = read_npz(path, n_classes=5)
    for name in ("train_images", "noisy_labels", "test_images", "test_labels"):
        ours, theirs = getattr(read, name), getattr(written, name)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.dtype == (torch.uint8 if name.endswith("images") else np.int64)
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 4, 6, 1), (5, 4, 6, 3)])
def test_images_are_stored_channels_last_and_read_channels_first(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    read = read_npz(save(tmp_path / "a.npz", Xtr=pixels, Str=np.arange(5)))
    channels = 1 if len(shape) == 3 else shape[3]
    assert read.train_images.shape == (5, channels, 4, 6)
    np.testing.assert_array_equal(read.train_images[2, 0], pixels.reshape(5, 4, 6, channels)[2, :, :, 0])
    assert read.test_images is None
    assert read.test_labels is None


BAD = [
    ({"Xtr": None}, "has no array Xtr; it needs Xtr (images) and Str (noisy labels)"),
    ({"Str": None}, "has no array Str; it needs"),
    ({"Xts": None}, "has only one of Xts and Yts; pass both, or neither"),
    ({"Yts": None}, "has only one of Xts and Yts; pass both, or neither"),
    ({"Str": np.array([0, 1])}, "Xtr has 3 images but Str has 2 labels"),
    ({"Yts": np.array([0, 1, 0])}, "Xts has 2 images but Yts has 3 labels"),
    ({"Str": np.array([0.0, 1.0, 2.0])}, "must hold integers, one per image, not float64 of shape (3,)"),
    ({"Str": np.array([], dtype=int)}, "must hold integers, one per image, not int64 of shape (0,)"),
    ({"Str": np.array([[0, 1, 2]])}, "Str must have shape (n_samples,), not (1, 3)"),
    ({"Str": np.array([0, -1, 2])}, "Str has -1 in row 1"),
    ({"Yts": np.array([0.0, 1.0])}, "Yts must be integers, not float64"),
    ({"Yts": np.array([0, 3])}, "Yts has 3 in row 1; with 3 classes"),
    ({"Xtr": grey(3).astype(np.float32)}, "Xtr must hold uint8 pixels from 0 to 255, not float32"),
    ({"Xtr": grey(3)[0]}, "Xtr must have shape (n, height, width) or (n, height, width, 1 or 3), not (4, 4)"),
    ({"Xtr": np.zeros((3, 1, 4, 4), np.uint8)}, "not (3, 1, 4, 4)"),
    ({"Xts": np.zeros((2, 4, 4, 2), np.uint8)}, "Xts must have shape"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_read_npz_names_the_array_and_what_is_wrong_with_it(tmp_path, change, message):
    good = {"Xtr": grey(3), "Str": np.arange(3), "Xts": grey(2), "Yts": np.array([0, 1])}
    read_npz(save(tmp_path / "good.npz", **good))
    with pytest.raises(InputError, match=re.escape(message)):
        read_npz(save(tmp_path / "bad.npz", **{**good, **change}))


def test_labels_are_checked_against_the_classes_asked_for(tmp_path):
    path = save(tmp_path / "a.npz", Xtr=grey(3), Str=np.array([0, 1, 2]))
    with pytest.raises(InputError, match="Str has 2 in row 2; with 2 classes"):
        read_npz(path, n_classes=2)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("key", ["Xtr", "Str"])
def test_nothing_is_unpickled(tmp_path, key):
    sprung = tmp_path / "sprung"
    arrays = {"Xtr": grey(1), "Str": np.zeros(1, int), key: np.array([Trap(str(sprung))], dtype=object)}
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=f"{key} in .* holds Python objects; save it as a plain numeric array"):
        read_npz(path)
    assert not sprung.exists()
    with np.load(path, allow_pickle=True) as archive:
        archive[key]
    assert sprung.exists()


def test_a_pickle_is_not_unpickled(tmp_path):
    sprung, path = tmp_path / "sprung", tmp_path / "a.npz"
    np.array([Trap(str(sprung))], dtype=object).dump(path)
    with pytest.raises(InputError, match=re.escape(f"{path} is not an .npz file.")):
        read_npz(path)
    assert not sprung.exists()


@pytest.mark.parametrize("content", [b"text", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{path} is not an .npz file.")):
        read_npz(path)


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", grey(3))
    with pytest.raises(InputError, match=r"is not an \.npz file"):
        read_npz(tmp_path / "a.npy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"There is no file {tmp_path / 'a.npz'}.")):
        read_npz(tmp_path / "a.npz")


def test_a_damaged_file_is_refused_or_read_as_it_was(tmp_path):
    path, images = tmp_path / "a.npz", np.zeros((3, 4, 4), np.uint8)
    write_npz(path, NoisySet(torch.from_numpy(images).unsqueeze(1), np.arange(3)))
    whole = path.read_bytes()
    refused = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x11]) + whole[position + 1 :])
        try:
            read = read_npz(path, n_classes=3)
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(read.train_images[:, 0], images)
            np.testing.assert_array_equal(read.noisy_labels, np.arange(3))
    assert refused > len(whole) / 2


def tensor(n, channels=1, dtype=torch.uint8):
    return torch.zeros(n, channels, 4, 4, dtype=dtype)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (NoisySet(tensor(0), np.array([], dtype=int)), "must hold integers, one per image, not int64 of shape (0,)"),
        (NoisySet(tensor(3), np.arange(2)), "Xtr has 3 images but Str has 2 labels"),
        (NoisySet(tensor(3), np.array([0.0, 1.0, 2.0])), "must hold integers, one per image, not float64"),
        (NoisySet(tensor(3), np.array([0, -1, 2])), "Str has -1 in row 1"),
        (NoisySet(tensor(3, dtype=torch.float32), np.arange(3)), "Xtr must hold uint8 pixels"),
        (NoisySet(tensor(3, channels=2), np.arange(3)), "Xtr must have shape"),
        (NoisySet(tensor(3), np.arange(3), tensor(2)), "has only one of Xts and Yts; pass both, or neither"),
        (NoisySet(tensor(3), np.arange(3), None, np.arange(2)), "has only one of Xts and Yts; pass both, or neither"),
        (NoisySet(tensor(3), np.arange(3), tensor(2), np.arange(3)), "Xts has 2 images but Yts has 3 labels"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, refused, message):
    path = tmp_path / "set.npz"
    path.write_bytes(b"as it was")
    with pytest.raises(InputError, match=re.escape(message)):
        write_npz(path, refused)
    assert [each.name for each in tmp_path.iterdir()] == ["set.npz"]
    assert path.read_bytes() == b"as it was"


@pytest.mark.parametrize("name", data.DATASETS)
def test_every_data_set_says_what_its_classes_are_called(name):
    entry = data.entry(name)
    assert len(entry.class_names) == len(set(entry.class_names)) == entry.n_classes
    assert entry.settings.keys() <= MODELS.keys()  # by any other name they would never be read


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Votes for each of the 10,000 test images and their file: made up, as that of the real ones may not be here."""
    drawn = np.random.default_rng(0).multinomial(67, np.full(10, 0.1), size=10_000)
    drawn[:50, [0, 1, 3]] = 0
    path = tmp_path_factory.mktemp("votes") / "counts.csv"
    path.write_text("".join(f"{','.join(map(str, row))}\n" for row in drawn.tolist()))
    return drawn, path


@pytest.fixture
def counted(counts, monkeypatch):
    monkeypatch.setattr(sources, "fashion_mnist_h", lambda: counts[1])
    return counts[0]


def test_human_votes_go_with_the_test_images_and_the_splits_exchange_their_roles(counted):
    usual, human = data.load("fashion-mnist"), data.load("fashion-mnist-h")
    np.testing.assert_array_equal(human.train_votes, counted)
    np.testing.assert_array_equal(human.train_labels, usual.test_labels)
    np.testing.assert_array_equal(human.test_labels, usual.train_labels)
    assert torch.equal(human.train_images[:5], usual.test_images[:5])
    assert torch.equal(human.test_images[:5], usual.train_images[:5])
    assert usual.train_votes is None
    assert usual.class_names == human.class_names == data.entry("fashion-mnist").class_names


def test_human_votes_of_some_classes_leave_out_images_that_have_none(counted):
    usual, human = data.load("fashion-mnist"), data.load("fashion-mnist-h-3")
    rows = np.flatnonzero(np.isin(usual.test_labels, [0, 1, 3]) & (np.arange(10_000) >= 50))
    np.testing.assert_array_equal(human.train_votes, counted[rows][:, [0, 1, 3]])
    np.testing.assert_array_equal(np.array([0, 1, 3])[human.train_labels], usual.test_labels[rows])
    assert torch.equal(human.train_images[:5], usual.test_images[rows[:5]])
    assert human.class_names == data.load("fashion-mnist-3").class_names
    assert human.n_classes == 3
