"""What holds of every loss whatever T, logits and labels it is given."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import answered, distributions, matrices, rates, seeds, sizes, tried

from labelnoise import losses
from labelnoise.errors import InputError

BY_T = {kind.__name__: kind for kind in (losses.Forward, losses.Reweighted, losses.Resampled, losses.Revised)}
DTYPES = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])


@st.composite
def batches(draw, n_classes=sizes, largest=1e4):
    """Logits of any type, shape (n, n_classes), that want a gradient, and labels."""
    n_classes, n = draw(n_classes), draw(st.integers(1, 8))
    scale = draw(st.sampled_from([0.0, 1e-3, 1.0, 30.0, largest]))
    generator = torch.Generator().manual_seed(draw(seeds))
    logits = scale * (2 * torch.rand(n, n_classes, generator=generator) - 1)
    return logits.to(draw(DTYPES)).requires_grad_(), torch.randint(n_classes, (n,), generator=generator)


def assert_finite(loss, value, logits):
    """A number; and while the loss learns, with a gradient for each logit and each parameter."""
    assert value.shape == ()
    assert value.isfinite()
    if loss.training:
        value.backward()
        for each in (logits, *loss.parameters()):
            assert each.grad.shape == each.shape
            assert each.grad.isfinite().all()


@tried
@given(st.sampled_from(sorted(BY_T)), st.data(), batches(), st.booleans())
def test_a_loss_by_any_matrix_is_finite_and_so_are_its_gradients(name, data, batch, training):
    logits, labels = batch
    matrix = data.draw(matrices(st.just(logits.shape[1])))
    loss = BY_T[name](matrix).train(training)
    value, refused = answered(loss, logits, labels)
    if refused:
        assert "can't be" in refused
        assert (matrix[:, labels].max(axis=0) < 1e-40).any()
        return
    assert_finite(loss, value, logits)


@tried
@given(st.data(), batches())
def test_backward_correction_is_finite_or_its_matrix_is_refused(data, batch):
    logits, labels = batch
    matrix = data.draw(matrices(st.just(logits.shape[1])))
    loss, refused = answered(losses.Backward, matrix)
    if refused:
        assert np.linalg.cond(matrix) > 100
    else:
        assert_finite(loss, loss(logits, labels), logits)


@tried
@given(batches(largest=100.0))
def test_with_the_identity_each_correction_is_cross_entropy(batch):
    logits, labels = batch
    plain, identity = losses.CrossEntropy()(logits, labels), np.eye(logits.shape[1])
    (expected,) = torch.autograd.grad(plain, logits)
    for kind in (losses.Forward, losses.Backward, losses.Reweighted):
        found = kind(identity)(logits, labels)
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.autograd.grad(found, logits)[0], expected, rtol=1e-2, atol=1e-5)


@tried
@given(st.data(), batches(largest=100.0), seeds)
def test_other_names_of_the_classes_leave_a_correction_as_it_is(data, batch, seed):
    logits, labels = batch[0].detach().double(), batch[1]
    n_classes = logits.shape[1]
    matrix = 0.5 * data.draw(distributions(n_classes, n_classes)) + 0.5 * np.eye(n_classes)
    order = torch.randperm(n_classes, generator=torch.Generator().manual_seed(seed))
    for kind in (losses.Forward, losses.Backward, losses.Reweighted, losses.Revised):
        loss, refused = answered(kind, matrix)
        if refused:
            assert kind is losses.Backward
            continue
        found = loss(logits, labels)
        renamed = kind(matrix[np.ix_(order, order)])(logits[:, order], torch.argsort(order)[labels])
        torch.testing.assert_close(renamed, found, rtol=1e-4, atol=1e-5)


WITHOUT_T = st.one_of(
    st.builds(losses.CrossEntropy),
    st.builds(losses.GeneralisedCrossEntropy, st.floats(0, 1, exclude_min=True)),
    st.builds(losses.SymmetricCrossEntropy, st.floats(1e-6, 100), st.floats(1e-6, 100), st.floats(-100, -1e-3)),
)


@tried
@given(WITHOUT_T, batches())
def test_a_loss_without_a_matrix_is_finite_and_not_negative(loss, batch):
    logits, labels = batch
    value = loss(logits, labels)
    assert value >= 0
    if isinstance(loss, losses.GeneralisedCrossEntropy):
        cross_entropy = losses.CrossEntropy()(logits, labels).item()
        assert value.item() <= cross_entropy * (1 + 1e-4) + 1e-6
        assert value.item() <= 1 / loss.power + 1e-6
    assert_finite(loss, value, logits)


@tried
@given(st.sampled_from([1e-300, 1e-46, 1e-38, 1e-20, 1e-9]), batches(largest=100.0))
def test_a_generalised_cross_entropy_of_almost_no_power_is_cross_entropy(power, batch):
    found = losses.GeneralisedCrossEntropy(power)(*batch)
    torch.testing.assert_close(found, losses.CrossEntropy()(*batch), rtol=1e-5, atol=1e-5)


LEARNED = {
    kind.__name__: kind for kind in (losses.VolumeMinimised, losses.SigmoidVolumeMinimised, losses.TotalVariation)
}


@tried
@given(st.sampled_from(sorted(LEARNED)), batches(), st.floats(0, 1e3), st.floats(0.01, 0.99), st.booleans())
def test_a_loss_that_learns_its_matrix_is_finite_and_has_one_at_each_step(name, batch, weight, share, training):
    logits, labels = batch
    n_classes = logits.shape[1]
    loss = LEARNED[name](n_classes, weight, 1 / n_classes + share * (1 - 1 / n_classes)).train(training)
    assert_finite(loss, loss(logits, labels), logits)
    if training:
        torch.optim.Adam(loss.parameters(), lr=0.1).step()
    matrix = loss.transition_matrix.detach()
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(n_classes))
    assert matrix.min() >= 0


@tried
@given(st.data(), batches(), rates, seeds)
def test_on_any_batch_a_loss_is_finite(data, batch, progress, seed):
    logits, labels = batch
    n, n_classes = logits.shape
    soft_labels = data.draw(distributions(n + 2, n_classes))
    positive = st.floats(1e-3, 1e3)
    loss = data.draw(
        st.one_of(
            st.builds(losses.EarlyLearning, st.just(n + 2), st.just(n_classes), positive, st.floats(1e-3, 1)),
            st.builds(losses.Mixup, st.floats(1e-6, 1e6)),
            st.builds(losses.SoftCrossEntropy, st.just(soft_labels)),
            st.builds(losses.Guided, st.just(np.eye(n_classes)), st.just(soft_labels), rates),
        )
    )
    torch.manual_seed(seed)
    rows = torch.arange(n) + 2
    images = torch.zeros(n, 1, 2, 2)
    value = loss.on_batch(lambda _: logits, losses.Batch(images, labels, rows, progress))
    assert_finite(loss, value, logits)


@tried
@given(batches(), st.floats(0, 1, exclude_min=True), st.floats(0, 1, exclude_min=True), rates)
def test_two_networks_that_teach_each_other_have_a_finite_loss(batch, forget, ramp, progress):
    logits, labels = batch
    loss = losses.CoTeaching(forget, ramp)
    given_batch = losses.Batch(torch.zeros(len(labels), 1, 2, 2), labels, torch.arange(len(labels)), progress)
    assert_finite(loss, loss.on_batch(lambda _: torch.stack([logits, -logits]), given_batch), logits)


@pytest.mark.parametrize("kind", [losses.Forward, losses.Guided])
def test_a_label_that_the_matrix_rules_out_for_every_class_is_refused(kind):
    given = (np.full((4, 3), 1 / 3),) if kind is losses.Guided else ()
    loss = kind([[0.5, 0.5, 0], [0, 1, 0], [0.2, 0.8, 0]], *given)
    logits = torch.zeros(2, 3)
    assert loss(logits, torch.tensor([0, 1])).isfinite()
    with pytest.raises(InputError, match="Label 2 can't be"):
        loss(logits, torch.tensor([0, 2]))


@pytest.mark.parametrize("alpha", [1e-300, 1e-30, 1e30, 1e300])
def test_a_mixup_by_what_torch_can_not_draw_from_is_refused(alpha):
    with pytest.raises(InputError, match="alpha must be a number from 1e-6 to 1e6, not"):
        losses.Mixup(alpha)
