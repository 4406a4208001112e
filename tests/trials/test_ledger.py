import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from labelnoise.estimators import ESTIMATORS
from labelnoise.trials import DamagedLine, Ledger, decode, encode


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "records.jsonl"


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def read_all(path, *trials):
    """What is found for each trial, all that is iterated over, and the warnings of both."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ledger = Ledger(path)
        found = [ledger.find(trial) for trial in trials]
        return found, list(ledger), [str(w.message) for w in caught if w.category is DamagedLine]


def edges(line):
    """Where something begins or ends in the head of a line, and some places of the rest, its end among them."""
    marks = [match.start() for match in re.finditer(rb"[^0-9a-z]", line[:120])]
    return sorted({*marks, *(mark + 1 for mark in marks), *range(120, len(line), 61), len(line) - 2, len(line) - 1})


def test_what_is_appended_is_found_at_once_and_after_reopening(path, tiny, made_up):
    records = [made_up(tiny(seed=seed)) for seed in range(3)]
    ledger = Ledger(path)
    assert tiny(seed=0) not in ledger
    for record in records:
        ledger.append(record)
        assert ledger.find(record.trial) == record
        assert record.trial in ledger
    assert list(ledger) == list(Ledger(path)) == records
    assert Ledger(path).find(tiny(seed=3)) is None


def test_a_ledger_sees_what_another_appends_after_a_refresh(path, tiny, made_up):
    reader, writer = Ledger(path), Ledger(path)
    writer.append(made_up())
    assert reader.find(tiny()) is None
    reader.refresh()
    assert reader.find(tiny()) == made_up()


def test_appending_only_adds_bytes(path, tiny, made_up):
    ledger = Ledger(path)
    before = b""
    for seed in range(3):
        ledger.append(made_up(tiny(seed=seed)))
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    assert before.count(b"\n") == 3


def test_a_line_holds_its_record(made_up):
    line = encode(made_up(weights_sha256="é\n\r\u2028"))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == made_up(weights_sha256="é\n\r\u2028")
    assert json.loads(line)["key"] == made_up().trial.key


def test_of_two_records_of_a_trial_the_last_counts(path, made_up):
    write(path, encode(made_up(seconds=1.0)), encode(made_up(seconds=2.0)))
    assert Ledger(path).find(made_up().trial).seconds == 2.0
    assert [record.seconds for record in Ledger(path)] == [2.0]


def test_a_failed_trial_counts_as_not_run_until_it_is_done(path, tiny, made_up):
    ledger = Ledger(path)
    ledger.append(made_up(status="failed", history={}, traceback="Traceback ..."))
    assert tiny() not in ledger
    assert list(ledger) == []
    ledger.append(made_up())
    assert ledger.find(tiny()) == made_up()
    ledger.append(made_up(status="failed"))
    assert ledger.find(tiny()) == made_up()
    assert list(Ledger(path)) == [made_up()]


def test_the_base_is_read_and_never_written(path, tmp_path, tiny, made_up):
    below = write(tmp_path / "base.jsonl", encode(made_up(tiny(seed=0))), encode(made_up(tiny(seed=1), seconds=1.0)))
    before = below.read_bytes()
    ledger = Ledger(path, base=Ledger(below))
    assert ledger.find(tiny(seed=0)) == made_up(tiny(seed=0))
    assert tiny(seed=2) not in ledger
    ledger.append(made_up(tiny(seed=1), seconds=2.0))
    ledger.append(made_up(tiny(seed=2)))
    assert ledger.find(tiny(seed=1)).seconds == 2.0
    assert below.read_bytes() == before
    assert [record.trial.seed for record in ledger] == [1, 2]


def test_a_record_of_another_trial_under_a_trials_key_is_not_returned(path, tiny, made_up):
    wanted, other = tiny(seed=0), made_up(tiny(seed=1))
    values = {**other.to_json(), "key": wanted.key}
    key, body = values.pop("key"), json.dumps(values)[1:]
    digest = hashlib.sha256((key + body).encode()).hexdigest()
    line = f'{{"key": "{key}", "sha256": "{digest}", {body}\n'.encode()
    assert decode(line) == other
    assert Ledger(write(path, line)).find(wanted) is None


def test_a_write_cut_off_anywhere_loses_no_other_record(path, tiny, made_up, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    first, second, cut, after = (made_up(tiny(seed=seed)) for seed in range(4))
    whole = encode(cut)
    for kept in edges(whole):
        write(path, encode(first), encode(second), whole[:kept])
        found, everything, damaged = read_all(path, first.trial, second.trial, cut.trial)
        assert found == [first, second, None]
        assert everything == [first, second]
        assert damaged == []

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedLine)
            ledger = Ledger(path)
            ledger.append(after)
            assert ledger.find(after.trial) == after
        found, _, damaged = read_all(path, first.trial, second.trial, after.trial, cut.trial)
        assert found[:3] == [first, second, after]
        complete = kept == len(whole) - 1  # only the end of the line was missing
        assert found[3] == (cut if complete else None)
        assert [f"{path} line 3 is damaged" in message for message in damaged] == [True] * (kept > 0 and not complete)


def test_a_changed_byte_is_noticed_and_its_record_not_used(path, tiny, made_up):
    first, second, third = (made_up(tiny(seed=seed)) for seed in range(3))
    line = encode(second)
    places = edges(line)[:-1]  # without the end of the line
    assert {line[position : position + 1] for position in places} >= {b"{", b'"', b":", b",", b" "}
    for position in {*range(120), *places}:  # all of the head, some of the rest
        for changed in (line[position] ^ 1, ord("\r"), ord("\n"))[: None if position in places else 1]:
            write(path, encode(first), line[:position], bytes([changed]), line[position + 1 :], encode(third))
            found, everything, damaged = read_all(path, first.trial, second.trial, third.trial)
            assert found == [first, None, third]
            assert everything == [first, third]
            number = 3 if position == 0 and changed == ord("\n") else 2
            says = f"line {number} is damaged: it is skipped, and its trial will be trained again when asked for."
            assert f"{path} {says}" in damaged


def test_two_lines_run_together_are_damaged_and_the_rest_is_not(path, tiny, made_up):
    first, second, third = (made_up(tiny(seed=seed)) for seed in range(3))
    write(path, encode(first)[:-1] + b" " + encode(second), encode(third))
    found, everything, damaged = read_all(path, first.trial, second.trial, third.trial)
    assert found == [None, None, third]
    assert everything == [third]
    assert "line 1 is damaged" in damaged[0]


def test_empty_lines_are_no_damage(path, made_up):
    write(path, b"\n", encode(made_up()), b"\n\n")
    assert list(Ledger(path)) == [made_up()]


# A record as a ledger sees it, so that the writers need no torch, which takes seconds to import.
WRITER = """
import json, sys, types
from labelnoise.trials import Ledger
records = json.loads(sys.stdin.readline())
ledger = Ledger(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for values in records:
    ledger.append(types.SimpleNamespace(weights=b"", to_json=lambda: values))
"""


def test_two_processes_that_append_at_once_lose_and_double_nothing(path, tiny, made_up):
    records = [made_up(tiny(seed=seed)) for seed in range(100)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for number, writer in enumerate(writers):
        writer.stdin.write(json.dumps([record.to_json() for record in records[number::2]]) + "\n")
        writer.stdin.flush()
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert path.read_bytes().count(b"\n") == 100
    assert sorted(Ledger(path), key=lambda record: record.trial.seed) == records


def test_a_repository_stays_clean_where_records_are_appended(path, made_up):
    Ledger(path).append(made_up(weights=b"some"))
    assert sorted(os.listdir(path.parent)) == ["records.fits", "records.jsonl"]
    git = shutil.which("git")
    root = Path(__file__).parents[2]
    if git is None or not (root / ".git").exists():
        pytest.skip("not in a checkout")
    for name in os.listdir(path.parent / "records.fits"):
        subprocess.run([git, "check-ignore", "--quiet", f"results/trials.fits/{name}"], cwd=root, check=True)


# In Python, a module that is None can't be imported.
WITHOUT = """
import sys
sys.modules |= dict.fromkeys(["torch", "pandas", "distributed", "fcntl"])
from labelnoise.trials import Ledger, local_pool, missing, on_terminal, provenance, sweep
assert missing([], Ledger(sys.argv[1])) == sweep([], Ledger(sys.argv[1])) == []
"""


def test_a_ledger_opens_without_torch_and_on_windows(path, made_up):
    Ledger(path).append(made_up())
    subprocess.run([sys.executable, "-c", WITHOUT, path], check=True)


def lacking(record, *names):
    """A record from before some estimators were there."""
    matrices = {name: each for name, each in record.transition_matrices.items() if name not in names}
    deviations = {name: each for name, each in record.deviations.items() if name not in names}
    return dataclasses.replace(record, transition_matrices=matrices, deviations=deviations)


def test_a_record_is_found_for_the_estimators_that_it_holds(path, tmp_path, tiny, made_up):
    full, old = made_up(seconds=1.0), lacking(made_up(seconds=2.0), "anchor-97", "hoc")
    ledger = Ledger(path, base=Ledger(write(tmp_path / "base.jsonl", encode(full))))
    ledger.append(old)
    assert ledger.find(tiny()) == old
    assert ledger.find(tiny(), ["dual-t"]) == old
    assert ledger.find(tiny(), ["dual-t", "anchor-97"]) == full  # of the base
    assert ledger.find(tiny(), ["hoc"]) == full  # it reads features, so it has no deviations
    assert ledger.find(tiny(), [*ESTIMATORS, "another"]) is None
    assert tiny() in ledger
    assert list(ledger) == [old]


def test_a_record_without_deviations_does_not_hold_an_estimator_that_reads_probabilities(path, tiny, made_up):
    ledger = Ledger(path)
    ledger.append(made_up(deviations={}))
    assert ledger.find(tiny(), ["hoc"]) == made_up(deviations={})
    assert ledger.find(tiny(), ["dual-t"]) is None


def test_only_cross_entropy_is_read_by_estimators(path, tiny, made_up):
    record = made_up(tiny(method="forward", transition="true"), transition_matrices={}, deviations={})
    ledger = Ledger(path)
    ledger.append(record)
    assert ledger.find(record.trial, ESTIMATORS) == record


def test_a_hundred_thousand_records_are_quick_to_open_and_to_search(path, tiny, made_up):
    line = encode(made_up())
    key = made_up().trial.key.encode()
    write(path, *(line.replace(key, b"%016x" % i, 1) for i in range(100_000)), encode(made_up()))
    took = []
    for _ in range(3):  # as another process on the same core slows this one
        start = time.process_time()
        ledger = Ledger(path)
        opened = time.process_time()
        took.append(opened - start)
    assert min(took) < 2  # seconds of processor time
    assert not any(tiny(seed=seed) in ledger for seed in range(1, 1001))
    assert ledger.find(tiny()) == made_up()
    assert time.process_time() - opened < 1
