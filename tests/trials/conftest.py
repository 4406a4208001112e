"""What the tests of trials share."""

import functools

import pytest


@pytest.fixture
def small(tiny):
    """As `tiny`, but on half as many images."""
    return functools.partial(tiny, images=300)
