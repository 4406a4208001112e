import gzip
import hashlib
import io
import os
import re
import tracemalloc
from pathlib import Path

import pytest

from labelnoise.data import sources
from labelnoise.errors import InputError

CONTENT = {name: f"the content of {name}".encode() for name in sources.SHA256}
FIRST = next(iter(CONTENT))


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The three folders that are searched, empty, in their order; small files stand for the real ones."""
    own, cache, debian = folders = [tmp_path / name for name in ("own", "cache", "debian")]
    monkeypatch.setenv("LABELNOISE_DATA", str(own))
    monkeypatch.setattr(sources, "cache_folder", lambda: cache)
    monkeypatch.setattr(sources, "DEBIAN_FOLDER", debian)
    monkeypatch.setattr(sources, "FETCHERS", {})
    monkeypatch.setattr(sources, "SHA256", {name: hashlib.sha256(c).hexdigest() for name, c in CONTENT.items()})
    return folders


def put(folder, *, content=None, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, right in CONTENT.items():
        data = right if content is None else content
        (folder / f"{name}.gz").write_bytes(gzip.compress(data)) if packed else (folder / name).write_bytes(data)


def kept(root):
    return {path.name: path.read_bytes() for path in (root / "FashionMNIST" / "raw").iterdir()}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_first_place_that_has_the_files_is_used(places, first, packed):
    put(places[first], packed=packed)
    for later in places[first + 1 :]:
        put(later, content=b"not looked at")
    root = sources.fashion_mnist()
    assert root == places[1]
    assert kept(root) == CONTENT


@pytest.mark.parametrize("first", [0, 1])
def test_files_with_another_content_are_refused_and_not_passed_over(places, first):
    put(places[first], content=b"something else")
    put(places[2])
    with pytest.raises(InputError, match=re.escape(f"{places[first] / FIRST} is not Fashion-MNIST's")) as caught:
        sources.fashion_mnist()
    assert hashlib.sha256(b"something else").hexdigest() in str(caught.value)
    assert str(caught.value).endswith("; replace it.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("inner", ["FashionMNIST/raw", "own/FashionMNIST/raw"])
def test_files_as_torchvision_lays_them_out_are_found(places, inner, monkeypatch):
    monkeypatch.setenv("LABELNOISE_DATA", str(places[0] / inner.removesuffix("FashionMNIST/raw")))
    put(places[0] / inner)
    assert kept(sources.fashion_mnist()) == CONTENT


def test_an_unset_folder_is_left_out(places, monkeypatch):
    monkeypatch.delenv("LABELNOISE_DATA")
    put(places[0], content=b"not looked at")
    put(places[2], packed=True)
    assert kept(sources.fashion_mnist()) == CONTENT


def test_kept_files_are_used_again_and_checked_again(places):
    put(places[2])
    root = sources.fashion_mnist()
    for name in CONTENT:
        (places[2] / name).unlink()
    assert sources.fashion_mnist() == root
    (root / "FashionMNIST" / "raw" / FIRST).write_bytes(b"damaged")
    with pytest.raises(InputError, match="is not Fashion-MNIST's"):
        sources.fashion_mnist()


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:12], lambda b: b"not gzip", lambda b: b[:10] + b"~"])
def test_a_damaged_gz_file_is_named(places, damage):
    put(places[0], packed=True)
    path = places[0] / f"{FIRST}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=re.escape(f"{path} can't be read (")):
        sources.fashion_mnist()


def test_of_a_gz_file_no_more_is_unpacked_than_the_largest_file_has(places, monkeypatch):
    put(places[0])
    (places[0] / FIRST).unlink()
    (places[0] / f"{FIRST}.gz").write_bytes(gzip.compress(bytes(2**24)))
    monkeypatch.setattr(sources, "MOST_UNPACKED", 2**16)
    tracemalloc.start()
    with pytest.raises(InputError, match="is not Fashion-MNIST's"):
        sources.fashion_mnist()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_where_there_is_no_source_everything_tried_is_named(places, monkeypatch):
    def fail(root):
        raise OSError("no network here")

    monkeypatch.setattr(sources, "FETCHERS", {"the first way": fail, "the second way": fail})
    with pytest.raises(InputError) as caught:
        sources.fashion_mnist()
    for folder in places:
        assert f"no {FIRST}[.gz] in {folder}" in str(caught.value)
    for title in sources.FETCHERS:
        assert f"{title} failed (no network here)" in str(caught.value)
    assert "set LABELNOISE_DATA" in str(caught.value)


def test_what_is_nowhere_is_fetched_in_the_first_way_that_works(places, monkeypatch):
    fetched = []

    def fail(root):
        fetched.append("fail")
        raise OSError("no network here")

    def work(root):
        fetched.append("work")
        put(root / "usr" / "share", content=b"not looked at")
        put(root, packed=True)

    monkeypatch.setattr(sources, "FETCHERS", {"a": fail, "b": work, "c": fail})
    assert kept(sources.fashion_mnist()) == CONTENT
    assert fetched == ["fail", "work"]


def test_debians_fetch_says_where_it_can_not_work(places, monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    monkeypatch.setattr(sources, "FETCHERS", {"Debian": sources._fetch_from_debian})
    with pytest.raises(InputError, match=re.escape("Debian failed (this is not a Debian machine)")):
        sources.fashion_mnist()


@pytest.fixture
def authors(places, monkeypatch):
    """What is at each address of the authors' repository, for the test to change, and those that were asked for."""
    there = {sources.FASHION_MNIST_URL.format(name): gzip.compress(content) for name, content in CONTENT.items()}
    asked = []

    def open_address(url, timeout):
        asked.append(url)
        return io.BytesIO(there[url])

    monkeypatch.setattr(sources.urllib.request, "urlopen", open_address)
    monkeypatch.setattr(sources, "FETCHERS", {"its authors": sources._fetch_from_its_authors})
    return there, asked


