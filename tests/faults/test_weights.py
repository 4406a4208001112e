"""A changed byte in a file of weights never gives other predictions or another T in silence."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

import labelnoise
from labelnoise._weights import sealed
from labelnoise.errors import InputError
from labelnoise.own._network import TrainedNetwork
from labelnoise.trials import DamagedLine, Ledger

ABOUT = {
    "network": "small", "in_channels": 1, "image_size": 2, "class_names": ["a", "b"],
    "mean": 100.0, "deviation": 50.0, "resized": None,
}  # fmt: skip
IMAGES = np.random.default_rng(0).integers(255, size=(9, 2, 2), dtype=np.uint8)


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr("labelnoise.own._network.network_maker", lambda *args: lambda number: small())
    return TrainedNetwork(small(), ABOUT)


def flips(content):
    """The content with one bit flipped in each of its bytes, in turn."""
    for place in range(len(content)):
        yield content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def test_a_network_of_which_a_byte_has_changed_is_refused_in_one_sentence(network, tmp_path):
    path, expected, refused = tmp_path / "model.safetensors", network.predict_proba(IMAGES), []
    network.save(path)
    whole = path.read_bytes()
    assert np.array_equal(labelnoise.load_network(path).predict_proba(IMAGES), expected)
    for content in flips(whole):
        path.write_bytes(content)
        try:
            loaded = labelnoise.load_network(path)
        except InputError as error:
            refused.append(str(error))
        else:  # where the change makes it one without a digest
            assert np.array_equal(loaded.predict_proba(IMAGES), expected)
            assert loaded.class_names == network.class_names
    assert all(re.fullmatch(r"[^\n]*model\.safetensors[^\n]*\.", sentence) for sentence in refused)
    assert len(refused) >= len(whole) - len("sha256")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 128]))  # the sign of a weight
    with pytest.raises(InputError, match="was changed after it was written, as its sha256 shows"):
        labelnoise.load_network(path)


def test_a_network_that_was_saved_before_files_had_a_digest_is_read(network, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(re.sub(rb'\\"sha256\\": \\"\w{64}\\", ', lambda found: b" " * len(found[0]), network.as_bytes()))
    assert b"sha256" not in path.read_bytes()
    assert np.array_equal(labelnoise.load_network(path).predict_proba(IMAGES), network.predict_proba(IMAGES))


def test_a_kept_fit_of_which_a_byte_has_changed_counts_as_not_kept(tmp_path, made_up):
    weights = small().state_dict()
    record, path = made_up(weights=sealed(partial(save, weights), {})), tmp_path / "records.jsonl"
    Ledger(path).append(record)
    ledger, (kept,) = Ledger(path), path.with_suffix(".fits").glob("*.safetensors")
    assert ledger.find_fit(record.trial) == record
    for content in flips(record.weights):
        kept.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = ledger.find_fit(record.trial)
        assert [w.category for w in caught] == ([DamagedLine] if found is None else [])
        if found:
            assert all(torch.equal(each, weights[name]) for name, each in load(found.weights).items())
    ledger.keep(record)
    assert ledger.find_fit(record.trial) == record
