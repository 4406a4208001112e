"""`labelnoise train`: what it finds, that every form of the data gives the same, and what it says of mistakes."""

import dataclasses
import html
import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import labelnoise
from labelnoise import cli, noise
from labelnoise.book import project
from labelnoise.data import NoisySet, load, write_npz
from labelnoise.errors import InputError
from labelnoise.own import _methods as own_settings
from labelnoise.own import _training as own_training
from labelnoise.own import images as image_files
from labelnoise.own import train as train_command
from labelnoise.training import METHODS, protocol
from labelnoise.transitions import l1_error, symmetric

N, CLASSES = 180, 3
IMAGE = np.zeros((60, 28, 28), np.uint8)
LABELS = np.arange(60) % CLASSES


def stripes(n, seed=0):
    """Images that anyone can tell apart, with their classes: a bright band in one third, on grey noise."""
    generator = np.random.default_rng(seed)
    clean = generator.integers(CLASSES, size=n)
    images = generator.integers(0, 100, size=(n, 28, 28), dtype=np.uint8)
    for k in range(CLASSES):
        images[clean == k, 9 * k : 9 * k + 9] += 120
    return images, clean


def encoded(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def as_npz(path, images, labels):
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    write_npz(path, NoisySet(torch.from_numpy(np.ascontiguousarray(channels_first)), np.asarray(labels)))


def as_folder(path, images, labels, header="image,label"):
    path.mkdir()
    rows = [header]
    for k, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        (path / f"{k}.png").write_bytes(encoded(pixels))
        rows.append(f"{k}.png,{label}")
    (path / "labels.csv").write_text("\r\n".join(rows))


def as_parquet(path, images, labels, names=None):
    structs = [{"bytes": encoded(pixels), "path": None} for pixels in images]
    table = pyarrow.table({"image": structs, "label": list(labels)})
    if names:
        info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pyarrow.parquet.write_table(table, path)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([(28, 28), (28, 28, 3), (40, 40), (64, 64, 3)]))
def test_every_form_gives_the_same(tmp_path_factory, seed, shape):
    folder = tmp_path_factory.mktemp("forms")
    images = np.random.default_rng(seed).integers(256, size=(30, *shape), dtype=np.uint8)
    for path, write in (("a.npz", as_npz), ("b", as_folder), ("c.parquet", as_parquet)):
        write(folder / path, images, LABELS[:30])
        own = image_files.read_images(folder / path)
        expected = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(own.data.train_images.numpy(), expected)
        np.testing.assert_array_equal(own.data.noisy_labels, LABELS[:30])
        assert own.class_names == ("0", "1", "2")


def test_names_are_those_in_the_labels_or_of_the_features(tmp_path):
    names = np.array(["dress", "shirt", "trouser"])
    as_folder(tmp_path / "b", IMAGE, names[LABELS])
    as_parquet(tmp_path / "c.parquet", IMAGE, LABELS, list(names))
    for path in ("b", "c.parquet"):
        own = image_files.read_images(tmp_path / path)
        np.testing.assert_array_equal(own.data.noisy_labels, LABELS)
        assert own.class_names == tuple(names)


def test_grey_images_get_colour_where_others_have_it(tmp_path):
    images = [*IMAGE[:-1], np.full((28, 28, 3), 9, np.uint8)]
    as_folder(tmp_path / "b", images, LABELS)
    assert image_files.read_images(tmp_path / "b").data.train_images.shape == (60, 3, 28, 28)


