import dataclasses
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelnoise.errors import InputError
from labelnoise.trials import (
    Ledger,
    Progress,
    SweepFailed,
    duration,
    local_pool,
    missing,
    on_terminal,
    sweep,
)
from labelnoise.trials._workers import attempt

RUN = "labelnoise.trials._running.run"  # what trains


class InProcess(Executor):
    """Runs what is submitted at once, in this process (PEP 3148)."""

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "records.jsonl")


@pytest.fixture
def ran(monkeypatch, made_up):
    """Training is replaced by a made-up record that names the record it was given; lists the trials run."""
    trials = []

    def run(trial, given=None, device="cpu"):
        trials.append(trial)
        if trial.seed >= 1000:
            raise RuntimeError(f"seed {trial.seed} will not do")
        assert (given and given.trial) == trial.prerequisite()
        return made_up(trial, provenance={"given": given.trial.key if given else ""})

    monkeypatch.setattr(RUN, run)
    return trials


def family(tiny, seed):
    """A cross-entropy trial, one with the true T, and two that need the first one's estimates."""
    return [
        tiny(seed=seed),
        tiny(seed=seed, method="forward", transition="true"),
        tiny(seed=seed, method="forward", transition="anchor-97"),
        tiny(seed=seed, method="backward", transition="anchor-max"),
    ]


def test_the_records_come_in_the_order_of_the_trials(ledger, tiny, ran):
    trials = family(tiny, 0)[::-1] + family(tiny, 1)
    records = sweep(trials, ledger, InProcess())
    assert [record.trial for record in records] == trials
    assert all(ledger.find(trial) == record for trial, record in zip(trials, records, strict=True))


def test_nothing_is_trained_twice(ledger, tiny, ran):
    trials = family(tiny, 0)
    sweep(trials[:2], ledger, InProcess())
    assert ran == trials[:2]
    sweep([*trials, *trials], ledger, InProcess())
    sweep(trials, ledger, InProcess())
    sweep(trials, Ledger(ledger.path), InProcess())
    assert sorted(t.key for t in ran) == sorted(t.key for t in trials)


def test_a_prerequisite_is_trained_once_and_first(ledger, tiny, ran):
    plain, _, forward, backward = family(tiny, 0)
    records = sweep([forward, backward], ledger, InProcess())
    assert ran == [plain, forward, backward]
    assert [record.provenance["given"] for record in records] == [plain.key] * 2
    assert plain in ledger


def test_a_prerequisite_on_record_is_given_also_from_the_base(ledger, tmp_path, tiny, ran, made_up):
    plain, _, forward, _ = family(tiny, 0)
    ledger.append(made_up(plain))
    above = Ledger(tmp_path / "above.jsonl", base=ledger)
    sweep([forward], above, InProcess())
    assert ran == [forward]
    assert plain in ledger
    assert forward not in ledger


def test_prerequisites_stand_before_the_trials_and_nothing_stands_twice(ledger, tiny):
    plain, true, forward, backward = family(tiny, 0)
    assert missing([forward, plain, true, backward, forward], ledger) == [plain, forward, true, backward]


def test_missing_are_those_not_on_record(ledger, tiny, made_up):
    plain, true, forward, backward = family(tiny, 0)
    ledger.append(made_up(true))
    ledger.append(made_up(backward, status="failed"))
    assert missing([true, forward, backward], ledger) == [plain, forward, backward]


def lacking(record, *names):
    """A record from before some estimators were there."""
    matrices = {name: each for name, each in record.transition_matrices.items() if name not in names}
    return dataclasses.replace(record, transition_matrices=matrices)


def test_a_new_estimator_leaves_records_as_they_are_until_its_t_is_asked_for(ledger, tiny, made_up):
    plain, true, forward, backward = trials = family(tiny, 0)
    ledger.append(lacking(made_up(plain), "anchor-97"))
    ledger.append(made_up(true))
    assert missing([plain, true], ledger) == []
    assert missing([plain, true], ledger, ["dual-t", "anchor-max"]) == []
    assert missing([plain, true], ledger, ["dual-t", "anchor-97"]) == [plain]
    assert missing([backward], ledger) == [backward]
    assert missing([forward], ledger) == [plain, forward]  # it takes its T from that estimator
    assert missing(trials, ledger) == [plain, forward, backward]
    ledger.append(made_up(forward))
    assert missing([forward], ledger, ["anchor-97"]) == []  # nothing of it is read by estimators


