"""A trial gives the same record however often, where and beside what it runs."""

import dataclasses
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from labelnoise.trials import run

REPEATS = int(os.environ.get("LABELNOISE_REPEATS", "2"))  # with a larger number this is a campaign
ELSEWHERE = {
    "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7",
    "USER": "somebody", "LOGNAME": "somebody", "HOSTNAME": "elsewhere", "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONUTF8": "0", "PYTHONOPTIMIZE": "1",
}  # fmt: skip
# Workers that are copies of one process, of which each runs several trials.
SCRIPT = """
import json, sys
from labelnoise.trials import Record, local_pool
from labelnoise.trials._workers import attempt
with local_pool(2) as pool:
    running = [pool.submit(attempt, Record.from_json(values).trial, None, None) for values in json.load(sys.stdin)]
    for each in running:
        print(json.dumps(each.result().to_json()))
"""


def what_came(record):
    """A record without where and how fast it was made."""
    values = (record if isinstance(record, dict) else json.loads(json.dumps(record.to_json()))).copy()
    return {name: value for name, value in values.items() if name not in ("seconds", "provenance")}


@pytest.fixture(scope="module")
def trials(tiny):
    """The first runs several times."""
    quick = dataclasses.replace(tiny().settings, batch_size=32)
    return [
        tiny(images=60, settings=quick, method="forward", transition="true"),
        tiny(images=60, settings=dataclasses.replace(quick, precision="bfloat16"), noise="instance-0.3"),
    ]


@pytest.fixture(scope="module")
def alone(trials):
    """What comes of each when it runs first."""
    return {trial.key: what_came(run(trial)) for trial in trials}


def again(trials):
    """In another order than the first time, and the first of them as often as it takes to have run REPEATS times."""
    order = [*trials[1:], *(REPEATS - 2) * [trials[0]]]
    random.Random(0).shuffle(order)
    return [*order, trials[0]]


@pytest.fixture
def set_threads(one_thread):
    yield torch.set_num_threads
    torch.set_num_threads(1)


def test_a_trial_gives_the_same_bits_each_time_among_others(trials, alone, set_threads):
    for number, trial in enumerate(again(trials)):
        set_threads(number % 3 + 1)
        random.seed(number), np.random.seed(number), torch.manual_seed(number)  # noqa: NPY002
        assert what_came(run(trial)) == alone[trial.key]
    assert len({record["weights_sha256"] for record in alone.values()}) == len(trials)


def test_a_pool_gives_the_same_bits_for_another_user_place_language_and_number_of_threads(trials, alone, tmp_path):
    order = again(trials)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([{"trial": dataclasses.asdict(trial)} for trial in order]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | ELSEWHERE,
    )
    assert done.returncode == 0, done.stderr
    found = [what_came(json.loads(line)) for line in done.stdout.splitlines()]
    assert found == [alone[trial.key] for trial in order]
