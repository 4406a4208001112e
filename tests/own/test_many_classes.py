"""Thousands of classes: what goes where, and at most twice the memory of the input."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelnoise import cli
from labelnoise.own import report as report_module
from labelnoise.own.report import clean_shares

MEASURE = """
import resource, sys
from labelnoise import cli
status = cli.main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, file=sys.stderr)
sys.exit(status)
"""


def written(n, n_classes):
    """Labels of which a fifth is the next class, and probabilities that know it, as files."""
    generator = np.random.default_rng(0)
    clean = np.arange(n) % n_classes
    labels = np.where(generator.random(n) < 0.2, (clean + 1) % n_classes, clean)
    probs = np.lib.format.open_memmap("probs.npy", "w+", np.float32, (n, n_classes))
    probs[:] = 0.1 / n_classes
    probs[np.arange(n), clean] += 0.7
    probs[np.arange(n), (clean + 1) % n_classes] += 0.2
    probs.flush()
    np.save("labels.npy", labels)
    return labels


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_beyond_200_classes_t_goes_to_arrays_and_the_report_has_what_stands_out():
    n_classes = report_module.WRITTEN + 1
    written(100 * n_classes, n_classes)
    assert cli.main(["estimate", "--labels", "labels.npy", "--probs", "probs.npy", "--out", "out"]) == 0
    report, page = json.loads(Path("out/report.json").read_text()), Path("out/report.html").read_text()
    assert not {"transition_matrix", "low", "high"} & set(report)
    with np.load(Path("out", report["arrays"])) as arrays:
        matrix, low, high = (arrays[name] for name in ("transition_matrix", "low", "high"))
    assert matrix.shape == (n_classes, n_classes)
    assert (low <= matrix).all()
    assert (matrix <= high).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    assert {path.name for path in Path("out").iterdir()} == set(report["files"])
    assert report["arrays"] in page
    assert "<img" not in page
    found = {(row["clean"], row["label"]) for row in report["confusions"]}
    assert found == {(str(k), str((k + 1) % n_classes)) for k in range(n_classes)}


def test_up_to_200_classes_all_stands_in_the_report():
    written(2000, 20)
    assert cli.main(["estimate", "--labels", "labels.npy", "--probs", "probs.npy", "--out", "out"]) == 0
    report = json.loads(Path("out/report.json").read_text())
    assert np.shape(report["transition_matrix"]) == (20, 20)
    assert {path.name for path in Path("out").iterdir()} == set(report["files"])


def test_memory_grows_by_at_most_twice_the_input_in_files_of_a_thousand_classes():
    peaks = []
    for n in (5_000, 25_000):
        written(n, 1000)
        command = [sys.executable, "-c", MEASURE, "estimate", "--labels", "labels.npy", "--probs", "probs.npy"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(re.search(r"(\S+)$", done.stderr.strip())[1]))
    assert peaks[1] - peaks[0] <= 2 * 20_000 * 1000 * 4


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_clean_classes_are_those_that_lead_to_the_labels(seed):
    generator = np.random.default_rng(seed)
    matrix = 0.6 * np.eye(50) + 0.4 * generator.dirichlet(np.ones(50), size=50)
    shares = generator.dirichlet(np.ones(50))
    np.testing.assert_allclose(clean_shares(matrix, 1e9 * shares @ matrix), shares, atol=1e-9)
    # Where no shares lead to the labels, none is below 0.
    beyond = clean_shares(matrix, np.eye(50)[0] * 100)
    assert beyond.min() >= 0
    assert beyond.sum() == pytest.approx(1)