def test_an_unknown_estimator_is_refused_before_anything_is_trained(ledger, tiny, ran):
    with pytest.raises(InputError, match=r"^Unknown estimator 'anchor'; use one of: anchor-max, .*hoc"):
        sweep([tiny()], ledger, InProcess(), estimators=["dual-t", "anchor"])
    assert ran == []


def test_a_record_that_lacks_an_estimator_asked_for_is_made_again(ledger, tiny, ran, made_up):
    ledger.append(lacking(made_up(), "anchor-97"))
    assert sweep([tiny()], ledger, InProcess()) == [lacking(made_up(), "anchor-97")]
    assert ran == []
    (record,) = sweep([tiny()], ledger, InProcess(), estimators=["anchor-97"])
    assert ran == [tiny()]
    assert record.has(["anchor-97"])
    assert Ledger(ledger.path).find(tiny()) == record


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_records_do_not_depend_on_order_or_executor(tmp_path_factory, tiny, ran, data):
    trials = family(tiny, 0) + family(tiny, 1)
    shuffled = data.draw(st.permutations(trials))
    folder = tmp_path_factory.mktemp("ledgers")
    expected = {r.trial: r for r in sweep(trials, Ledger(folder / "a.jsonl"), InProcess())}
    with ThreadPoolExecutor(3) as threads:
        found = sweep(shuffled, Ledger(folder / "b.jsonl"), threads)
    assert [record.trial for record in found] == shuffled
    assert {record.trial: record for record in found} == expected


def test_a_failed_trial_is_on_record_with_its_traceback_and_the_others_finish(ledger, tiny, ran):
    bad, good = tiny(seed=1000), [tiny(seed=seed) for seed in (0, 1)]
    with pytest.raises(SweepFailed) as caught:
        sweep([good[0], bad, good[1]], ledger, InProcess())
    assert str(caught.value) == (
        "1 of 3 trials failed, the first with 'RuntimeError: seed 1000 will not do'; "
        f"the tracebacks are in {ledger.path}, and the others are on record."
    )
    assert all(trial in ledger for trial in good)
    assert bad not in ledger
    lines = ledger.path.read_text().splitlines()
    (failed,) = [line for line in lines if '"status": "failed"' in line]
    assert "Traceback" in failed
    assert bad.key in failed


def test_a_failed_trial_is_tried_again(ledger, tiny, ran):
    for _ in range(2):
        with pytest.raises(SweepFailed):
            sweep([tiny(seed=1000), tiny(seed=0)], ledger, InProcess())
    assert [trial.seed for trial in ran] == [1000, 0, 1000]


def test_what_waits_for_a_failed_trial_fails_with_it(ledger, tiny, ran):
    told = []
    with pytest.raises(SweepFailed, match="3 of 5 trials failed, the first with 'RuntimeError: seed 1000 will not do'"):
        sweep([*family(tiny, 1000)[2:], *family(tiny, 0)[:2]], ledger, InProcess(), progress=told.append)
    assert len(ran) == 3
    last = told[-1]
    assert (last.done, last.failed, last.running, last.total) == (2, 3, 0, 5)
    assert all(trial in ledger for trial in family(tiny, 0)[:2])


def test_a_sweep_that_stopped_goes_on_where_it_was(ledger, tiny, ran):
    trials = family(tiny, 0) + family(tiny, 1)

    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(trials, ledger, InProcess(), progress=stop)
    on_record = [trial for trial in trials if trial in ledger]
    assert len(on_record) == 3
    ran.clear()
    assert len(sweep(trials, ledger, InProcess())) == len(trials)
    assert set(ran) == set(trials) - set(on_record)