def test_what_no_package_has_is_downloaded_from_its_authors(authors):
    there, asked = authors
    assert kept(sources.fashion_mnist()) == CONTENT
    assert asked == list(there)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (gzip.compress(b"something else"), f"gz is not Fashion-MNIST's {FIRST}: its content has sha256"),
        (gzip.compress(bytes(2**24)), f"gz is not Fashion-MNIST's {FIRST}: its content has sha256"),
        (bytes(2**17), "more than 65,536 bytes came"),
        (b"<html>", "Not a gzipped file"),
        (gzip.compress(CONTENT[FIRST])[:-9], "end-of-stream"),
    ],
    ids=["another content", "a bomb", "too much", "no gzip", "cut off"],
)
def test_of_a_download_that_is_another_nothing_is_kept(places, authors, monkeypatch, sent, said):
    there, _ = authors
    there[next(iter(there))] = sent
    for limit in ("MOST_BYTES", "MOST_UNPACKED"):
        monkeypatch.setattr(sources, limit, 2**16)
    tracemalloc.start()
    with pytest.raises(InputError, match=re.escape(said)):
        sources.fashion_mnist()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    assert not list(places[1].rglob("*idx*"))


def test_a_kept_file_appears_whole_or_not_at_all(places, monkeypatch):
    put(places[0])
    replace, replaced = os.replace, []

    def watch(source, target):
        assert not target.exists()
        with open(source, "rb") as file:
            assert file.read() == CONTENT[target.name]
        replaced.append(target.name)
        replace(source, target)

    monkeypatch.setattr(sources.os, "replace", watch)
    assert kept(sources.fashion_mnist()) == CONTENT
    assert replaced == list(CONTENT)


