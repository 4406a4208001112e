import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import few
from torch.autograd import gradcheck

from labelnoise import losses, transitions
from labelnoise.errors import InputError

T = np.array([[0.5, 0.2, 0.3], [0.3, 0.5, 0.2], [0.2, 0.3, 0.5]])
SKEWED = np.array([[0.7, 0.2, 0.1], [0.0, 0.6, 0.4], [0.15, 0.05, 0.8]])
CORRECTED = [losses.Forward, losses.Backward, losses.Reweighted]
CLEAN = torch.tensor(  # P(clean | x) at four values of x, shape (4, n_classes)
    [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.4, 0.3, 0.3]], dtype=torch.float64
)

quick = few(30)


def drawn(n, n_classes=3, seed=0, scale=2.0):
    """Logits, shape (n, n_classes), float64, and noisy labels, shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(n_classes, (n,), generator=generator)


def exact(loss):
    """In float64; T itself is held in float32, so results agree to about 1e-7."""
    return loss.double()


def every_loss(matrix):
    return [exact(losses.CrossEntropy()), *(exact(kind(matrix)) for kind in CORRECTED)]


def by_hand(logits, labels, matrix):
    """Each loss from its formula, in numpy."""
    z, rows = logits.numpy(), np.arange(len(labels))
    q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y, noisy = labels.numpy(), q @ matrix
    return {
        losses.CrossEntropy: -np.log(q[rows, y]).mean(),
        losses.Forward: -np.log(noisy[rows, y]).mean(),
        losses.Backward: np.mean([np.linalg.inv(matrix)[k] @ -np.log(q[i]) for i, k in enumerate(y)]),
        losses.Reweighted: np.mean(q[rows, y] / noisy[rows, y] * -np.log(q[rows, y])),
    }


@pytest.mark.parametrize("matrix", [T, SKEWED], ids=["T", "skewed"])
def test_each_loss_equals_its_formula(matrix):
    logits, labels = drawn(16)
    expected = by_hand(logits, labels, matrix)
    for loss in every_loss(matrix):
        assert loss(logits, labels).item() == pytest.approx(expected[type(loss)], rel=1e-5)


@quick
@given(st.integers(0, 2**32), st.integers(2, 10))
def test_with_no_noise_every_loss_is_cross_entropy(seed, n_classes):
    logits, labels = drawn(8, n_classes, seed)
    plain, *others = (loss(logits, labels) for loss in every_loss(np.eye(n_classes)))
    for other in others:
        torch.testing.assert_close(other, plain)


@pytest.mark.parametrize("kind", [losses.Forward, losses.Backward])
@pytest.mark.parametrize("matrix", [T, SKEWED, np.eye(3)], ids=["T", "skewed", "identity"])
def test_gradients_are_right(kind, matrix):
    logits, labels = drawn(4)
    assert gradcheck(lambda z: exact(kind(matrix))(z, labels), logits.requires_grad_())


def test_the_gradient_of_cross_entropy_is_right():
    logits, labels = drawn(4)
    assert gradcheck(lambda z: losses.CrossEntropy()(z, labels), logits.requires_grad_())


def test_no_gradient_flows_through_the_weight():
    logits, labels = drawn(1)
    logits.requires_grad_()
    loss = exact(losses.Reweighted(T))(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    plain = torch.nn.functional.cross_entropy(logits, labels)
    weight = (loss / plain).detach()
    torch.testing.assert_close(gradient, weight * torch.autograd.grad(plain, logits)[0])


def noisy_risk(loss, logits, matrix):
    """The mean loss over x, uniform on four values, and over all noisy labels: no sampling."""
    noisy = CLEAN @ torch.from_numpy(matrix)
    n, n_classes = noisy.shape
    terms = [noisy[x, j] * loss(logits[x : x + 1], torch.tensor([j])) for x in range(n) for j in range(n_classes)]
    return torch.stack(terms).sum() / n


def minimiser(loss, matrix):
    """The probabilities, shape (4, n_classes), at the least noisy risk over free logits."""
    logits = torch.zeros_like(CLEAN, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def step():
        optimizer.zero_grad()
        risk = noisy_risk(loss, logits, matrix)
        risk.backward()
        return risk

    optimizer.step(step)
    return logits.detach().softmax(dim=1)


@pytest.mark.parametrize("matrix", [T, SKEWED], ids=["T", "skewed"])
@pytest.mark.parametrize("kind", [losses.Forward, losses.Backward])
def test_the_least_corrected_risk_is_at_the_clean_posterior(kind, matrix):
    torch.testing.assert_close(minimiser(exact(kind(matrix)), matrix), CLEAN, atol=1e-5, rtol=0)


@pytest.mark.parametrize("matrix", [T, SKEWED], ids=["T", "skewed"])
def test_the_least_cross_entropy_is_at_the_noisy_posterior(matrix):
    found = minimiser(losses.CrossEntropy(), matrix)
    torch.testing.assert_close(found, CLEAN @ torch.from_numpy(matrix), atol=1e-5, rtol=0)


@pytest.mark.parametrize("matrix", [T, SKEWED], ids=["T", "skewed"])
def test_reweighting_rests_at_the_clean_posterior_and_cross_entropy_does_not(matrix):
    logits = CLEAN.log().requires_grad_()

    def gradient(loss):
        return torch.autograd.grad(noisy_risk(loss, logits, matrix), logits)[0].abs().max().item()

    assert gradient(exact(losses.Reweighted(matrix))) < 1e-7
    assert gradient(losses.CrossEntropy()) > 1e-2


@quick
@given(st.integers(0, 2**32), st.integers(0, 2), st.floats(0.1, 20))
def test_backward_correction_is_cross_entropy_on_average_over_the_noise(seed, clean, scale):
    logits, _ = drawn(1, seed=seed, scale=scale)
    loss = exact(losses.Backward(T))
    mean = sum(T[clean, j] * loss(logits, torch.tensor([j])) for j in range(3))
    torch.testing.assert_close(mean, losses.CrossEntropy()(logits, torch.tensor([clean])), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", [losses.CrossEntropy, *CORRECTED])
@pytest.mark.parametrize("matrix", [T, transitions.pair_flip(3, 0.4), np.eye(3)], ids=["T", "pair-flip", "identity"])
def test_extreme_logits_give_a_finite_loss_and_gradient(loss, matrix):
    module = loss() if loss is losses.CrossEntropy else loss(matrix)
    for logits in ([[200.0, -200.0, 0.0]], [[-200.0, 200.0, -200.0]], [[200.0, 200.0, -200.0]]):
        for label in range(3):
            z = torch.tensor(logits, requires_grad=True)
            value = module(z, torch.tensor([label]))
            value.backward()
            assert value.isfinite()
            assert z.grad.isfinite().all()


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.1, 0.9], [0.1, 0.9]],
        [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.35, 0.35, 0.3]],  # the third row is the mean of the others
        transitions.symmetric(10, 0.9),
    ],
)
def test_backward_correction_needs_an_invertible_matrix(matrix):
    with pytest.raises(InputError, match="Backward correction needs an invertible transition matrix; this one has no"):
        losses.Backward(matrix)


@pytest.mark.parametrize("kind", CORRECTED)
def test_a_matrix_that_is_none_is_refused(kind):
    with pytest.raises(InputError, match="its columns do, so pass its transpose"):
        kind([[0.9, 0.3], [0.1, 0.7]])


@pytest.mark.parametrize("kind", CORRECTED)
def test_a_loss_learns_nothing_and_carries_its_matrix(kind):
    assert list(kind(T).parameters()) == []
    np.testing.assert_allclose(kind(T).state_dict()["transition"], T, atol=1e-7)


def test_a_guided_loss_learns_from_soft_labels_first_and_from_noisy_ones_then():
    logits, labels = drawn(16)
    q = torch.softmax(logits, dim=1)
    soft_labels = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    rows = torch.arange(39, 23, -1)
    loss = losses.Guided(T, soft_labels, share=0.25)

    def at(progress):
        return loss.on_batch(lambda images: images, losses.Batch(logits, labels, rows, progress)).item()

    by_hand = -(soft_labels[rows.numpy()] * q.log().numpy()).sum(axis=1).mean()
    assert at(0.0) == at(0.24) == pytest.approx(by_hand, rel=1e-5)
    assert at(0.25) == at(0.99) == losses.Forward(T)(logits, labels).item() == loss(logits, labels).item()


def test_soft_cross_entropy_learns_from_soft_labels_and_is_validated_by_noisy_ones():
    logits, labels = drawn(16)
    soft_labels = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    rows = torch.arange(39, 23, -1)
    loss = losses.SoftCrossEntropy(soft_labels)
    learned = loss.on_batch(lambda images: images, losses.Batch(logits, labels, rows, 0.99)).item()
    by_hand = -(soft_labels[rows.numpy()] * torch.log_softmax(logits, dim=1).numpy()).sum(axis=1).mean()
    assert learned == pytest.approx(by_hand, rel=1e-5)
    assert loss(logits, labels).item() == losses.CrossEntropy()(logits, labels).item()


def test_soft_labels_may_be_learned_from_all_the_time():
    logits, labels = drawn(4)
    soft_labels = np.full((4, 3), 1 / 3)
    loss = losses.Guided(T, soft_labels, share=1)
    found = loss.on_batch(lambda images: images, losses.Batch(logits, labels, torch.arange(4), 0.999))
    assert found.item() == pytest.approx(-torch.log_softmax(logits, dim=1).mean().item())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(InputError, match=f"share must be a number from 0 to 1, not {share}"):
        losses.Guided(T, np.full((4, 3), 1 / 3), share)