def test_progress_counts_up_to_the_total(ledger, tiny, ran, made_up):
    trials = family(tiny, 0) + family(tiny, 1)
    ledger.append(made_up(trials[0]))
    told = []
    sweep(trials, ledger, InProcess(), workers=2, progress=told.append)
    assert [p.done for p in told] == list(range(len(trials)))
    assert {p.total for p in told} == {len(trials) - 1}
    assert told[0].seconds_left is None
    # A made-up trial takes 1.5 s, and two workers share them.
    assert [p.seconds_left for p in told[1:]] == [pytest.approx(1.5 * (p.total - p.done) / 2) for p in told[1:]]
    assert max(p.running for p in told) == 2
    assert told[-1].running == 0


def test_nothing_to_do_starts_nothing_and_tells_nothing(ledger, tiny, made_up):
    ledger.append(made_up())
    told = []
    assert sweep([tiny()], ledger, progress=told.append) == [made_up()]
    assert sweep([], ledger) == []
    assert multiprocessing.active_children() == []
    assert told == []


def test_progress_in_words():
    assert str(Progress(3, 0, 2, 10, None)) == "3 of 10 trials done, 2 running"
    assert str(Progress(3, 1, 2, 10, 600)) == "3 of 10 trials done, 1 failed, 2 running, about 10 min left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (5399, "1 h 30 min"), (12_000, "3 h 20 min")],
)
def test_seconds_for_people(seconds, words):
    assert duration(seconds) == words


def test_without_a_terminal_each_change_is_a_line(capsys):
    on_terminal(Progress(1, 0, 1, 2, None))
    on_terminal(Progress(2, 0, 0, 2, 0.0))
    assert capsys.readouterr().err == "1 of 2 trials done, 1 running\n2 of 2 trials done, 0 running, about 0 s left\n"


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_on_a_terminal_a_bar_stays_in_one_line_until_the_end(capsys, monkeypatch, columns):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, filled = [], []
    for progress in (Progress(0, 0, 2, 4, None), Progress(2, 1, 1, 4, 600.0), Progress(3, 1, 0, 4, 0.0)):
        on_terminal(progress)
        line = capsys.readouterr().err
        assert line.startswith("\r\033[K")
        assert line.endswith("\n") == (progress.running == 0)
        lines.append(line.removeprefix("\r\033[K").removesuffix("\n"))
        filled.append(lines[-1].count("█") / columns)
        assert len(lines[-1]) < columns
        if columns > 60:
            assert lines[-1].startswith(str(progress))
    if columns > 60:
        assert filled == sorted(set(filled))


class Breaking(InProcess):
    """A pool whose worker dies at the nth trial; from then on it takes no work, as a real one."""

    def __init__(self, nth, at_submit):
        self.left, self.at_submit = nth, at_submit

    def submit(self, function, /, *args, **kwargs):
        self.left -= 1
        if self.left > 0:
            return super().submit(function, *args, **kwargs)
        error = BrokenProcessPool("a worker died")
        if self.at_submit:
            raise error
        future = Future()
        future.set_exception(error)
        return future


@pytest.mark.parametrize("at_submit", [False, True])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_worker_that_dies_is_told_in_a_sentence(ledger, tiny, ran, nth, at_submit):
    plain, _, forward, _ = family(tiny, 0)
    with pytest.raises(InputError, match=r"A worker process died.* run the same command again"):
        sweep([forward], ledger, Breaking(nth, at_submit))
    assert (plain in ledger) == (nth == 2)
    assert len(sweep([forward], ledger, InProcess())) == 1


@pytest.fixture(scope="module")
def pool():
    with local_pool(2) as processes:
        yield processes


def test_processes_give_the_same_bits_as_this_one(tmp_path, tiny, pool):
    trials = [
        tiny(method="forward", transition="anchor-97", images=300),
        tiny(images=300),
        tiny(noise="paper-0.6", seed=1, images=300),
    ]
    here = sweep(trials, Ledger(tmp_path / "here.jsonl"), InProcess())
    there = sweep(trials, Ledger(tmp_path / "there.jsonl"), pool, workers=2)
    assert [record.trial for record in there] == trials
    for a, b in zip(here, there, strict=True):
        assert dataclasses.replace(a, seconds=0) == dataclasses.replace(b, seconds=0)
    assert len({record.weights_sha256 for record in here}) == 3


