"""Images as training takes them: bytes from 0 to 255, channels first, square and all of one size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from labelnoise._checks import check_size
from labelnoise.errors import InputError

Pixels = NDArray[np.uint8]

DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # modes of PIL with more than a byte for each pixel


def as_pixels(images: NDArray[Any], name: str, size: int | None = None) -> tuple[Pixels, tuple[str, ...]]:
    """An array of images as (n, channels, size, size), uint8, and what had to be changed.

    Args:
        images: shape (n, height, width), (n, height, width, 1 or 3) or (n, 1 or 3, height, width); pixels from 0 to
            255, or fractions from 0 to 1 or from -1 to 1.
        name: what messages call it.
        size: to bring all images to, by `resized`.

    Raises:
        InputError: an array of another shape, or values that are no pixels.
    """
    last = images.ndim == 4 and images.shape[3] in (1, 3)
    first = images.ndim == 4 and not last and images.shape[1] in (1, 3)
    if (images.ndim != 3 and not last and not first) or 0 in images.shape[1:]:
        square = round(images.shape[1] ** 0.5) if images.ndim == 2 else 0
        remedy = f"; reshape it to (-1, {square}, {square})" if square > 1 and square**2 == images.shape[1] else ""
        raise InputError(
            f"{name} must have shape (n, height, width) or (n, height, width, 1 or 3), not {images.shape}{remedy}."
        )
    pixels, said = _bytes(images, name)
    if first:
        said += (f"{name} has its channels before height and width.",)
    channels = pixels.transpose(0, 3, 1, 2) if last else pixels if first else pixels[:, None]
    square_ones, more = squared(channels, name, size)
    return np.ascontiguousarray(square_ones), said + more


def _bytes(images: NDArray[Any], name: str) -> tuple[Pixels, tuple[str, ...]]:
    if images.dtype == np.uint8:
        return images, ()
    if images.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold uint8 pixels from 0 to 255, not {images.dtype}.")
    low, high = (float(end) for end in (images.min(initial=0), images.max(initial=0)))
    if not (np.isfinite(low) and np.isfinite(high)):
        row = int(np.argmin(np.isfinite(images.reshape(len(images), -1)).all(axis=1)))
        raise InputError(f"{name} has a value that is not finite in image {row}; mend or drop it.")
    fractions = images.dtype.kind in "fb" and high <= 1
    if low < (-1 if fractions else 0) or high > 255:
        raise InputError(
            f"{name} must hold pixels from 0 to 255, or fractions from 0 to 1, not {images.dtype} from {low:.3g} to "
            f"{high:.3g}; save the images as they are before they are normalised."
        )
    if not fractions and images.dtype.kind in "iub":
        return images.astype(np.uint8), ()
    shift, factor = (low < 0, 127.5 if low < 0 else 255) if fractions else (0, 1)
    pixels = np.empty(images.shape, np.uint8)
    for row, image in enumerate(images):  # in pieces, as floats take four times the memory
        pixels[row] = np.rint((image.astype(np.float32) + shift) * factor)
    ends = "-1 to 1" if low < 0 else "0 to 1" if fractions else "0 to 255"
    return pixels, (f"{name} has fractions from {ends}, which are rounded to whole numbers from 0 to 255.",)


def squared(images: Pixels, name: str, size: int | None) -> tuple[Pixels, tuple[str, ...]]:
    """Images of shape (n, channels, height, width) as squares, and what had to be changed.

    Raises:
        InputError: they are not square, and there is no size to bring them to; or there is no memory for them in it.
    """
    height, width = images.shape[2:]
    if size is None and height != width:
        raise InputError(
            f"The images of {name} are {width} by {height} pixels; make them square first, or pass --image-size "
            f"{min(height, width, 64)} to have their middle, of that size."
        )
    if size is None or (height, width) == (size, size):
        return images, ()
    _check_all(len(images), images.shape[1], size, name)
    import torch

    transform, step = _transform(size), max(1, 2**24 // max(images[:1].nbytes, 1))
    parts = (np.ascontiguousarray(images[first : first + step]) for first in range(0, len(images), step))
    resized = torch.cat([transform(torch.from_numpy(part)) for part in parts]).numpy()
    return resized, (resizing(name, f"{width} by {height}", size),)


def _check_all(n: int, channels: int, size: int, name: str) -> None:
    """Refuse a size of which one image may fit into memory, but not all of them."""
    check_size(f"The {n:,} images of {name} with an image size of {size:,} pixels", n * channels * size**2 // 8)


def _transform(size: int) -> Any:
    from torchvision.transforms import v2

    return v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size)])


def resizing(name: str, sizes: str, size: int) -> str:
    """What is told of images that were brought to a size."""
    return (
        f"The images of {name} are {sizes} pixels; the shorter side of each was brought to {size}, and the middle of "
        "the longer one was kept."
    )


def decoded(
    files: Sequence[bytes | Path], names: Sequence[str], source: str, size: int | None
) -> tuple[Pixels, tuple[str, ...]]:
    """Encoded images as (n, channels, size, size), of three channels if one of them has colour, and what was changed.

    Args:
        files: what is in each, or its path.
        names: what messages call each.
        source: what messages call the file that lists them.
        size: to bring each to.

    Raises:
        InputError: one that can't be read; without a size, images of several sizes, or that are not square.
    """
    if size is not None:
        _check_all(len(names), 1, size, source)
    images: list[Pixels] = []
    sizes: list[tuple[int, int]] = []
    transform = None
    for row, file in enumerate(files):
        content = file if isinstance(file, bytes) else file.read_bytes()
        image = _opened(content, f"Row {row} of {source} has an image", names[row])
        sizes.append(image.size)
        if size is not None and image.size != (size, size):
            transform = transform or _transform(size)
            image = transform(image)
        images.append(np.array(image))
        if size is None and sizes[row] != sizes[0]:
            both = " and ".join("{} by {}".format(*each) for each in (sizes[0], sizes[row]))
            raise InputError(
                f"Rows 0 and {row} of {source} have images of {both} pixels; make them alike, or pass --image-size "
                f"{min(*sizes[0], *sizes[row], 64)}."
            )
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    pixels, said = as_pixels(np.stack(images), source, size)
    if transform is not None:
        ends = sorted(set(sizes))
        spread = "{} by {}".format(*ends[0]) + (" to {} by {}".format(*ends[-1]) if len(ends) > 1 else "")
        said += (resizing(source, spread, int(size or 0)),)
    return pixels, said


def _opened(content: bytes, what: str, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))  # its header alone
        with image:
            if image.mode in DEEP:  # which PIL would cut off at 255
                values = np.array(image, dtype=np.float64)
                return Image.fromarray((values * (255 / max(values.max(), 255))).clip(0).astype(np.uint8))
            grey = image.mode in ("1", "L")
            turned = ImageOps.exif_transpose(image)
            return turned.convert("L" if grey else "RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
        raise InputError(f"{what} of {most} ({name}); make it smaller.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise InputError(f"{what} that can't be read ({name}).") from None
