from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labelnoise.book import project
from labelnoise.errors import InputError
from labelnoise.trials import Ledger
from labelnoise.trials import _sweep as sweep

# The flow of the data.


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "_toc.yml").touch()
    return folder


@pytest.fixture
def installed_elsewhere(tmp_path, monkeypatch):
    """As if the package lay in some environment's library."""
    monkeypatch.setattr(
        project, "__file__", str(tmp_path / "lib" / "site-packages" / "labelnoise" / "book" / "project.py")
    )


def test_the_root_is_the_checkout_of_an_editable_install_wherever_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert project.root() == Path(__file__).parents[2]


@pytest.mark.parametrize("inner", [".", "notebooks", "a/b/c"])
def test_else_the_root_is_the_checkout_around_the_current_folder(checkout, installed_elsewhere, monkeypatch, inner):
    (checkout / inner).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(checkout / inner)
    assert project.root() == checkout


def test_outside_of_a_checkout_there_is_a_sentence(tmp_path, installed_elsewhere, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"^.* is not in a checkout of the book; clone it and run this command there\.$"
    ):
        project.root()


@pytest.fixture
def at_checkout(checkout, monkeypatch):
    monkeypatch.setattr(project, "root", lambda: checkout)
    monkeypatch.delenv("LABELNOISE_LEDGER", raising=False)
    return checkout


def test_own_records_go_over_the_published_ones(at_checkout, tiny, made_up):
    for seed in (0, 1):
        project.published_ledger().append(made_up(tiny(seed=seed), seconds=1.0))
    own = made_up(tiny(seed=1), seconds=2.0)
    ledger = project.ledger()
    ledger.append(own)
    assert ledger.find(tiny(seed=0)).seconds == 1
    assert ledger.find(tiny(seed=1)) == own
    assert ledger.find(tiny(seed=2)) is None
    assert list(Ledger(at_checkout / "runs" / "trials.jsonl")) == [own]
    assert project.published_ledger().find(tiny(seed=1)).seconds == 1


def test_the_environment_names_another_ledger(at_checkout, tmp_path, monkeypatch, tiny, made_up):
    published, own = made_up(tiny(seed=0)), made_up(tiny(seed=1))
    project.published_ledger().append(published)
    monkeypatch.setenv("LABELNOISE_LEDGER", str(tmp_path / "mine.jsonl"))
    project.ledger().append(own)
    assert list(Ledger(tmp_path / "mine.jsonl")) == [own]
    assert project.ledger().find(tiny(seed=0)) == published
    assert not (at_checkout / "runs").exists()


@pytest.fixture
def trained(monkeypatch, made_up):
    """Training is replaced by a made-up record, in this process; lists the trials run."""
    trials = []

    def run(trial, given=None):
        trials.append(trial)
        return made_up(trial)

    monkeypatch.setattr("labelnoise.trials._running.run", run)
    monkeypatch.setattr(sweep, "local_pool", lambda workers: ThreadPoolExecutor(1))
    return trials


def test_records_are_obtained_in_order_and_trained_once(at_checkout, tiny, made_up, trained, capsys):
    on_record = made_up(tiny(seed=1))
    project.published_ledger().append(on_record)
    trials = [tiny(seed=seed) for seed in (2, 1, 0)]
    records = project.obtain(trials)
    assert [record.trial for record in records] == trials
    assert records[1] == on_record
    assert trained == [trials[0], trials[2]]
    assert "2 of 2 trials done" in capsys.readouterr().out
    assert project.obtain(trials) == records
    assert len(trained) == 2
    assert capsys.readouterr().out == ""
