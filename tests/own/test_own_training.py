"""Training on noisy labels alone, on images that a network of one layer tells apart."""

import numpy as np
import pytest
import torch
from torch import nn

from labelnoise.data import NoisySet
from labelnoise.own._training import epochs_in_all, train
from labelnoise.training import Settings, seeded

SETTINGS = Settings(epochs=4, batch_size=32, learning_rate=0.03, weight_decay=1e-4)


@pytest.fixture(scope="module")
def own():
    generator = np.random.default_rng(0)
    clean = np.arange(120) % 2
    images = generator.integers(100, size=(120, 1, 4, 4)) + 100 * clean.reshape(-1, 1, 1, 1)
    noisy = np.where(generator.random(120) < 0.2, 1 - clean, clean)
    return NoisySet(torch.from_numpy(images.astype(np.uint8)), noisy)


@pytest.mark.parametrize(("name", "networks"), [("cross-entropy", 1), ("forward", 2), ("co-teaching", 3)])
def test_no_network_is_made_or_trained_twice(own, name, networks):
    made, shown = [], []

    def make(number):
        made.append(number)
        with seeded(number):
            return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))

    done = train(own, make, name, SETTINGS, after_epoch=shown.append)
    # Beside the three of the folds: a plain one, then the method's, which starts from the same weights.
    assert sorted(made) == sorted([0, 1, 2, 3, *{1: (), 2: (0,), 3: (0, 4)}[networks]])
    assert len(shown) == epochs_in_all(name, SETTINGS)
    assert (done.gain is None) == (name == "cross-entropy")
    assert len(done.fit.history) == SETTINGS.epochs