@pytest.mark.parametrize("network", ["lenet", "alexnet", "mine:make"])
def test_settings_go_with_the_number_of_images(network):
    default = protocol("", "alexnet" if network == "alexnet" else "lenet", "hog-forward")
    for n in (30, 300, 301, 1000, 6000, 18_000, 60_000, 10**6):
        found = own_settings.scaled_settings(network, n)
        learned = round(0.8 * n)
        for kind, each in (("plain", found.plain), ("modern", found.modern)):
            steps = -(-learned // each.batch_size)
            assert each.epochs * steps >= own_settings.LEAST_STEPS[kind]
            assert each.epochs <= max(default.epochs, own_settings.LEAST_STEPS[kind] // steps + 1)
        assert found.modern.augmentation and found.modern.averaging and not found.plain.augmentation  # noqa: PT018
        # Networks that normalise over a batch can't take a single image.
        for size in (n, learned, n - n // 3, n - -(-n // 3)):
            assert size % found.modern.batch_size != 1
    assert own_settings.scaled_settings(network, 300).modern.epochs * 300 < 300 * 40, "seconds, not minutes"


def few_epochs(epochs):
    def settings(network, n_images):
        found = own_settings.scaled_settings(network, n_images)
        plain, modern = (dataclasses.replace(each, epochs=epochs) for each in (found.plain, found.modern))
        return own_settings.OwnSettings(plain, modern)

    return settings


@pytest.fixture(scope="module")
def trained(tmp_path_factory, readme_command):
    """The README's example on images that anyone can tell apart: its folder, what it said, and what it found."""
    folder = tmp_path_factory.mktemp("trained")
    images, clean = stripes(N)
    labels = noise.corrupt(clean, symmetric(CLASSES, 0.3), np.random.default_rng(1))
    test_images, test_labels = stripes(60, seed=2)
    tensors = (torch.from_numpy(each[:, None]) for each in (images, test_images))
    write_npz(folder / "data.npz", NoisySet(next(tensors), labels, next(tensors), test_labels))
    found, train = [], train_command.trained_report

    def kept(*args, **kwargs):
        found.append(train(*args, **kwargs))
        return found[0]

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.chdir(folder)
        patched.setattr(train_command, "scaled_settings", few_epochs(8))
        patched.setattr(train_command, "trained_report", kept)
        status = cli.main(readme_command("train"))
    ranked = pd.read_csv(folder / "report" / "suggestions.csv")
    report = json.loads((folder / "report" / "report.json").read_text())
    return SimpleNamespace(
        status=status, folder=folder / "report", out=out.getvalue(), err=err.getvalue(), found=found[0], clean=clean,
        labels=labels, wrong=labels != clean, tests=(test_images, test_labels), ranked=ranked, report=report,
    )  # fmt: skip


def test_the_example_of_the_readme_writes_its_files_and_names_them(trained):
    assert trained.status == 0
    assert set(trained.report["files"]) == {path.name for path in trained.folder.iterdir()}
    tables = {"suggestions.csv", "labels_cleaned.csv"}
    assert set(trained.report["files"]) == {"report.json", "report.html", "model.safetensors", *tables}
    assert all(name in trained.out for name in trained.report["files"])


def test_what_is_no_terminal_gets_a_line_for_every_tenth_of_the_epochs_and_the_time_left(trained):
    assert len(trained.err.splitlines()) == 10
    for tenths, line in enumerate(trained.err.splitlines(), start=1):
        done, total, left = map(int, re.search(r" (\d+)/(\d+) \[\d\d:\d\d<00:(\d\d)", line).groups())
        assert done == -(-tenths * total // 10)
    assert (done, left) == (total, 0)


def test_wrong_labels_are_ranked_first_each_with_its_clean_class(trained):
    rows = trained.ranked["row"].to_numpy()
    assert sorted(rows) == list(range(N))
    assert trained.wrong[rows[: trained.wrong.sum()]].mean() > 0.95
    assert (trained.ranked["suggestion"].to_numpy() == trained.clean[rows]).mean() > 0.95


def test_the_report_knows_how_many_labels_are_wrong_and_what_training_gained(trained):
    report, page = trained.report, (trained.folder / "report.html").read_text()
    assert report["noise_rate"] == pytest.approx(trained.wrong.mean(), abs=0.03)
    assert report["clean_test_accuracy"] > 0.95
    ends = [f"{100 * report['gain'][end]:+.1f}".replace("+0.0", "0.0") for end in ("mean", "low", "high")]
    assert f"{ends[0]} points ({ends[1]} to {ends[2]}, n = " in " ".join(trained.out.split())
    row, label, suggestion = trained.ranked[["row", "label", "suggestion"]].to_numpy(int)[0]
    assert list(trained.ranked.columns) == ["row", "image", "label", "suggestion", "p_wrong", "times"]
    others = (trained.ranked["suggestion"] != trained.ranked["label"]).sum()
    assert page.count("<img") == min(48, others) > 40
    assert f"<figcaption>{row}: {label}, rather {suggestion}</figcaption>" in page


def test_the_written_network_is_the_one_that_was_measured(trained):
    network = labelnoise.load_network(trained.folder / "model.safetensors")
    images, labels = trained.tests
    assert (network.predict(images) == labels).mean() == trained.report["clean_test_accuracy"]
    np.testing.assert_allclose(network.predict_proba(images / 255), network.predict_proba(images[..., None]))


def test_it_says_which_method_was_taken_and_why_and_by_how_much(trained):
    choice, (found, report) = trained.found[0].choice, trained.found
    said, page = " ".join(trained.out.split()), (trained.folder / "report.html").read_text()
    assert str(choice) in said
    assert str(choice) in json.loads((trained.folder / "report.json").read_text())["notes"]
    assert html.escape(str(choice), quote=False).replace("'", "&#39;") in page
    assert METHODS[choice.method].title in report.title
    held_out = round(0.2 * N)
    assert f"Of {held_out} noisy labels" in str(choice)
    assert {score.method for score in choice.scores} == {"hog-forward", "forward", "cross-entropy"}
    for score in choice.scores:
        assert f"{METHODS[score.method].title}" in str(choice)
        assert f"{100 * score.agreement:.1f} %" in str(choice)
    assert found.gain is not None or choice.method == "cross-entropy"


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two_epochs(here, monkeypatch):
    monkeypatch.setattr(train_command, "scaled_settings", few_epochs(2))


@pytest.mark.usefixtures("two_epochs")
@pytest.mark.parametrize("name", ["cross-entropy", "t-revision", "volminnet", "co-teaching", "mixup"])
def test_methods_of_every_kind_train(name):
    as_npz("own.npz", *stripes(60))
    assert cli.main(["train", "own.npz", "--method", name]) == 0
    report = json.loads(Path("report/report.json").read_text())
    assert report["epochs"] == 2
    assert (report["gain"] is None) == (name == "cross-entropy")


@pytest.mark.usefixtures("two_epochs")
def test_a_network_of_ones_own():
    Path("mine_of_test.py").write_text(
        "from torch import nn\n\ndef make(n_classes, in_channels, image_size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, n_classes))\n"
    )
    as_npz("own.npz", *stripes(60))
    assert cli.main(["train", "own.npz", "--network", "mine_of_test:make"]) == 0
    assert json.loads(Path("report/report.json").read_text())["network"] == "mine_of_test:make"


@pytest.mark.usefixtures("two_epochs")
def test_a_terminal_gets_one_line_that_is_drawn_again(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    as_npz("own.npz", *stripes(60))
    assert cli.main(["train", "own.npz"]) == 0
    first, *others = terminal.getvalue().split("\r")[1:]
    assert "  0%" in first
    assert "100%" in others[-1]
    assert terminal.getvalue().count("\n") == 1


def cells(chapter):
    return [
        cell for cell in nbformat.read(project.notebook_path(chapter), as_version=4).cells if cell.cell_type == "code"
    ]


def test_the_chapter_on_a_set_of_ones_own_finds_its_noise_from_where_the_reader_is(trained, monkeypatch):
    monkeypatch.setenv("LABELNOISE_FOLDER", str(trained.folder.parent))
    monkeypatch.chdir("/")
    monkeypatch.setattr(train_command, "trained_report", lambda *asked: trained.found)
    names = {}
    for cell in cells("09_your_data"):
        exec(cell.source, names)
        names |= {"data": "data.npz"} if cell.id == "parameters" else {}
    assert names["labels"].tolist() == trained.labels.tolist()
    np.testing.assert_allclose(names["trained"].pred_probs.sum(axis=1), 1)
    truth = symmetric(CLASSES, 0.3)
    for found in (names["found"], names["second"]):
        assert l1_error(found.bounds.estimate, truth) < l1_error(np.eye(CLASSES), truth) / 2
    assert trained.wrong[names["rows"][: trained.wrong.sum()]].mean() > 0.95


def test_a_file_that_is_no_set_gives_that_chapter_its_sentence(here, monkeypatch):
    monkeypatch.setenv("LABELNOISE_FOLDER", str(here))
    np.savez("own.npz", Xtr=IMAGE)
    names = {"data": "own.npz"}
    (ask,) = (cell.source for cell in cells("09_your_data") if cell.id == "ask")
    with pytest.raises(InputError, match=f"^{here}/own.npz has no array Str; .*$"):
        exec(ask, names)


def test_the_sample_has_the_noise_that_it_is_said_to_have():
    own = image_files.sample()
    assert len(own.data.train_images) == len(own.data.noisy_labels) == len(own.image_names)
    clean = load(image_files.SAMPLE["dataset"]).train_labels[: len(own.image_names)]
    right = np.mean(clean == own.data.noisy_labels)
    assert abs(right - 0.5) < 4 * np.sqrt(0.25 / len(clean))  # one in 16,000 fails


# Mistakes.


def npz(**arrays):
    return lambda: np.savez("own.npz", **{"Xtr": IMAGE, "Str": LABELS, **arrays})


def files(**changes):
    """The folder form, with these files in place of what it holds."""

    def make():
        as_folder(Path("own"), IMAGE, LABELS)
        for name, content in changes.items():
            path = Path("own", name.replace("_", "."))
            path.unlink() if content is None else path.write_bytes(content)

    return make


def rows(*lines):
    return "\n".join(["image,label", *lines, *(f"{k}.png,{k % CLASSES}" for k in range(len(lines), 60))]).encode()


MISTAKES = {
    "no file": (lambda: None, [], "There is no file own.npz."),
    "0 bytes": (lambda: Path("own.npz").touch(), [], "own.npz is empty (0 bytes)"),
    "no npz": (lambda: Path("own.npz").write_text("x"), [], "own.npz is not an .npz file"),
    "another ending": (lambda: Path("own.zip").write_text("x"), [], "own.zip must end in .npz, .npy or .parquet"),
    "a missing key": (lambda: np.savez("own.npz", Xtr=IMAGE), [], "own.npz has no array Str"),
    "objects": (npz(Str=np.array([0, "a"] * 30, object)), [], "Str in own.npz holds Python objects"),
    "normalised": (npz(Xtr=IMAGE - 2.0), [], "Xtr must hold pixels from 0 to 255, or fractions from 0 to 1, not"),
    "NaN": (npz(Str=np.full(60, np.nan)), [], "Str in own.npz must hold integers"),
    "flat images": (npz(Xtr=IMAGE.reshape(60, -1)), [], "Xtr must have shape (n, height, width)"),
    "four channels": (npz(Xtr=np.zeros((60, 28, 28, 4), np.uint8)), [], "(n, height, width, 1 or 3)"),
    "a label short": (npz(Str=LABELS[1:]), [], "Xtr has 60 images but Str has 59 labels"),
    "a negative label": (npz(Str=LABELS - 1), [], "Str has -1 in row 0"),
    "one class": (npz(Str=0 * LABELS), [], "training takes two classes or more"),
    "too few": (npz(Xtr=IMAGE[:20], Str=LABELS[:20]), [], "own.npz has 20 images of 3 classes"),
    "tests without labels": (npz(Xts=IMAGE), [], "own.npz has only one of Xts and Yts"),
    "other tests": (npz(Xts=np.zeros((2, 30, 30), np.uint8), Yts=LABELS[:2]), [], "images of different sizes"),
    "not square": (npz(Xtr=np.zeros((60, 28, 30), np.uint8)), [], "are 30 by 28 pixels; make them square"),
    "small images": (npz(Xtr=IMAGE[:, :20, :20]), [], "The images are 20 pixels wide; lenet needs at least 28"),
    "no CSV": (files(labels_csv=None), [], "own holds 0 CSV files"),
    "two CSVs": (files(more_csv=b"x"), [], "own holds 2 CSV files"),
    "a header only": (files(labels_csv=b"image,label\n"), [], "own/labels.csv has no labels"),
    "other columns": (files(labels_csv=b"a,b\n1,2\n"), [], "own/labels.csv has the columns a, b; name the one"),
    "no label": (files(labels_csv=rows("0.png,1", "1.png,")), [], "Row 1 of own/labels.csv has no label"),
    "a label below 0": (files(labels_csv=rows("0.png,0", "1.png,-1")), [], "Row 1 of own/labels.csv is '-1'"),
    "an image missing": (files(**{"5_png": None}), [], "Row 5 of own/labels.csv names 5.png, and own/5.png is no file"),
    "no image": (files(**{"7_png": b"x"}), [], "Row 7 of own/labels.csv has an image that can't be read (7.png)"),
    "another size": (files(**{"9_png": encoded(np.zeros((28, 30), np.uint8))}), [], "Rows 0 and 9 of own/labels.csv"),
    "no Parquet": (lambda: Path("own.parquet").write_text("x"), [], "own.parquet is no PARQUET file"),
    "no bytes": (
        lambda: pd.DataFrame({"image": ["a.png"] * 60, "label": LABELS}).to_parquet("own.parquet"), [],
        "Row 0 of own.parquet has no bytes in column image",
    ),
    "unknown method": (npz(), ["--method", "magic"], "Unknown method 'magic'"),
    "a method of several networks": (npz(), ["--method", "alternating"], "alternating trains no single network"),
    "unknown network": (npz(), ["--network", "resnet"], "Unknown model 'resnet'"),
    "no module": (npz(), ["--network", "nothing_here:make"], "The network nothing_here:make can't be imported"),
    "no function": (npz(), ["--network", "json:make"], "The network json:make can't be imported"),
    "a module that fails": (
        lambda: (npz()(), Path("failing_of_test.py").write_text("1 / 0")), ["--network", "failing_of_test:make"],
        "The network failing_of_test:make can't be imported: ZeroDivisionError: division by zero; it was",
    ),
    "no network": (npz(), ["--network", "math:sqrt"], "The network math:sqrt fails on images of"),
    "a folder of one's own": (npz(), ["--out", "."], ". holds other files than a report (own.npz)"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "options", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence_before_any_training(here, capsys, monkeypatch, spoil, options, message):
    monkeypatch.setattr(own_training, "train", lambda *args, **kwargs: pytest.fail("it was trained"))
    spoil()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    data = next((str(path) for path in Path().glob("own*")), "own.npz")
    assert cli.main(["train", data, *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("labelnoise: ")
    assert shown.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before
