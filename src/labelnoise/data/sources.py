"""Where the files of Fashion-MNIST and Fashion-MNIST-H come from: found or fetched, and checked wherever they were."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from labelnoise._files import write_whole
from labelnoise.errors import InputError

# Of the idx content, not of the .gz around it: packers differ in the name and date they store.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# Ishida et al. 2023 (arXiv:2202.00395): how many annotators chose each class for each test image of Fashion-MNIST.
VOTES = "fashion-mnist-h-counts.csv"
THE_VOTES = "the counts of Fashion-MNIST-H"
VOTES_SHA256 = "bec7efff5d6f901a6224758d71caadb436dbd8de1284b0be7089d193be94ddbc"
VOTES_URL = "https://raw.githubusercontent.com/takashiishida/irreducible/main/data/fmh_counts.csv"
FASHION_MNIST_URL = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{}.gz"
MOST_BYTES = 2**25  # of a download; the largest of the four packed has 26 million
MOST_UNPACKED = 2**26  # of an idx file; the largest of the four has 47 million
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def cache_folder() -> Path:
    """Where downloaded and unpacked data are kept for this user."""
    return Path(platformdirs.user_cache_dir("labelnoise"))


def folders() -> Iterator[Path]:
    """Where data are looked for, in this order: ``$LABELNOISE_DATA``, the cache, Debian's folder."""
    own = os.environ.get("LABELNOISE_DATA")
    if own:
        yield Path(own)
    yield cache_folder()
    yield DEBIAN_FOLDER


def _candidates(folder: Path, name: str) -> Iterator[Path]:
    for inner in (folder, folder / "FashionMNIST" / "raw", folder / DEBIAN_FOLDER.relative_to("/")):
        yield inner / name
        yield inner / f"{name}.gz"


def _checked(content: bytes, due: str, where: object, what: str) -> bytes:
    if (digest := hashlib.sha256(content).hexdigest()) != due:
        raise InputError(f"{where} is not {what}: its content has sha256 {digest}; replace it.")
    return content


def _idx(where: Path | str, name: str) -> bytes:
    """The content of the idx file at a path or, as text, at an address."""
    try:
        with where.open("rb") if isinstance(where, Path) else io.BytesIO(_download(where)) as file:
            unpacked = gzip.GzipFile(fileobj=file) if str(where).endswith(".gz") else file
            content = unpacked.read(MOST_UNPACKED)  # a few bytes can be packed that no memory holds unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where} can't be read ({error}); replace it, or try again.") from None
    return _checked(content, SHA256[name], where, f"Fashion-MNIST's {name}")


def _fetch_from_debian(root: Path) -> None:
    """Unpack Debian's package into the cache, with package lists of our own so that no root is needed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise OSError("this is not a Debian machine")
    with tempfile.TemporaryDirectory() as folder:
        for part in ("lists/partial", "cache/archives/partial"):
            Path(folder, part).mkdir(parents=True)
        options = [
            f"-o=Dir::State::Lists={folder}/lists",
            f"-o=Dir::Cache={folder}/cache",
            "-o=APT::Sandbox::User=root",
        ]
        for step in (["update"], ["download", DEBIAN_PACKAGE]):
            done = subprocess.run(["apt-get", "-q", *options, *step], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "apt-get failed")
        package = next(Path(folder).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)


def _fetch_from_its_authors(root: Path) -> None:
    for name in SHA256:
        write_whole(root / "FashionMNIST" / "raw" / name, _idx(FASHION_MNIST_URL.format(name), name))


FETCHERS: dict[str, Callable[[Path], None]] = {
    f"Debian's package {DEBIAN_PACKAGE}": _fetch_from_debian,
    "the download from its authors": _fetch_from_its_authors,
}


def _find(name: str) -> Path | None:
    return next((path for folder in folders() for path in _candidates(folder, name) if path.is_file()), None)


def _fetch(name: str, root: Path) -> Path:
    tried = [f"no {name}[.gz] in {folder}" for folder in folders()]
    root.mkdir(parents=True, exist_ok=True)
    for title, fetch in FETCHERS.items():
        try:
            fetch(root)
        except Exception as error:
            reason = " ".join(str(error).split()).rstrip(".")
            tried.append(f"{title} failed ({reason})")
        if found := _find(name):
            return found
    raise InputError(
        f"Fashion-MNIST was not found: {'; '.join(tried)}. Install Debian's package {DEBIAN_PACKAGE}, or put the "
        "four idx files into a folder and set LABELNOISE_DATA to it."
    )


def fashion_mnist() -> Path:
    """Bring the four checked idx files of Fashion-MNIST together, as torchvision lays them out.

    Looks in ``$LABELNOISE_DATA``, this user's cache folder and Debian's package
    ``dataset-fashion-mnist``, for files packed (``.gz``) or not. If they are nowhere it fetches
    that package where apt-get can, else downloads them from their authors' repository.

    Returns:
        A root folder for ``torchvision.datasets.FashionMNIST``.

    Raises:
        InputError: a file with another content, or no source at all.
    """
    root = cache_folder()
    for name in SHA256:
        kept = root / "FashionMNIST" / "raw" / name
        found = _find(name) or _fetch(name, root)
        content = _idx(found, name)
        if found != kept and not (kept.is_file() and kept.read_bytes() == content):
            write_whole(kept, content)
    return root


def _download(url: str) -> bytes:
    """What is at an address, of which no more than `MOST_BYTES` are read."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        content = bytes(answer.read(MOST_BYTES + 1))
    if len(content) > MOST_BYTES:
        raise OSError(f"more than {MOST_BYTES:,} bytes came")
    return content


def found_votes() -> Path | None:
    """Where the human votes for Fashion-MNIST are on this machine, if they are; checked."""
    for folder in folders():
        for name in (VOTES, VOTES_URL.rpartition("/")[2]):
            if (folder / name).is_file():
                _checked((folder / name).read_bytes(), VOTES_SHA256, folder / name, THE_VOTES)
                return folder / name
    return None


def fashion_mnist_h() -> Path:
    """The checked file of human votes for the test images of Fashion-MNIST, as CSV without a header.

    Looks for ``fashion-mnist-h-counts.csv``, or under its published name ``fmh_counts.csv``, in
    ``$LABELNOISE_DATA`` and this user's cache folder. If it is nowhere it is downloaded from its
    authors' repository into the cache. It is theirs, under GPL-3.0, and not part of this package.

    Raises:
        InputError: a file with another content, or no source at all.
    """
    if found := found_votes():
        return found
    try:
        content = _download(VOTES_URL)
    except OSError as error:
        raise InputError(
            f"Fashion-MNIST-H was not found: no {VOTES} in $LABELNOISE_DATA or {cache_folder()}, and its download "
            f"failed ({' '.join(str(error).split())}). Fetch {VOTES_URL} and put it there."
        ) from None
    kept = cache_folder() / VOTES
    write_whole(kept, _checked(content, VOTES_SHA256, VOTES_URL, THE_VOTES))
    return kept
