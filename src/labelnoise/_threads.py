"""One thread: networks of this size gain nothing from more, and what is summed depends on their number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def take_one() -> threadpool_limits:
    """From now on torch and BLAS take one thread in this process; what is returned can give BLAS its threads back."""
    import scipy.linalg  # noqa: F401  # SciPy's BLAS is loaded with it; one that is loaded later would not be limited
    import torch

    torch.set_num_threads(1)
    return threadpool_limits(1, user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and BLAS take one thread within."""
    import torch

    threads = torch.get_num_threads()
    limits = take_one()
    try:
        yield
    finally:
        limits.restore_original_limits()
        torch.set_num_threads(threads)
