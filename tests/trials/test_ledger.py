import hashlib
import json
import subprocess
import sys
import time
import warnings

import pytest

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


def test_a_write_cut_off_at_any_byte_loses_no_other_record(path, tiny, made_up, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    first, second, cut, after = (made_up(tiny(seed=seed)) for seed in range(4))
    whole = encode(cut)
    for kept in range(len(whole)):
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
    for position in {*range(120), *range(120, len(line) - 1, 7)}:  # all of the head, some of the rest
        for changed in (line[position] ^ 1, ord("\r"), ord("\n")):
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


WRITER = """
import dataclasses, json, sys
from labelnoise.ledger import Ledger
from labelnoise.trials import Record
path, first = sys.argv[1], int(sys.argv[2])
record = Record.from_json(json.loads(sys.stdin.readline()))
ledger = Ledger(path)
print("ready", flush=True)
sys.stdin.readline()
for seed in range(first, first + 50):
    ledger.append(dataclasses.replace(record, trial=dataclasses.replace(record.trial, seed=seed)))
"""


def test_two_processes_that_append_at_once_lose_nothing(path, tiny, made_up):
    template = made_up()
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, path, first],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for first in ("0", "50")
    ]  # fmt: skip
    for writer in writers:
        writer.stdin.write(json.dumps(template.to_json()) + "\n")
        writer.stdin.flush()
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    ledger = Ledger(path)
    assert path.read_bytes().count(b"\n") == 100
    assert sorted(record.trial.seed for record in ledger) == list(range(100))


def test_a_hundred_thousand_records_are_quick_to_open_and_to_search(path, tiny, made_up):
    line = encode(made_up())
    key = made_up().trial.key.encode()
    write(path, *(line.replace(key, b"%016x" % i, 1) for i in range(100_000)), encode(made_up()))
    start = time.process_time()
    ledger = Ledger(path)
    opened = time.process_time()
    assert opened - start < 2  # seconds of processor time
    assert not any(tiny(seed=seed) in ledger for seed in range(1, 1001))
    assert ledger.find(tiny()) == made_up()
    assert time.process_time() - opened < 1
