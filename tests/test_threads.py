"""Torch and BLAS take one thread where sums are to be the same on every machine."""

import os
import subprocess
import sys
from contextlib import suppress

import torch
from threadpoolctl import threadpool_info, threadpool_limits

from labelnoise._threads import one_thread

FRESH = """
import torch
from labelnoise._threads import one_thread
with one_thread():
    import scipy.optimize, scipy.sparse.linalg
    from threadpoolctl import threadpool_info
    print(torch.get_num_threads(), *(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"))
"""


def of_blas():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_each_library_takes_one_whichever_is_loaded_when():
    # SciPy has a BLAS of its own, which was loaded too late to be limited by whoever was first to need it.
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run([sys.executable, "-c", FRESH], env=environment, capture_output=True, text=True, check=True)
    of_torch, *others = done.stdout.split()
    assert {of_torch, *others} == {"1"}
    assert len(others) > 1 or sys.platform == "darwin"  # whose own BLAS threadpoolctl does not know


def test_afterwards_they_have_as_many_as_before():
    before, known = torch.get_num_threads(), bool(of_blas())
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, user_api="blas"):
            with suppress(KeyError), one_thread():
                assert (torch.get_num_threads(), of_blas()) == (1, {1} if known else set())
                raise KeyError
            assert (torch.get_num_threads(), of_blas()) == (2, {2} if known else set())
    finally:
        torch.set_num_threads(before)
