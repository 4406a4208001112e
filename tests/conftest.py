"""What several test files share."""

import pytest
import strategies  # noqa: F401 - loads the profile of properties, before a test file makes settings of its own
import torch

from labelnoise.estimators import ESTIMATORS, FEATURE_ESTIMATORS
from labelnoise.training import Settings
from labelnoise.trials import Record, trial


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny():
    """Makes a trial that takes about a second, with the fields given."""
    settings = Settings(epochs=1, batch_size=128, learning_rate=3e-3, weight_decay=1e-2)

    def make(**fields):
        default = {"noise": "paper-0.5", "model": "lenet", "method": "cross-entropy", "seed": 0, "images": 600}
        return trial(**{**default, "settings": settings, **fields})

    return make


@pytest.fixture(scope="session")
def made_up(tiny):
    """Makes a finished record of two epochs without training, with the fields given."""

    def make(trial=None, **fields):
        asked = tiny() if trial is None else trial
        default = {
            "history": {
                "noisy_train_loss": [1.1, 1.0],
                "noisy_validation_loss": [1.0, 1.2],
                "noisy_validation_accuracy": [0.5, 0.4],
                "clean_test_accuracy": [0.75, 0.5 + asked.seed / 1000],
                "memorised": [0.1, 0.4],
            },
            "transition_matrices": {
                name: [[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]]
                for name in ("oracle", *ESTIMATORS, *FEATURE_ESTIMATORS)
            },
            "deviations": {name: [[0.01] * 3] * 3 for name in ESTIMATORS},
            "weights_sha256": f"{asked.seed:064x}",
            "seconds": 1.5,
        }
        return Record(trial=asked, **{**default, **fields})

    return make
