import numpy as np
import pytest
import torch

from labelnoise import noise
from labelnoise.errors import InputError
from labelnoise.training import _graph as graph
from labelnoise.training import smooth_functions, smooth_probs
from labelnoise.transitions import symmetric

N_CLASSES, IN_CLUSTER = 3, 100
T = symmetric(N_CLASSES, 0.6)


@pytest.fixture(scope="module")
def clusters():
    """Three clouds of points in eight dimensions, far apart, and their classes."""
    generator = np.random.default_rng(0)
    clean_labels = np.repeat(np.arange(N_CLASSES), IN_CLUSTER)
    centres = 4 * np.eye(N_CLASSES, 8)
    return centres[clean_labels] + generator.standard_normal((len(clean_labels), 8)), clean_labels


@pytest.fixture(scope="module")
def smooth(clusters):
    return smooth_functions(clusters[0], seed=0)


def test_the_nearest_are_those_of_a_full_search(clusters):
    points = clusters[0]
    distances, neighbours = graph._nearest(points)
    every = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(every, np.inf)
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, : graph.NEIGHBOURS], rtol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(every, neighbours, axis=1), distances, rtol=1e-4)


def test_functions_are_orthonormal_and_solve_the_eigenproblem_from_a_constant_on(smooth, clusters):
    weights = graph._graph(clusters[0]).toarray()
    np.testing.assert_array_equal(weights, weights.T)
    degrees = np.diag(weights.sum(axis=1))
    gram = smooth.functions.T @ degrees @ smooth.functions / degrees.sum()
    np.testing.assert_allclose(gram, np.eye(graph.FUNCTIONS), atol=1e-6)
    change = (degrees - weights) @ smooth.functions
    np.testing.assert_allclose(change, degrees @ smooth.functions * smooth.roughness, atol=1e-6 * degrees.max())
    assert (np.diff(smooth.roughness) > -1e-9).all()
    np.testing.assert_allclose(np.abs(smooth.functions[:, 0]), 1, rtol=1e-4)


def test_the_smoothest_functions_tell_clouds_apart(smooth, clusters):
    """Three clouds that hardly touch have three functions that are all but constant on each."""
    leading = smooth.functions[:, :N_CLASSES]
    within = sum(leading[clusters[1] == i].var(axis=0).sum() for i in range(N_CLASSES))
    assert within < 0.1 * N_CLASSES * leading.var(axis=0).sum()


def test_much_noise_is_seen_through_and_images_without_a_label_are_told_too(smooth, clusters):
    clean_labels = clusters[1]
    generator = np.random.default_rng(1)
    noisy_labels = noise.corrupt(clean_labels, T, generator)
    rows = generator.permutation(len(clean_labels))[:200]
    probs = smooth_probs(smooth, rows, noisy_labels[rows], T)
    assert probs.shape == (len(clean_labels), N_CLASSES)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    # About 67 labels a cloud, each right with 0.4 and each wrong one with 0.3: the majority is right in all
    # three clouds with 0.9 or so; with this draw it is, and then every image of a cloud follows it.
    counts = np.zeros((N_CLASSES, N_CLASSES))
    np.add.at(counts, (clean_labels[rows], noisy_labels[rows]), 1)
    assert (counts.argmax(axis=1) == np.arange(N_CLASSES)).all()
    assert (probs.argmax(axis=1) == clean_labels).mean() > 0.95


def test_permuting_the_classes_permutes_the_probabilities(smooth, clusters):
    generator = np.random.default_rng(2)
    matrix = np.array([[0.6, 0.3, 0.1], [0.0, 0.7, 0.3], [0.2, 0.2, 0.6]])
    rows = np.arange(len(clusters[1]))
    noisy_labels = noise.corrupt(clusters[1], matrix, generator)
    order = np.array([2, 0, 1])
    place = np.argsort(order)
    probs = smooth_probs(smooth, rows, noisy_labels, matrix)
    permuted = smooth_probs(smooth, rows, place[noisy_labels], matrix[np.ix_(order, order)])
    np.testing.assert_allclose(permuted, probs[:, order], atol=2e-3)


def test_the_weights_are_a_stationary_point_and_the_evidence_is_laplaces(smooth):
    """Against autograd, for the gradient, and for clean labels against the exact Hessian of softmax regression."""
    generator = np.random.default_rng(3)
    functions = smooth.functions[:, :4]
    labels = generator.integers(N_CLASSES, size=len(functions))
    weights, evidence = graph._most_probable(functions, np.eye(N_CLASSES), labels, np.zeros((4, N_CLASSES)))

    phi, y = torch.tensor(functions), torch.tensor(labels)

    def cost(flat):
        scores = phi @ flat.reshape(4, N_CLASSES)
        return torch.nn.functional.cross_entropy(scores, y, reduction="sum") + (flat**2).sum() / 2

    flat = torch.tensor(weights.ravel(), requires_grad=True)
    value = cost(flat)
    (gradient,) = torch.autograd.grad(value, flat)
    assert gradient.abs().max() < 1e-2 * len(functions) ** 0.5
    hessian = torch.autograd.functional.hessian(cost, flat.detach())
    assert evidence == pytest.approx(float(-value.detach() - torch.logdet(hessian) / 2), abs=1e-3)


def test_too_few_images_are_named():
    with pytest.raises(InputError, match="more than 100 images, not 100"):
        smooth_functions(np.zeros((100, 2)), seed=0)


def test_copies_of_an_image_break_nothing(clusters):
    images = np.concatenate([clusters[0], np.zeros((graph.NEIGHBOURS + 5, clusters[0].shape[1]))])
    smooth = smooth_functions(images, seed=0)
    assert np.isfinite(smooth.functions).all()


def test_a_matrix_that_rules_out_a_label_that_occurs_is_refused_and_one_that_does_not_occur_is_fine(smooth):
    matrix = np.array([[0.6, 0.4, 0.0], [0.3, 0.7, 0.0], [0.5, 0.5, 0.0]])
    rows = np.arange(100)
    probs = smooth_probs(smooth, rows, rows % 2, matrix)
    assert np.isfinite(probs).all()
    with pytest.raises(InputError, match="rules out label 2, which occurs"):
        smooth_probs(smooth, rows, rows % 3, matrix)
