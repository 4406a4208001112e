"""Our losses beside those that others wrote: lio (Zhang et al. 2019), cleanlab and torchvision.

What lies in no package that runs here is held to its formula in `test_losses` and `test_robust`: biquality-learn 0.1.0
has backward correction and reweighting of two classes, but calls what scikit-learn 1.7 has removed.
"""

import cleanlab.experimental.coteaching as theirs_coteaching
import lio.losses.classification as theirs
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from lio.observations import get_pairwise_noise, get_symmetric_noise
from strategies import few
from torch import nn
from torchvision.transforms.v2 import MixUp

from labelnoise import transitions
from labelnoise.losses import _corrected as losses
from labelnoise.losses import _robust as robust

quick = few(50)
seeds, sizes, rates = st.integers(0, 2**32), st.integers(2, 10), st.floats(0, 1)


def drawn(seed, n_classes, n=20):
    """Logits, shape (n, n_classes), float64, with gradient, and noisy labels, shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(n_classes, (n,), generator=generator)


def assert_same(ours, expected, logits, rtol=1e-9):
    """Two losses are the same, and so are their gradients for the logits."""
    torch.testing.assert_close(ours, expected, rtol=rtol, atol=1e-12)
    gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=rtol, atol=rtol)


@quick
@given(seeds, sizes, rates)
def test_forward_correction_is_lios(seed, n_classes, rate):
    matrix = transitions.random(n_classes, rate, np.random.default_rng(seed))
    logits, labels = drawn(seed, n_classes)
    expected = theirs.indirect_observation_loss(torch.from_numpy(matrix))(logits, labels)
    # Ours holds T in float32.
    assert_same(losses.Forward(matrix).double()(logits, labels), expected, logits, rtol=1e-5)


@quick
@given(seeds, sizes, st.floats(0.05, 1))
def test_generalised_cross_entropy_is_lios(seed, n_classes, power):
    logits, labels = drawn(seed, n_classes)
    expected = theirs.generalized_cross_entropy_loss(power)(logits, labels)
    assert_same(robust.GeneralisedCrossEntropy(power)(logits, labels), expected, logits)


@quick
@given(sizes, rates)
def test_symmetric_and_pair_flip_noise_are_lios(n_classes, rate):
    np.testing.assert_allclose(transitions.symmetric(n_classes, rate), get_symmetric_noise(n_classes, rate))
    np.testing.assert_allclose(transitions.pair_flip(n_classes, rate), get_pairwise_noise(n_classes, rate))


# What cleanlab asks of torch and NumPy is dated.
@pytest.mark.filterwarnings("ignore:size_average and reduce args will be deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning")
@quick
@given(seeds, sizes, st.integers(0, 7))
def test_co_teaching_is_cleanlabs(seed, n_classes, epoch):
    # Shares with an exact number of images, as one rounds them and the other cuts them off.
    n, epochs, ramp_epochs, forget = 16, 8, 5, 0.5
    logits, labels = drawn(seed, n_classes, 2 * n)
    both, labels = logits.reshape(2, n, n_classes), labels[:n]
    schedule = theirs_coteaching.forget_rate_scheduler(epochs, forget, ramp_epochs, 1)
    kept = round(n * (1 - schedule[epoch]))
    expected = sum(theirs_coteaching.loss_coteaching(*both, labels, schedule[epoch]))

    batch = losses.Batch(torch.empty(n, 1, 1, 1), labels, torch.arange(n), epoch / epochs)
    ours = robust.CoTeaching(forget, ramp=(ramp_epochs - 1) / epochs).on_batch(lambda images: both, batch)
    # cleanlab divides the mean over the kept images by their number once more.
    assert_same(ours / kept, expected, logits)


@quick
@given(seeds, sizes, st.floats(0.1, 10))
def test_mixup_is_torchvisions(seed, n_classes, alpha):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(12, 1, 4, 4, generator=generator)
    labels = torch.randint(n_classes, (12,), generator=generator)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, n_classes))

    # The same seed for the share that both draw from torch's default generator.
    torch.manual_seed(seed)
    mixed, soft_labels = MixUp(alpha=alpha, num_classes=n_classes)(images, labels)
    expected = F.cross_entropy(network(mixed), soft_labels)
    torch.manual_seed(seed)
    ours = robust.Mixup(alpha).on_batch(network, losses.Batch(images, labels, torch.arange(12), 0.0))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
