"""Folders and files that may not be written or read are named in one sentence, before anything is computed."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

FROM_BOUNDING_SET, CAPABILITIES = 24, (1, 2)  # of prctl(2): root's to write and to read whatever the modes say


def without_privilege():
    """Hold root to the modes of files, too, from the next program on; for other users this changes nothing."""
    for capability in CAPABILITIES:
        ctypes.CDLL(None).prctl(FROM_BOUNDING_SET, capability, 0, 0, 0)


ESTIMATE = ["estimate", "--labels", "labels.npy", "--probs", "probs.npy", "--out"]
TRAIN = ["train", "data.npz", "--network", "lenet", "--out"]
CHAPTER = ["chapter", "03_correction", "-p", "profile", "smoke", "-p", "seeds", "1"]
UNCHANGED = "nothing was changed there."
ON_RECORD = "what was on record before stays, so put this right and run the same command again."

# The command, the ledger that it writes to, what may not be written, and what is said.
CASES = {
    "a report in a folder": (
        [*ESTIMATE, "{}/folder/new"],
        "folder",
        "{}/folder/new can't be written: Permission denied; " + UNCHANGED,
    ),
    "a report in a folder that is to be made in one": (
        [*ESTIMATE, "{}/folder/deep/new"],
        "folder",
        "{}/folder/deep/new can't be written: {}/folder may not be written to; " + UNCHANGED,
    ),
    "a report in place of an earlier one": (
        [*ESTIMATE, "{}/folder"],
        "folder",
        "{}/folder can't be written: {}/folder may not be written to; " + UNCHANGED,
    ),
    "a report of training in place of an earlier one": (
        [*TRAIN, "{}/folder"],
        "folder",
        "{}/folder can't be written: {}/folder may not be written to; " + UNCHANGED,
    ),
    "the folder of a ledger": (
        CHAPTER,
        "folder",
        "{}/folder/records.fits can't be written: Permission denied; " + ON_RECORD,
    ),
    "a ledger": (
        CHAPTER,
        "folder/records.jsonl",
        "{}/folder/records.jsonl can't be written: Permission denied; " + ON_RECORD,
    ),
}


def run(arguments, folder):
    done = subprocess.run(
        [sys.executable, "-m", "labelnoise.cli", *arguments],
        cwd=folder,
        env=os.environ | {"LABELNOISE_LEDGER": str(folder / "folder" / "records.jsonl")},
        preexec_fn=without_privilege,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path):
    labels = np.arange(40) % 2
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "probs.npy", np.full((40, 2), 0.3) + 0.4 * np.eye(2)[labels])
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", Xtr=images, Str=labels)
    (tmp_path / "folder").mkdir()
    return tmp_path


def tree(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(("arguments", "closed", "said"), CASES.values(), ids=CASES)
def test_what_may_not_be_written_is_named_before_the_work_is_done(folder, arguments, closed, said):
    if closed.endswith(".jsonl"):
        (folder / closed).touch()
    (folder / closed).chmod(0o555)
    before = tree(folder)
    try:
        told = run([argument.replace("{}", str(folder)) for argument in arguments], folder)
    finally:
        (folder / closed).chmod(0o755)
    assert told == (2, f"labelnoise: {said.replace('{}', str(folder))}\n")
    assert {path: content for path, content in tree(folder).items() if ".fits" not in str(path)} == before  # the lock


def test_a_file_that_may_not_be_read_is_named(folder):
    (folder / "labels.npy").chmod(0)
    said = "labelnoise: labels.npy can't be read or written: Permission denied.\n"
    assert run([*ESTIMATE, "new"], folder) == (2, said)
    assert not (folder / "new").exists()
