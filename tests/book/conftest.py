"""What the tests of the book share."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from labelnoise.trials import _sweep as sweep


@pytest.fixture
def trained(monkeypatch, made_up):
    """Training is replaced by a made-up record, in this process; lists the trials run."""
    trials = []

    def run(trial, given=None, device="cpu"):
        trials.append(trial)
        return made_up(trial)

    monkeypatch.setattr("labelnoise.trials._running.run", run)
    monkeypatch.setattr(sweep, "local_pool", lambda workers: ThreadPoolExecutor(1))
    return trials
