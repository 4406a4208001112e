import json
from pathlib import Path

import pytest

from labelnoise.book import plans, project
from labelnoise.errors import InputError
from labelnoise.trials import Ledger

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


def test_records_are_obtained_in_order_and_trained_once(at_checkout, tiny, made_up, trained, capsys):
    on_record = made_up(tiny(seed=1))
    project.published_ledger().append(on_record)
    trials = [tiny(seed=seed) for seed in (2, 1, 0)]
    plan = plans.Plan({"all": trials, "first": trials[:1]})
    found = project.obtain(plan)
    assert [record.trial for record in found["all"]] == trials
    assert found["first"] == found["all"][:1]
    assert found["all"][1] == on_record
    assert trained == [trials[0], trials[2]]
    assert "2 of 2 trials done" in capsys.readouterr().out
    assert project.obtain(plan) == found
    assert len(trained) == 2
    assert capsys.readouterr().out == ""


def test_what_a_page_reads_is_noted_where_the_environment_says(at_checkout, tmp_path, monkeypatch, tiny, made_up):
    records = [made_up(tiny(seed=seed), seconds=2.5, provenance={"date": "2026-01-02"}) for seed in (0, 1)]
    for record in records:
        project.published_ledger().append(record)
    monkeypatch.setenv("LABELNOISE_READ", str(tmp_path / "read"))
    assert project.recorded([tiny(seed=1), tiny(seed=5)]) == records[1:]
    assert project.every("trials") == records
    keys = [json.loads(line) for line in (tmp_path / "read").read_text().splitlines()]
    noted = [[record.trial.key, record.weights_sha256, 2.5, "2026-01-02"] for record in records]
    assert keys == [noted[1], *noted]
