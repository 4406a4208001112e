"""Trains on the sample of the chapter on your own data with its parameters, and writes what that page draws.

    python benchmarks/sample.py       # some minutes; writes results/own/sample.json and sample.npz

The published page is drawn from these files. Another processor or version finds other digits, so that after this the
chapter has to be published again.
"""

from labelnoise.book import parameters, project
from labelnoise.own import images, kept, train
from labelnoise.trials import provenance


def main() -> None:
    values = parameters.defaults("09_your_data")
    asked = {name: values[name] for name in ("network", "method", "seed")}
    own = images.sample()
    trained, _ = train.trained_report(own, values["network"], values["method"], values["seed"])
    kept.write(project.own_folder(), own, trained, asked, provenance.here())


if __name__ == "__main__":
    main()