def test_debians_package_is_fetched_with_package_lists_of_our_own(places, tmp_path, monkeypatch):
    tools, packed = tmp_path / "tools", tmp_path / "packed"
    put(packed / "usr" / "share" / "datasets" / "fashion-mnist", packed=True)
    scripts = {
        # As apt does, this one fails where a folder that it was told to use lacks its parts.
        "apt-get": """
            for option in "$@"; do
                case $option in
                    -o=Dir::State::Lists=*) test -d "${option#*Lists=}/partial" || exit 100 ;;
                    -o=Dir::Cache=*) test -d "${option#*Cache=}/archives/partial" || exit 100 ;;
                    download) touch "${!#}_1_all.deb" ;;
                esac
            done
        """,
        "dpkg-deb": f'test -f "$2" && cp -r {packed}/. "$3"',
    }
    tools.mkdir()
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(sources, "DEBIAN_FOLDER", sources.Path("/usr/share/datasets/fashion-mnist"))
    monkeypatch.setattr(sources, "folders", lambda: iter([places[1]]))
    monkeypatch.setattr(sources, "FETCHERS", {"Debian": sources._fetch_from_debian})
    assert kept(sources.fashion_mnist()) == CONTENT


VOTES = b"1,2,3\n4,5,6\n"


@pytest.fixture
def votes(places, monkeypatch):
    """The folders, empty; what a download gives, and the addresses that were asked for."""
    asked = []

    def download(url):
        asked.append(url)
        raise OSError("no\nroute to host")

    monkeypatch.setattr(sources, "VOTES_SHA256", hashlib.sha256(VOTES).hexdigest())
    monkeypatch.setattr(sources, "_download", download)
    return places, asked


@pytest.mark.parametrize("name", ["fashion-mnist-h-counts.csv", "fmh_counts.csv"])
@pytest.mark.parametrize("place", [0, 1])
def test_votes_are_found_by_either_name(votes, place, name):
    places, asked = votes
    places[place].mkdir()
    (places[place] / name).write_bytes(VOTES)
    assert sources.fashion_mnist_h() == places[place] / name
    assert not asked


def test_votes_with_another_content_are_refused(votes):
    places, asked = votes
    places[0].mkdir()
    (places[0] / sources.VOTES).write_bytes(b"1,2,4")
    with pytest.raises(
        InputError, match=re.escape(f"{places[0] / sources.VOTES} is not the counts of Fashion-MNIST-H")
    ):
        sources.fashion_mnist_h()
    assert not asked


def test_votes_are_downloaded_once_and_checked(votes, monkeypatch):
    places, _ = votes
    monkeypatch.setattr(sources, "_download", lambda url: VOTES)
    path = sources.fashion_mnist_h()
    assert path.read_bytes() == VOTES
    assert path.parent == places[1]
    monkeypatch.setattr(sources, "_download", lambda url: pytest.fail("downloaded again"))
    assert sources.fashion_mnist_h() == path
    path.unlink()
    monkeypatch.setattr(sources, "_download", lambda url: b"<html>")
    with pytest.raises(InputError, match=re.escape(f"{sources.VOTES_URL} is not the counts")):
        sources.fashion_mnist_h()
    assert not path.exists()


def test_without_votes_and_network_one_sentence_says_what_to_do(votes):
    places, asked = votes
    with pytest.raises(InputError, match=r"its download failed .no route to host.. Fetch https") as caught:
        sources.fashion_mnist_h()
    assert asked == [sources.VOTES_URL]
    assert str(places[1]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_download_stops_where_it_is_larger_than_what_is_due(monkeypatch):
    monkeypatch.setattr(sources, "MOST_BYTES", 3)
    assert sources._download("data:,123") == b"123"
    with pytest.raises(OSError, match="more than 3 bytes came"):
        sources._download("data:,1234")


def test_what_is_downloaded_comes_encrypted():
    assert sources.VOTES_URL.startswith("https://raw.githubusercontent.com/takashiishida/irreducible/")
    assert sources.FASHION_MNIST_URL.startswith("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/")
    assert "http:" not in Path(sources.__file__).read_text()
