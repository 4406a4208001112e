"""Images and labels in every form in which such sets circulate give the same set, and what was decided is said."""

import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from labelnoise.errors import InputError
from labelnoise.own.images import read_images

N = 40
NAMES = np.array(["cat", "dog"])
LABELS = np.arange(N) % 2
GREY = np.random.default_rng(0).integers(256, size=(N, 28, 28), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(256, size=(N, 28, 28, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def saved(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())


def class_folders(root="own", images=GREY):
    for k, (pixels, label) in enumerate(zip(images, LABELS, strict=True)):
        saved(f"{root}/{NAMES[label]}/{k:03}.png", png(pixels))


def with_table(name, text, root="own"):
    for k, pixels in enumerate(GREY):
        saved(f"{root}/{k}.png", png(pixels))
    saved(f"{root}/{name}", text)


def table(header, line):
    return "\n".join([header, *(line.format(k=k, label=label, name=NAMES[label]) for k, label in enumerate(LABELS))])


def parquet(image, label, values):
    structs = [{"bytes": png(pixels), "path": None} for pixels in GREY]
    features = {"info": {"features": {label: {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}}}
    columns = pyarrow.table({image: structs, label: values, "coarse_label": [7] * N})
    numbered = not isinstance(values[0], str)
    pyarrow.parquet.write_table(
        columns.replace_schema_metadata({"huggingface": json.dumps(features)} if numbered else {}), "own.parquet"
    )


def folders_within():
    class_folders("own/train")
    class_folders("own/test")
    saved("own/train/.ipynb_checkpoints/x.png", png(GREY[0]))


def npys(images=GREY, labels=LABELS):
    np.save("images.npy", images)
    np.save("labels.npy", labels)


def npys_in_a_folder():
    Path("own").mkdir()
    np.save("own/a.npy", LABELS)
    np.save("own/b.npy", GREY)


# How each is made, what it is called, the names of its classes, and what is said of it.
FORMS = {
    "the form with Xtr": (lambda: np.savez("own.npz", Xtr=GREY, Str=LABELS), "own.npz", "01", "labels from Str"),
    "MedMNIST": (
        lambda: np.savez("own.npz", train_images=GREY, train_labels=LABELS[:, None], val_images=GREY),
        "own.npz", "01", "Of own.npz val_images are left out",
    ),
    "Keras": (
        lambda: np.savez("own.npz", x_train=GREY, y_train=LABELS, x_test=GREY, y_test=LABELS),
        "own.npz", "01", "x_test and y_test are taken as clean",
    ),
    "names in an npz": (lambda: np.savez("own.npz", X=GREY, y=NAMES[LABELS]), "own.npz", NAMES, "order are cat, dog"),
    "arrays without names": (lambda: np.savez("own.npz", GREY, LABELS), "own.npz", "01", "two arrays without names"),
    "labels from 1": (lambda: np.savez("own.npz", Xtr=GREY, Str=LABELS + 1), "own.npz", "12", "this order: 1, 2"),
    "a gap": (lambda: np.savez("own.npz", Xtr=GREY, Str=LABELS * 5), "own.npz", "05", "this order: 0, 5"),
    "whole floats": (lambda: np.savez("own.npz", Xtr=GREY, Str=LABELS * 1.0), "own.npz", "01", "labels are 0 to 1"),
    "one-hot": (
        lambda: np.savez("own.npz", Xtr=GREY, Str=np.eye(2)[LABELS]), "own.npz", "01", "a 1 for the label",
    ),
    "fractions": (lambda: np.savez("own.npz", Xtr=GREY / 255, Str=LABELS), "own.npz", "01", "fractions from 0 to 1"),
    "fractions around 0": (
        lambda: np.savez("own.npz", Xtr=(GREY / 127.5 - 1).astype(np.float32), Str=LABELS), "own.npz", "01",
        "fractions from -1 to 1",
    ),
    "wide integers": (lambda: np.savez("own.npz", Xtr=GREY.astype(int), Str=LABELS), "own.npz", "01", "0 to 1"),
    "channels first": (
        lambda: np.savez("own.npz", Xtr=GREY[:, None], Str=LABELS), "own.npz", "01", "channels before height",
    ),
    "two npy": (npys, "images.npy labels.npy", "01", "the labels those of labels.npy"),
    "two npy in a folder": (npys_in_a_folder, "own", "01", "The images are those of own/b.npy"),
    "class folders": (class_folders, "own", NAMES, "read as a folder for each class"),
    "class folders in train": (folders_within, "own", NAMES, "own/test and their labels are taken as clean"),
    "metadata.csv": (
        lambda: (with_table("metadata.csv", table("file_name,animal", "{k}.png,{name}")), saved("own/x.csv", "a")),
        "own", NAMES, "The labels are column animal of own/metadata.csv",
    ),
    "metadata.jsonl": (
        lambda: with_table("metadata.jsonl", table("", '{{"file_name": "{k}.png", "label": {label}}}').strip()),
        "own", "01", "metadata.jsonl lists",
    ),
    "semicolons": (
        lambda: with_table("l.csv", table("image;label", "{k}.png;{name}")), "own", NAMES, "between semicolons",
    ),
    "tabs": (lambda: with_table("l.tsv", table("image\tlabel", "{k}.png\t{name}")), "own", NAMES, "between tabs"),
    "an index": (lambda: with_table("l.csv", table(",image,z", "{k},{k}.png,{name}")), "own", NAMES, "are column z"),
    "img and fine_label": (
        lambda: parquet("img", "fine_label", LABELS.tolist()), "own.parquet", NAMES, "no label bears are left out: owl",
    ),
    "Parquet with names": (
        lambda: parquet("image", "label", NAMES[LABELS].tolist()), "own.parquet", NAMES, "order are cat, dog",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "paths", "names", "said"), FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_set_and_says_how_it_was_read(make, paths, names, said):
    make()
    own = read_images(*map(Path, paths.split()))
    by_class = own.image_names[0].startswith("cat")
    order = np.argsort(LABELS, kind="stable") if by_class else np.arange(N)
    np.testing.assert_array_equal(own.images, GREY[order][:, None])
    assert own.noisy_labels.tolist() == LABELS[order].tolist()
    assert own.class_names == tuple(names)
    assert any(said in each for each in own.decisions), own.decisions
    assert (own.test_images is None) == ("taken as clean" not in said)


def test_class_names_are_those_of_the_column_that_is_read():
    names = {"fine_label": ["rose", "tulip"], "label": ["cat", "dog"]}
    features = {"info": {"features": {field: {"names": each} for field, each in names.items()}}}
    structs = [{"bytes": png(pixels), "path": None} for pixels in GREY]
    columns = pyarrow.table({"image": structs, "fine_label": LABELS, "label": LABELS})
    pyarrow.parquet.write_table(columns.replace_schema_metadata({"huggingface": json.dumps(features)}), "own.parquet")
    assert list(read_images(Path("own.parquet")).class_names) == names["label"]
    assert list(read_images(Path("own.parquet"), label_column="fine_label").class_names) == names["fine_label"]


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_colour_comes_with_its_channels_first_or_last(first):
    np.savez("own.npz", Xtr=COLOUR.transpose(0, 3, 1, 2) if first else COLOUR, Str=LABELS)
    np.testing.assert_array_equal(read_images(Path("own.npz")).images, COLOUR.transpose(0, 3, 1, 2))


def of_sizes(*sizes):
    for k, label in enumerate(LABELS):
        width, height = sizes[k % len(sizes)]
        # A white square in the middle of the shorter side's extent, on black.
        pixels, half = np.zeros((height, width), np.uint8), min(width, height) // 4
        top, left = height // 2 - half, width // 2 - half
        pixels[top : top + 2 * half, left : left + 2 * half] = 255
        saved(f"own/{NAMES[label]}/{k:03}.png", png(pixels))


@pytest.mark.parametrize("sizes", [[(224, 224)], [(64, 48)], [(48, 64)], [(100, 80), (32, 32), (20, 24)]], ids=str)
def test_images_of_any_size_are_brought_to_one_with_their_middle_kept(sizes):
    of_sizes(*sizes)
    if len(set(sizes)) > 1 or sizes[0][0] != sizes[0][1]:
        with pytest.raises(InputError, match=r"pixels; make them (alike|square first), or pass --image-size \d+"):
            read_images(Path("own"))
    own = read_images(Path("own"), image_size=32)
    assert own.images.shape == (N, 1, 32, 32)
    assert own.images[:, 0, 12:20, 12:20].min() > 200
    assert own.images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].max() < 50
    assert any("was brought to 32" in each for each in own.decisions)


def test_an_array_is_resized_as_files_are():
    large = np.random.default_rng(0).integers(256, size=(N, 40, 56), dtype=np.uint8)
    np.savez("own.npz", Xtr=large, Str=LABELS)
    class_folders(images=large)
    array, files = (read_images(Path(path), image_size=28).images for path in ("own.npz", "own"))
    different = array[np.argsort(LABELS, kind="stable")].astype(int) - files
    assert np.abs(different).mean() < 2  # Pillow and torch round differently


def test_a_size_of_which_one_image_fits_into_memory_but_not_all_is_refused(monkeypatch):
    class_folders()
    np.savez("own.npz", Xtr=COLOUR, Str=LABELS)
    monkeypatch.setattr(os, "sysconf", lambda name: 2**10)  # pages of as many bytes
    for path, images, channels in (("own", "own", 1), ("own.npz", "Xtr", 3)):
        largest = int((2**20 / N / channels) ** 0.5)
        assert read_images(Path(path), image_size=largest).images.nbytes < 2**20
        said = f"The {N} images of .*{images} with an image size of {largest + 1} pixels would take .* GiB"
        with pytest.raises(InputError, match=said):
            read_images(Path(path), image_size=largest + 1)


def test_deep_grey_is_scaled_and_not_cut_off():
    deep = (GREY[0].astype(np.uint16) * 257).astype(np.uint16)
    deep[0, 0] = 65535
    for k, label in enumerate(LABELS):
        saved(f"own/{NAMES[label]}/{k:03}.png", png(deep))
    expected = GREY[0].copy()
    expected[0, 0] = 255
    assert np.abs(read_images(Path("own")).images[0, 0].astype(int) - expected).max() <= 1


def test_a_column_can_be_named():
    parquet("img", "fine_label", LABELS.tolist())
    frame = pd.read_parquet("own.parquet").assign(coarse_label=1 - LABELS)
    frame.to_parquet("own.parquet")
    assert read_images(Path("own.parquet"), label_column="coarse_label").noisy_labels.tolist() == (1 - LABELS).tolist()
    with pytest.raises(InputError, match=r"own\.parquet has no column 'x'; it has img, fine_label, coarse_label"):
        read_images(Path("own.parquet"), label_column="x")


REFUSED = {
    "several labels each": (
        lambda: np.savez("own.npz", train_images=GREY, train_labels=np.ones((N, 3), int)), "own.npz",
        "train_labels in own.npz must hold one label per sample",
    ),
    "a label that is a fraction": (lambda: np.savez("own.npz", X=GREY, y=LABELS / 2), "own.npz", r"with 0\.5"),
    "pixels beyond 255": (lambda: np.savez("own.npz", Xtr=GREY * 16.0, Str=LABELS), "own.npz", "pixels from 0 to 255"),
    "NaN": (lambda: np.savez("own.npz", Xtr=GREY * np.nan, Str=LABELS), "own.npz", "not finite in image 0"),
    "flat images": (lambda: np.savez("own.npz", X=GREY.reshape(N, -1), y=LABELS), "own.npz", r"to \(-1, 28, 28\)"),
    "unknown arrays": (lambda: np.savez("own.npz", pixels=GREY, Str=LABELS), "own.npz", "has no array Xtr; .* It has"),
    "an npy alone": (npys, "images.npy", "has images alone; name the file of their labels after it"),
    "an npy with other labels": (lambda: npys(labels=LABELS[1:]), "images.npy labels.npy", "40 images but .* 39"),
    "labels beside an npz": (npys, "images.npz labels.npy", "go with images in an .npy file"),
    "an empty folder": (lambda: Path("own").mkdir(), "own", "0 CSV files and no folders of images"),
    "folders without images": (lambda: saved("own/cat/x.txt", "x"), "own", "holds no image in its folders"),
    "a test class unknown": (
        lambda: (folders_within(), saved("own/test/owl/x.png", png(GREY[0]))), "own", "'owl', none of the classes",
    ),
    "several columns": (
        lambda: with_table("l.csv", table("image,a,b", "{k}.png,{name},x")), "own", "meant with --label-column",
    ),
    "no size": (class_folders, "own", "--image-size must be a whole number from 1 up, not 0"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "paths", "message"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_read_is_refused_with_the_step_that_mends_it(make, paths, message):
    make()
    with pytest.raises(InputError, match=message) as caught:
        read_images(*map(Path, paths.split()), image_size=0 if "--image-size" in message else None)
    assert not re.search(r"\n", str(caught.value))