def test_a_worker_has_the_environment_of_when_its_pool_was_made(monkeypatch):
    monkeypatch.setenv("LABELNOISE_TRIED", "now")
    with local_pool(1) as processes:
        assert processes.submit(os.getenv, "LABELNOISE_TRIED").result() == "now"


def test_a_worker_imports_nothing_that_a_trial_does_not_need(pool, tiny):
    assert pool.submit(attempt, tiny(images=300), None, None).result().complete
    unneeded = [
        "torchvision",
        "torch._dynamo",
        "pandas",
        "sklearn",
        "matplotlib",
        "papermill",
        "nbformat",
        "IPython",
        "cleanlab",
    ]
    assert pool.submit(eval, f"sorted(set({unneeded}) & set(__import__('sys').modules))").result() == []


def test_a_trial_runs_on_the_device_that_is_asked_for(ledger, tiny, made_up, monkeypatch):
    asked = []

    def run(trial, given=None, device="cpu"):
        asked.append(device)
        return made_up(trial)

    monkeypatch.setattr(RUN, run)
    sweep([tiny(seed=0)], ledger, InProcess())
    sweep([tiny(seed=1)], ledger, InProcess(), device="cuda")
    assert asked == ["cpu", "cuda"]


@pytest.mark.parametrize(
    ("device", "sentence"), [("cuda", "There is no GPU here that torch can use"), ("tpu", "Unknown device 'tpu'")]
)
def test_a_device_that_is_not_there_gives_a_sentence_before_anything_is_trained(
    ledger, tiny, monkeypatch, device, sentence
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=sentence):
        sweep([tiny()], ledger, device=device)
    assert list(ledger) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_workers_train_on_the_gpu_and_their_records_say_so(ledger, tiny):
    records = sweep([tiny(seed=seed) for seed in range(2)], ledger, workers=2, device="cuda")
    assert {record.provenance["processor"] for record in records} == {torch.cuda.get_device_name()}
    assert {record.provenance["instructions"] for record in records} == {"cuda"}


def test_a_worker_leaves_ctrl_c_to_the_parent_and_has_one_thread(pool):
    assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
    assert pool.submit(torch.get_num_threads).result() == 1


def test_one_process_runs_one_trial_at_a_time(ledger, tiny, made_up, monkeypatch):
    running, most = [], []

    def run(trial, given=None, device="cpu"):
        running.append(trial)
        most.append(len(running))
        time.sleep(0.01)  # long enough for another thread to start one
        running.remove(trial)
        return made_up(trial)

    monkeypatch.setattr(RUN, run)
    with ThreadPoolExecutor(4) as threads:
        sweep([tiny(seed=seed) for seed in range(8)], ledger, threads)
    assert most == [1] * 8


# Started from a background job it would inherit that Ctrl-C is ignored. Workers load the script too, so that in all
# processes trials sleep in place of training, and none needs the modules that train.
SWEEP = """
import signal, sys, time, types
def run(trial, given=None, device="cpu"):
    time.sleep(0.5)
    return Record(trial=trial)
from labelnoise import trials
trials._running = sys.modules["labelnoise.trials._running"] = types.SimpleNamespace(run=run)
from labelnoise.trials import Ledger, Record, sweep, trial
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fields = dict(model="lenet", noise="paper-0.5", method="cross-entropy", profile="smoke")
    sweep([trial(seed=seed, **fields) for seed in range(1000)], Ledger(sys.argv[1]), workers=2)
"""


