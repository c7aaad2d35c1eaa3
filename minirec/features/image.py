"""Plain descriptors of pictures: colors, edges and texture. No network, no training, some milliseconds a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingExtraError, ParameterError
from ..files import DAMAGE
from ..options import memory_budget
from .base import Vectors, normalized
from .media import MediaExtractor, shown

# formats that may be opened: others of Pillow's start programs (EPS) or are rare ways into its C code
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
DECODED = 32  # bytes a pixel that decoding and conversion take at the most
HUES, SATURATIONS, VALUES = 12, 3, 3
CELLS, ORIENTATIONS = 4, 9
UNIFORM = 59
_NEIGHBOURS = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))  # of a pixel at (1, 1), in a circle


class ImageFeatures(MediaExtractor):
    """Pictures as paths, bytes or arrays (h, w), (h, w, 3) or (h, w, 4): uint8, or floats from 0 to 1. Scaled to a square first.

    Files are PNG, JPEG, GIF, WebP, BMP, TIFF or PPM; one whose pixels would not fit the memory budget is refused before it is decoded.

    colour (108) : joint histogram of hue (12), saturation (3) and value (3). Swain and Ballard 1991, "Color indexing".
    gradient (144) : in each of 4 x 4 cells, histogram of 9 directions of the gradient of the lightness, without sign, by its size, a
        gradient between two directions shared by them; of length 1, cut at .2. Dalal and Triggs 2005, "Histograms of oriented
        gradients for human detection"; their overlapping blocks are left out.
    texture (59) : histogram of the uniform local binary patterns of 8 neighbors: which of them are as light as the pixel or lighter.
        Ojala, Pietikainen and Maenpaa 2002, "Multiresolution gray-scale and rotation invariant texture classification with local
        binary patterns".

    Histograms are square roots of shares, so that the inner product of two is their Bhattacharyya coefficient. These tell a red
    striped shirt from a blue plain one, not a shirt from a curtain: where a vision model's embeddings are to hand, `Precomputed`
    brings them in.

    Parameters
    ----------
    size : side of the square in pixels, at least 16.
    parts : {"colour": weight, "gradient": weight, "texture": weight}, 1 where there is none.
    damaged : "raise" or "missing", see `MediaExtractor`.

    Transparent pictures are laid on white, of moving ones the first frame is taken, the orientation stored by a camera is undone.
    """

    sizes: ClassVar[Mapping[str, int]] = {
        "colour": HUES * SATURATIONS * VALUES,
        "gradient": CELLS**2 * ORIENTATIONS,
        "texture": UNIFORM,
    }

    def __init__(self, *, size: int = 128, parts: Mapping[str, float] | None = None, damaged: str = "raise") -> None:
        super().__init__(parts, damaged)
        if size < 16:
            raise ParameterError(f"size must be at least 16, got {size}")
        self.size = size

    def _settings(self) -> list[Any]:
        return [self.size]

    def _prepare(self) -> None:
        try:
            import PIL  # noqa: F401
        except ImportError:
            raise MissingExtraError("pillow", "image", "reading pictures") from None

    def _describe(self, thing: Any) -> dict[str, Vectors]:
        pixels = self._pixels(thing)
        lightness = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
        return {"colour": colours(pixels), "gradient": gradients(lightness), "texture": textures(lightness)}

    def _pixels(self, thing: Any) -> Vectors:
        """float32 (size, size, 3), from 0 to 1."""
        from PIL import Image, ImageOps

        try:
            if isinstance(thing, np.ndarray):
                picture = Image.fromarray(_bytes(thing))
            else:
                picture = Image.open(io.BytesIO(thing) if isinstance(thing, bytes) else thing, formats=FORMATS)
                with picture:
                    width, height = picture.size
                    if width * height * DECODED > memory_budget():
                        raise ValueError(
                            f"its {width} x {height} pixels take {width * height * DECODED / 1e9:.1f} GB, more than the memory budget "
                            "(MINIREC_MEMORY): scale it down"
                        )
                    picture.draft("RGB", (2 * self.size, 2 * self.size))  # a JPEG is decoded at a fraction of its size
                    picture.load()
                    picture = ImageOps.exif_transpose(picture)
            if picture.mode[0] in "IF":  # 16 bits a pixel, or floats
                deep = np.asarray(picture, np.float64)
                top = max(float(deep.max()), 65535.0 if picture.mode[0] == "I" else 1e-9)
                picture = Image.fromarray((deep / top * 255).clip(0, 255).astype(np.uint8))
            picture = picture.convert("RGBA").resize((self.size, self.size), Image.Resampling.BOX, reducing_gap=2.0)
        except (*DAMAGE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DataError(f"{shown(thing)}: not a readable picture ({error})") from None
        layers = np.asarray(picture, np.float32) / np.float32(255)
        return np.asarray(layers[..., :3] * layers[..., 3:] + 1 - layers[..., 3:], np.float32)


def colours(pixels: Vectors) -> Vectors:
    """Square root of the histogram of hue, saturation and value of pixels (h, w, 3); (108,)."""
    value, least = pixels.max(axis=2), pixels.min(axis=2)
    spread = value - least
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = (pixels[..., at] for at in range(3))
    sixth = np.where(value == red, (green - blue) / safe % 6, np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4))
    hue = np.where(spread > 0, np.round(sixth / 6 * HUES), 0).astype(int) % HUES  # the pure colors are in the middle of their bins
    saturation = _bin(spread / np.where(value > 0, value, 1), SATURATIONS)
    hue = np.where(saturation > 0, hue, 0)  # grey has no hue
    return _histogram((hue * SATURATIONS + saturation) * VALUES + _bin(value, VALUES), HUES * SATURATIONS * VALUES)


def gradients(lightness: Vectors) -> Vectors:
    """Histograms of the directions of the gradient in the cells of a picture (h, w); (144,), cell by cell, of length 1 or zero.

    Direction 0 is a gradient to the left or right, that is an upright edge.
    """
    down, right = np.gradient(lightness)
    size = np.hypot(down, right)
    angle = (np.arctan2(down, right) % np.pi) / np.pi * ORIENTATIONS
    lower = np.floor(angle).astype(int)
    share = angle - lower
    rows, columns = (np.arange(n) * CELLS // n for n in lightness.shape)
    cell = rows[:, None] * CELLS + columns
    total = np.zeros(CELLS**2 * ORIENTATIONS)
    for direction, weight in ((lower, 1 - share), (lower + 1, share)):
        total += np.bincount((cell * ORIENTATIONS + direction % ORIENTATIONS).ravel(), (size * weight).ravel(), len(total))
    return normalized(np.minimum(normalized(total[None]), 0.2)).ravel()


def textures(lightness: Vectors) -> Vectors:
    """Square root of the histogram of uniform local binary patterns of a picture (h, w); (59,), the last for the others.

    Differences below 1/256, a step of lightness, count as none.
    """
    h, w = lightness.shape
    centre = lightness[1:-1, 1:-1] - np.float32(1 / 256)
    code = np.zeros(centre.shape, int)
    for bit, (y, x) in enumerate(_NEIGHBOURS):
        code |= (lightness[y : h - 2 + y, x : w - 2 + x] >= centre) << bit
    return _histogram(_patterns()[code], UNIFORM)


def _patterns() -> NDArray[np.int64]:
    """The bin of each of the 256 codes: those with at most two changes around the circle have one each, by their code."""
    changes = np.array([(code ^ ((code >> 1) | (code & 1) << 7)).bit_count() for code in range(256)])
    bins = np.cumsum(changes <= 2) - 1
    patterns: NDArray[np.int64] = np.where(changes <= 2, bins, UNIFORM - 1)
    return patterns


def _bin(share: Vectors, bins: int) -> NDArray[np.int64]:
    """The bin of numbers from 0 to 1."""
    return np.asarray(np.minimum((share * bins).astype(int), bins - 1))


def _histogram(bins: NDArray[np.int64], size: int) -> Vectors:
    return np.sqrt(np.bincount(bins.ravel(), minlength=size) / bins.size).astype(np.float32)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """An array as Pillow takes it."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ValueError("shapes of pictures are (h, w), (h, w, 3) and (h, w, 4)")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ValueError("floats must be from 0 to 1")
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError("pictures are uint8, or floats from 0 to 1")
    return np.ascontiguousarray(array)
