"""``labelnoise data``."""

import argparse

from labelnoise.data import sources

DESCRIPTION = EXAMPLE = None


def add_arguments(command: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace) -> int:
    """Say where the data are."""
    folder = sources.fashion_mnist()
    print(f"Fashion-MNIST is in {folder}, checked by sha256.")
    return 0
