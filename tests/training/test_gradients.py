import math

import numpy as np
import pytest
import torch

from labelnoise.training import oriented_gradients
from labelnoise.training._gradients import AT_ONCE, CELL_SIDE, ORIENTATIONS

SIZE = 28


def ramp(angle):
    """An image that grows brighter towards one angle, in radians; shape (1, 1, SIZE, SIZE)."""
    down, right = np.mgrid[:SIZE, :SIZE] / SIZE
    return torch.tensor(math.cos(angle) * right + math.sin(angle) * down)[None, None].float()


def by_cell(features):
    """Shape (n, cells down, cells across, ORIENTATIONS), without the root and squared, so that an image sums to 1."""
    side = SIZE // CELL_SIDE
    histograms = features.reshape(len(features), ORIENTATIONS, side, side).permute(0, 2, 3, 1)
    return histograms.double().numpy() ** 4


def random_images(n, channels=1, size=SIZE):
    return torch.randn((n, channels, size, size), generator=torch.Generator().manual_seed(0))


def by_the_book(image):
    """The histograms of one image, (height, width), pixel by pixel."""
    height, width = image.shape
    found = np.zeros((ORIENTATIONS, height // CELL_SIDE, width // CELL_SIDE))
    at = np.pad(image, 1, mode="edge")
    for y in range(height):
        for x in range(width):
            right, down = at[y + 1, x + 2] - at[y + 1, x], at[y + 2, x + 1] - at[y, x + 1]
            place = math.atan2(down, right) % math.pi / (math.pi / ORIENTATIONS)
            share = place - math.floor(place)
            for k, part in ((math.floor(place), 1 - share), (math.floor(place) + 1, share)):
                found[k % ORIENTATIONS, y // CELL_SIDE, x // CELL_SIDE] += part * math.hypot(right, down)
    return np.sqrt(found / np.linalg.norm(found)).ravel()


def test_it_is_the_definition():
    images = random_images(3)
    expected = [by_the_book(image) for image in images[:, 0].double().numpy()]
    np.testing.assert_allclose(oriented_gradients(images), expected, atol=1e-5)


@pytest.mark.parametrize("k", range(2 * ORIENTATIONS))
def test_a_ramp_has_its_own_orientation_alone_and_the_opposite_one_has_the_same(k):
    inner = by_cell(oriented_gradients(ramp(k * math.pi / ORIENTATIONS)))[0, 1:-1, 1:-1]
    assert inner.argmax(axis=-1).tolist() == [[k % ORIENTATIONS] * (SIZE // CELL_SIDE - 2)] * (SIZE // CELL_SIDE - 2)
    np.testing.assert_allclose(inner.max(axis=-1), inner.sum(axis=-1), rtol=1e-4)


def test_contrast_brightness_and_exchanging_dark_and_bright_change_nothing():
    images = random_images(4)
    features = oriented_gradients(images)
    for other in (3 * images, images + 5, -images):
        np.testing.assert_allclose(oriented_gradients(other), features, atol=1e-3)


def test_a_mirrored_image_has_mirrored_cells_and_orientations():
    images = random_images(4)
    mirrored = by_cell(oriented_gradients(images.flip(3)))
    expected = by_cell(oriented_gradients(images))[:, :, ::-1, (-np.arange(ORIENTATIONS)) % ORIENTATIONS]
    np.testing.assert_allclose(mirrored, expected, atol=1e-6)


def test_before_the_root_every_image_has_unit_length_but_one_of_a_single_colour():
    images = torch.cat([random_images(3, channels=3, size=30), torch.ones(1, 3, 30, 30)])
    features = oriented_gradients(images).double().numpy()
    assert features.shape == (4, 3 * 8 * 8 * ORIENTATIONS)
    assert (features >= 0).all()
    np.testing.assert_allclose((features**4).sum(axis=1), [1, 1, 1, 0], rtol=1e-5)


def test_how_many_images_come_at_once_changes_no_more_than_rounding():
    images = random_images(AT_ONCE + 3)
    few = torch.cat([oriented_gradients(part) for part in images.split(7)])
    np.testing.assert_allclose(oriented_gradients(images), few, atol=1e-6)
