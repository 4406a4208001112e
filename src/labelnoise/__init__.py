"""Learning from noisy labels: noise, transition matrices, corrected losses, recorded trials."""

__version__ = "0.1.0"
