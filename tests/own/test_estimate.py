"""`labelnoise estimate`: the same data in every form give the same report, a mistake gives one sentence."""

import errno
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelnoise import cli, noise
from labelnoise.errors import InputError
from labelnoise.estimators import RESAMPLES
from labelnoise.names import named
from labelnoise.own import estimate as estimate_command

NAMES = ("cat", "dog", "owl")
LABELS = [0, 1, 2, 0, 1, 2, 0, 0]
PROBS = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2]] * 2)


def drawn(n=3000, seed=0):
    """Noisy labels and their exact P(noisy | x), by T of the paper's "0.5"."""
    generator = np.random.default_rng(seed)
    clean = generator.integers(3, size=n)
    posteriors = 0.01 / 3 + 0.99 * np.eye(3)[clean]
    matrix = named("paper-0.5", 3)
    return noise.corrupt(clean, matrix, generator), posteriors @ matrix


def write(path, array, columns=None):
    """An array as CSV, NPY or Parquet, by the name's ending; a CSV without a header if the columns have no names."""
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        frame = pd.DataFrame(array.astype(array.dtype.newbyteorder("=")), columns=columns)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False, header=columns is not None)
        else:
            frame.rename(columns=str).to_parquet(path)
    return path


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("labels.csv"), np.array(LABELS), ["label"])
    write(Path("probs.npy"), PROBS)
    return tmp_path


# Mistakes.


def text(name, content):
    return lambda: Path(name).write_bytes(content.encode() if isinstance(content, str) else content)


def npy(name, array):
    return lambda: np.save(name, array)


def probs_with(row, column, value):
    changed = PROBS.copy()
    changed[row, column] = value
    return npy("probs.npy", changed)


def labels_text(labels, header="label"):
    return text("labels.csv", "\n".join([header, *map(str, labels)]) + "\n")


def folder(name, *held):
    def make():
        Path(name).mkdir()
        for each in held:
            (Path(name) / each).write_text("{}")

    return make


MISTAKES = {
    "no file": (Path("labels.csv").unlink, "There is no file labels.csv."),
    "a folder": (lambda: (Path("probs.npy").unlink(), Path("probs.npy").mkdir()), "probs.npy is a folder"),
    "0 bytes": (text("labels.csv", ""), "labels.csv is empty (0 bytes)"),
    "a header only": (text("labels.csv", "label\n"), "labels.csv has no labels, a header at most"),
    "a label short": (labels_text(LABELS[1:]), "labels.csv has 7 labels but probs.npy has 8 rows"),
    "a negative label": (labels_text([0, -1, *LABELS[2:]]), "Row 1 of labels.csv is '-1', none of the classes"),
    "a label too large": (labels_text([*LABELS[:7], 3]), "Row 7 of labels.csv is '3', none of the classes"),
    "a fraction": (labels_text([*LABELS[:7], 1.5]), "Row 7 of labels.csv is '1.5', none of the classes"),
    "a label left out": (labels_text([0, "", *LABELS[2:]]), "Row 1 of labels.csv has no label"),
    "too many names": (labels_text(["a", "b", "c", "d"] * 2), "has 4 different names but probs.npy has 3 columns"),
    "two columns": (labels_text(["0,1"] * 8, "first,second"), "labels.csv has the columns first, second; name the one"),
    "a line too long": (labels_text(["0,1"] * 7 + ["0,1,2"], "id,label"), "labels.csv is no CSV file that can be read"),
    "not UTF-8": (text("labels.csv", "label\n0\n".encode("utf-16")), "labels.csv is no CSV file that can be read"),
    "one class": (labels_text([0] * 8), "All labels in labels.csv are '0'; two classes or more are needed"),
    "a matrix of labels": (npy("labels.npy", np.zeros((8, 2), int)), "labels.npy must hold one label per sample"),
    "objects": (npy("labels.npy", np.array([0, "a"] * 4, object)), "labels.npy is no NPY file that can be read"),
    "no NPY": (text("probs.npy", "0.1,0.9\n"), "probs.npy is no NPY file that can be read"),
    "cut off": (lambda: Path("probs.npy").write_bytes(Path("probs.npy").read_bytes()[:150]), "probs.npy is no NPY"),
    "one column": (npy("probs.npy", PROBS[:, 0]), "probs.npy must have a row for each sample and a column"),
    "NaN": (probs_with(5, 1, np.nan), "probs.npy has a value that is not finite in row 5"),
    "logits": (probs_with(4, 2, -3.0), "Row 4 of probs.npy sums to"),
    "predicted classes": (npy("probs.npy", np.eye(3, dtype=int)[LABELS]), "must be floating-point probabilities"),
    "unknown ending": (text("labels.txt", "0\n"), "labels.txt must end in .csv, .npy or .parquet"),
    "no Parquet": (text("labels.parquet", "label\n0\n"), "labels.parquet is no PARQUET file that can be read"),
    "other names": (text("probs.csv", "cat,dog\n0.5,0.5\n" * 8), "not a number"),
    "a word": (text("probs.csv", "cat,dog,owl\n" + "1,0.0,0\n" * 7 + "1,x,0\n"), "Row 7 of probs.csv has 'x'"),
    "names twice": (text("probs.csv", "cat,dog,cat\n" + "0.5,0.5,0\n" * 8), "probs.csv has two columns called 'cat'"),
    "a folder with other files": (folder("report", "mine.txt"), "report holds other files than a report (mine.txt)"),
    "a report and another file": (folder("report", "report.json", "x"), "report holds other files than a report"),
    "a file for a folder": (text("report", "x"), "report is a file; name a folder"),
}  # fmt: skip


