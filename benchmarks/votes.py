"""Writes what people's votes for the images of Fashion-MNIST-H tell, which chapter 8 shows.

python benchmarks/votes.py   # seconds; writes src/labelnoise/data/votes.json
"""

import json

import numpy as np

from labelnoise import data
from labelnoise.data import votes

SEED = 0


def main() -> None:
    kept = {}
    for name in data.WITH_VOTES:
        people = data.load(name)
        assert people.train_votes is not None
        generator = np.random.default_rng(SEED)
        told = votes.tell(people.train_votes, people.train_labels, people.class_names, generator)
        kept[name] = {
            "transition_matrix": told.transition_matrix.tolist(),
            "spread": told.spread,
            "quantiles": {key: values.round(4).tolist() for key, values in told.quantiles.items()},
        }
    votes.KEPT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