def test_ctrl_c_stops_within_five_seconds_and_leaves_no_worker(tmp_path):
    script, path = tmp_path / "script.py", tmp_path / "records.jsonl"
    script.write_text(SWEEP)
    process = subprocess.Popen(
        [sys.executable, script, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        while len(list(Ledger(path))) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        # Workers hold its output open, so that the end of the output is the end of the last of them.
        _, errors = process.communicate(timeout=5)
        assert time.monotonic() - start < 5
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert errors.decode().strip().splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode != 0
    finished = list(Ledger(path))
    assert len(finished) >= 2
    assert not re.search(b'"status": "failed"', path.read_bytes())


def chained(tiny, seed):
    """A chain of three from its bottom, and two more that need its second."""
    return [
        tiny(seed=seed),
        tiny(seed=seed, method="alternating", transition="confident-learning"),
        *(tiny(seed=seed, method=name, transition="alternating") for name in ("forward", "backward", "reweighting")),
    ]


def test_a_chain_of_prerequisites_is_trained_once_each_and_in_order(ledger, tiny, ran):
    plain, alternating, *dependents = chained(tiny, 0)
    records = sweep(dependents, ledger, InProcess())
    assert ran == [plain, alternating, *dependents]
    assert [record.trial for record in records] == dependents
    assert [record.provenance["given"] for record in records] == [alternating.key] * 3
    assert ledger.find(alternating).provenance["given"] == plain.key
    sweep(dependents, ledger, InProcess())
    assert len(ran) == 5


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_chain_stands_in_its_order_whatever_the_order_of_the_trials(ledger, tiny, data):
    trials = data.draw(st.permutations([*chained(tiny, 0), *family(tiny, 0), *chained(tiny, 1)[2:]]))
    ordered = missing(trials, ledger)
    assert sorted(trial.key for trial in ordered) == sorted({t.key for t in [*trials, *chained(tiny, 1)]})
    for place, trial in enumerate(ordered):
        assert trial.prerequisite() is None or trial.prerequisite() in ordered[:place]
    # Those that others wait for start first.
    needed = {trial.prerequisite() for trial in ordered}
    assert [trial in needed for trial in ordered] == sorted((trial in needed for trial in ordered), reverse=True)


def test_a_chain_goes_on_from_what_is_on_record(ledger, tiny, ran, made_up):
    plain, alternating, *dependents = chained(tiny, 0)
    ledger.append(made_up(plain))
    sweep(dependents[:1], ledger, InProcess())
    assert ran == [alternating, dependents[0]]
    sweep(dependents[1:], ledger, InProcess())
    assert ran == [alternating, *dependents]


def test_a_failure_at_the_bottom_of_a_chain_fails_all_that_stands_on_it_once_each(ledger, tiny, ran):
    bad, good = chained(tiny, 1000), chained(tiny, 0)
    told = []
    with pytest.raises(
        SweepFailed, match="5 of 10 trials failed, the first with 'RuntimeError: seed 1000 will not do'"
    ):
        sweep([*bad[1:], *good[1:]], ledger, InProcess(), progress=told.append)
    assert [trial for trial in ran if trial.seed == 1000] == bad[:1]
    assert ledger.path.read_text().count('"status": "failed"') == 1
    last = told[-1]
    assert (last.done, last.failed, last.running, last.total) == (5, 5, 0, 10)
    assert all(trial in ledger for trial in good)
    assert not any(trial in ledger for trial in bad)


def test_a_failure_in_the_middle_of_a_chain_leaves_what_stands_beside_it(ledger, tiny, made_up, monkeypatch):
    plain, alternating, *dependents = chained(tiny, 0)
    beside, told = family(tiny, 0)[2], []

    def run(trial, given=None, device="cpu"):
        if trial.method == "alternating":
            raise RuntimeError("no turn is the last")
        return made_up(trial)

    monkeypatch.setattr(RUN, run)
    with pytest.raises(SweepFailed, match="4 of 6 trials failed, the first with 'RuntimeError: no turn is the last'"):
        sweep([*dependents, beside], ledger, InProcess(), progress=told.append)
    assert plain in ledger
    assert beside in ledger
    assert not any(trial in ledger for trial in (alternating, *dependents))
    assert (told[-1].done, told[-1].failed) == (2, 4)