def tree(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def command(*options):
    """The command on the fixture's files, or on those of another ending that lie beside them."""
    labels, probs = (
        next((name for name in map(str, Path().glob(f"{default[:5]}*")) if name != default), default)
        for default in ("labels.csv", "probs.npy")
    )
    return cli.main(["estimate", "--labels", labels, "--probs", probs, *options])


@pytest.mark.parametrize(("spoil", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence_and_writes_nothing(files, capsys, spoil, message):
    spoil()
    before = tree(files)
    assert command("--out", "report") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("labelnoise: ")
    assert shown.err.count("\n") == 1
    assert tree(files) == before


@pytest.mark.parametrize(
    ("options", "message"),
    {
        "estimator": (["--estimator", "guess"], "Unknown estimator 'guess'; use one of: anchor-max"),
        "parent": (["--out", "probs.npy/report"], "probs.npy is a file; name another folder"),
        "column": (["--label-column", "x"], "labels.csv has no column 'x'; it has label"),
        "permission": (["--out", "/sys/report"], "/sys/report can't be written: "),
    }.values(),
)
def test_an_option_that_can_not_be_used_gives_one_sentence(files, capsys, options, message):
    assert command(*options) == 2
    assert message in capsys.readouterr().err


def test_a_full_disk_leaves_an_earlier_report_as_it_was(files, capsys, monkeypatch):
    assert command("--out", "report") == 0
    before = tree(files)

    def full(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert command("--out", "report", "--estimator", "dual-t") == 2
    assert "report can't be written: No space left on device" in capsys.readouterr().err
    assert tree(files) == before


# What a report says.

WRITTEN = {"report.json", "report.html", "suggestions.csv", "labels_cleaned.csv"}

(EXAMPLE,) = (line.split()[1:] for line in estimate_command.EXAMPLE.splitlines() if "labelnoise estimate" in line)


@pytest.mark.parametrize("example", ["README", "help"])
def test_an_example_writes_its_report(files, readme_command, example):
    write(Path("labels.npy"), np.array(LABELS))
    assert cli.main(readme_command("estimate") if example == "README" else EXAMPLE) == 0
    assert {path.name for path in Path("report").iterdir()} == WRITTEN


def test_a_report_is_replaced_and_holds_what_the_terminal_says(files, capsys):
    assert command("--out", "report") == command("--out", "report", "--estimator", "argmax-counts") == 0
    assert {path.name for path in files.iterdir()} == {"labels.csv", "probs.npy", "report"}
    report = json.loads(Path("report/report.json").read_text())
    page = Path("report/report.html").read_text()
    assert "argmax counts" in report["title"]
    assert "argmax counts" in page
    assert not re.search(r"(src|href)=\"?(?!data:)", page)
    rate = f"{100 * report['noise_rate']:.1f} % of the labels are wrong"
    assert rate in page
    assert rate in capsys.readouterr().out.rpartition("T by argmax")[2]


@pytest.mark.parametrize("estimator", ["confident-learning", "argmax-counts"])
def test_intervals_of_exact_probabilities_hold_the_true_matrix(estimator):
    truth, covered = named("paper-0.5", 3), 0
    for seed in range(40):
        labels, probs = drawn(seed=seed)
        covered += estimate_command.estimate(probs, labels, NAMES, estimator).bounds.covers(truth).sum()
    # Of 360 entries 342 are expected; those of a row depend on each other, so the deviation is at most that of 120.
    # Four of them: one in 30,000 fails.
    assert covered >= 342 - 4 * 3 * (120 * 0.95 * 0.05) ** 0.5


def test_fewer_samples_a_resample_give_the_same_deviations_within_their_own_error(monkeypatch):
    labels, probs = drawn()
    whole = estimate_command.estimate(probs, labels, NAMES, "argmax-counts").bounds
    monkeypatch.setattr(estimate_command, "MOST_ROWS", 1000)
    part = estimate_command.estimate(probs, labels, NAMES, "argmax-counts").bounds
    ratio = (part.high - part.low) / (whole.high - whole.low)
    # Of the logarithm of a ratio of two deviations; that four of it hold all nine entries fails once in 1,700 times.
    error = (2 / (2 * RESAMPLES)) ** 0.5
    assert abs(np.log(ratio)).max() < 4 * error


def test_a_class_of_one_sample_has_a_wide_interval():
    labels = np.array([0] * 50 + [1] * 49 + [2])
    bounds = estimate_command.estimate(0.98 * np.eye(3)[labels] + 0.02 / 3, labels, NAMES, "argmax-counts").bounds
    assert (bounds.high - bounds.low)[2].min() > 0.5
    assert (bounds.high - bounds.low)[:2].max() < 0.2


def test_only_what_stands_out_is_named():
    labels, probs = drawn(n=20_000)
    report = estimate_command.estimate(probs, labels, NAMES, "argmax-counts")
    found = {tuple(pair) for pair in report.confusions()[["clean", "label"]].to_numpy()}
    assert found == {("cat", "owl"), ("dog", "cat"), ("owl", "dog")}  # 0.3, where even flips are 0.25
    assert report.noise_rate == pytest.approx(0.5, abs=4 * (0.25 / 20_000) ** 0.5)  # one in 16,000 fails


# The same data in every form.

FORMS = list(itertools.product((".csv", ".npy", ".parquet"), repeat=2))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from([NAMES, ("1", "2", "10"), ("0", "1", "2")]))
def test_every_form_gives_the_same(tmp_path, seed, names):
    labels, probs = drawn(50, seed)
    named_labels = np.array(names)[labels]
    for kind, other in FORMS:
        label_file = write(tmp_path / f"labels{kind}", named_labels, ["label"])
        prob_file = write(tmp_path / f"probs{other}", probs, list(names))
        if other == ".npy" and names == ("1", "2", "10"):  # numbers count the columns where these have no names
            with pytest.raises(InputError, match="none of the classes"):
                estimate_command.read_samples(label_file, prob_file)
            continue
        samples = estimate_command.read_samples(label_file, prob_file)
        read_probs, read, read_names = samples.pred_probs, samples.noisy_labels, samples.class_names
        np.testing.assert_array_equal(read, labels)
        np.testing.assert_array_equal(read_probs, probs)
        assert read_names == names


WAYS = {
    "plain": "label\ncat\ndog\nowl\ncat\n",
    "no header": "cat\ndog\nowl\ncat\n",
    "Windows": "label\r\ncat\r\ndog\r\nowl\r\ncat\r\n",
    "a mark": "\ufefflabel\ncat\ndog\nowl\ncat\n",
    "a mark and no header": "\ufeffcat\ndog\nowl\ncat\n",
    "no last line end": "label\ncat\ndog\nowl\ncat",
    "more columns": "id,Noisy Label,label\n7,cat,x\n8,dog,x\n9,owl,x\n7,cat,x\n",
    "quotes and spaces": 'label\n"cat"\n dog\nowl \ncat\n',
    "row numbers": ",label\n0,cat\n1,dog\n2,owl\n3,cat\n",
}


@pytest.mark.parametrize("content", WAYS.values(), ids=WAYS)
def test_every_way_to_write_labels_gives_the_same(tmp_path, content):
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode())
    labels = estimate_command.read_samples(path, write(tmp_path / "probs.csv", PROBS[:4], list(NAMES))).noisy_labels
    assert labels.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("labels", [[1, 0, 2], [1.0, 0.0, 2.0], ["1", "0", "2"], np.array([1, 0, 2], ">i2")])
def test_whole_numbers_are_the_same_however_they_are_written(tmp_path, labels):
    for kind in (".csv", ".npy", ".parquet"):
        path = write(tmp_path / f"labels{kind}", np.asarray(labels), ["label"])
        read = estimate_command.read_samples(path, write(tmp_path / "probs.npy", PROBS[:3])).noisy_labels
        assert read.tolist() == [1, 0, 2]


def test_categories_of_pandas_are_read_as_their_names_and_a_gap_is_named(tmp_path):
    probs, path = write(tmp_path / "probs.npy", PROBS[:4]), tmp_path / "labels.parquet"
    pd.DataFrame({"label": pd.Categorical(["owl", "cat", "dog", "cat"])}).to_parquet(path)
    assert estimate_command.read_samples(path, probs).noisy_labels.tolist() == [2, 0, 1, 0]
    pd.DataFrame({"label": pd.Categorical(["owl", "cat", None, "dog"])}).to_parquet(path)
    with pytest.raises(InputError, match=f"^Row 2 of {path} has no label"):
        estimate_command.read_samples(path, probs)


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
def test_a_gap_in_the_probabilities_is_named_and_their_precision_is_kept(tmp_path, kind):
    labels = write(tmp_path / "labels.npy", np.array(LABELS))
    gaps = PROBS.copy()
    gaps[5, 1] = np.nan
    with pytest.raises(InputError, match="has a value that is not finite in row 5"):
        estimate_command.read_samples(labels, write(tmp_path / f"gaps{kind}", gaps, list(NAMES)))
    single = write(tmp_path / f"single{kind}", PROBS.astype(np.float32), list(NAMES))
    read = estimate_command.read_samples(labels, single).pred_probs
    assert read.dtype == (np.float32 if kind == ".parquet" else np.float64)
    np.testing.assert_array_equal(read.astype(np.float32), PROBS.astype(np.float32))
