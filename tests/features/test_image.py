"""Descriptors of pictures, on pictures whose descriptors are known."""

import io
import sys
import warnings

import numpy as np
import pytest

import minirec
from minirec.errors import DataError, DataWarning, MissingExtraError, ParameterError
from minirec.features.base import present
from minirec.features.cache import cached
from minirec.features.image import ImageFeatures, colours, gradients, textures
from minirec.options import options

SIDE = 64


@pytest.fixture(autouse=True)
def _pillow():
    pytest.importorskip("PIL")


def plain(*colour):
    return np.tile(np.array(colour, np.uint8), (SIDE, SIDE, 1))


def stripes(upright, period=8):
    lines = (np.arange(SIDE) % period < period // 2).astype(np.float32)
    return np.tile(lines, (SIDE, 1)) if upright else np.tile(lines[:, None], (1, SIDE))


def encoded(array, form="PNG", **named):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, form, **named)
    return file.getvalue()


@pytest.mark.parametrize(
    ("colour", "hue", "saturation", "value"),
    [
        ((255, 0, 0), 0, 2, 2),
        ((255, 0, 40), 0, 2, 2),
        ((0, 255, 0), 4, 2, 2),
        ((0, 0, 255), 8, 2, 2),
        ((0, 255, 255), 6, 2, 2),
        ((120, 120, 0), 2, 2, 1),
        ((255, 128, 128), 0, 1, 2),
        ((0, 0, 0), 0, 0, 0),
        ((255, 255, 255), 0, 0, 2),
        ((128, 128, 128), 0, 0, 1),
    ],
)
def test_one_colour_is_one_bin(colour, hue, saturation, value):
    found = colours(plain(*colour) / np.float32(255))
    assert found[(hue * 3 + saturation) * 3 + value] == 1
    assert found.sum() == 1


def test_two_colours_share():
    half = plain(255, 0, 0)
    half[:, SIDE // 4 :] = (0, 0, 255)
    np.testing.assert_allclose(np.sort(colours(half / np.float32(255)))[-2:] ** 2, [0.25, 0.75], rtol=1e-6)


@pytest.mark.parametrize(("upright", "direction"), [(True, 0), (False, 4.5)])
def test_stripes_have_one_direction(upright, direction):
    found = gradients(stripes(upright)).reshape(16, 9)
    near = sorted({int(direction), int(np.ceil(direction))})
    np.testing.assert_allclose((found[:, near] ** 2).sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(found, np.tile(found[:1], (16, 1)), atol=0.05)


def test_a_slope_has_the_direction_of_its_angle():
    y, x = np.mgrid[:SIDE, :SIDE] / (2.0 * SIDE)
    for angle in (0, 20, 40, 70, 140, 160):
        slope = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
        found = gradients(slope.astype(np.float32)).reshape(16, 9)
        expected = np.zeros(9)
        lower, share = int(angle // 20), angle % 20 / 20
        expected[lower], expected[(lower + 1) % 9] = 1 - share, share
        np.testing.assert_allclose(found / found.max(), np.tile(expected / expected.max(), (16, 1)), atol=1e-2)


def test_an_edge_is_in_its_cells():
    picture = np.zeros((SIDE, SIDE), np.float32)
    picture[:, 8:] = 1
    found = gradients(picture).reshape(4, 4, 9)
    assert (found[:, 0, 0] > 0).all()
    assert not found[:, 1:].any()
    assert not gradients(np.full((SIDE, SIDE), 0.3, np.float32)).any()


def naive_texture(picture):
    """Pixel by pixel; bins are numbered by the code of the pattern, the last is for patterns that are not uniform."""
    around = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    uniform = [code for code in range(256) if sum((code >> b & 1) != (code >> (b + 1) % 8 & 1) for b in range(8)) <= 2]
    assert len(uniform) == 58
    counts = np.zeros(59)
    for y in range(1, picture.shape[0] - 1):
        for x in range(1, picture.shape[1] - 1):
            code = sum(1 << b for b, (dy, dx) in enumerate(around) if picture[y + dy, x + dx] >= picture[y, x] - np.float32(1 / 256))
            counts[uniform.index(code) if code in uniform else 58] += 1
    return np.sqrt(counts / counts.sum())


def test_textures_pixel_by_pixel():
    rng = np.random.default_rng(0)
    for picture in (rng.random((12, 15)), stripes(True), stripes(False), np.zeros((9, 9))):
        np.testing.assert_allclose(textures(picture.astype(np.float32)), naive_texture(picture.astype(np.float32)), rtol=1e-6)
    assert textures(np.zeros((9, 9), np.float32))[57] == 1  # all neighbours are as light: the last uniform code, 255


def test_a_picture_is_the_same_in_every_form(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    array = np.repeat(np.repeat(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8), 16, axis=0), 16, axis=1)
    (tmp_path / "a.png").write_bytes(encoded(array))
    Image.fromarray(array).convert("RGBA").save(tmp_path / "a.webp", lossless=True)
    opaque = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
    forms = [tmp_path / "a.png", str(tmp_path / "a.webp"), encoded(array), array, array / 255.0, opaque]
    vectors = ImageFeatures().transform(forms)
    assert vectors.shape == (6, 108 + 144 + 59)
    np.testing.assert_allclose(vectors, np.tile(vectors[:1], (6, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    jpeg = ImageFeatures().transform([encoded(array, "JPEG", quality=95)])[0]
    assert jpeg @ vectors[0] > 0.95


def test_orientation_transparency_grey_and_depth():
    from PIL import Image

    features = ImageFeatures()
    upright = (stripes(True) * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = features.transform([encoded(np.rot90(upright).copy(), exif=exif), upright])
    np.testing.assert_allclose(turned[0], turned[1], atol=1e-6)
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    np.testing.assert_allclose(*features.transform([clear, plain(255, 255, 255)]), atol=1e-6)
    deep = (stripes(True) * 65535).astype(np.uint16)
    np.testing.assert_allclose(*features.transform([encoded(deep), upright]), atol=1e-6)
    file = io.BytesIO()
    Image.fromarray(stripes(True)).save(file, "TIFF")
    np.testing.assert_allclose(*features.transform([file.getvalue(), upright]), atol=1e-6)
    frames = [Image.fromarray(plain(*colour)) for colour in ((255, 0, 0), (0, 255, 0))]
    moving = io.BytesIO()
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(*features.transform([moving.getvalue(), plain(255, 0, 0)]), atol=1e-6)


def test_like_pictures_are_near():
    red, blue = (np.float32([0.9, 0.1, 0.1]), np.float32([0.1, 0.1, 0.9]))
    pictures = [stripes(upright)[..., None] * colour for colour in (red, blue) for upright in (True, False)]
    cosines = {}
    for part in ("colour", "gradient"):
        vectors = ImageFeatures(parts=dict.fromkeys(ImageFeatures.sizes, 0) | {part: 1}).transform(pictures)
        cosines[part] = vectors @ vectors.T
    assert cosines["colour"][0, 1] > 0.99 > 0.8 > cosines["colour"][0, 2]
    assert cosines["gradient"][0, 2] > 0.99 > 0.2 > cosines["gradient"][0, 1]


def test_parts_and_their_weights():
    picture = np.random.default_rng(0).random((40, 30, 3))
    vector = ImageFeatures(parts={"colour": 3, "texture": 0}).transform([picture])[0]
    assert vector.shape == (252,)
    np.testing.assert_allclose(np.linalg.norm(vector[:108]) / np.linalg.norm(vector[108:]), 3, rtol=1e-5)


BAD = {
    "nonsense": b"not a picture",
    "cut": lambda: encoded(np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8))[:9000],
    "no file": "no/such/file.png",
    "shape": np.zeros((2, 2, 2), np.uint8),
    "range": np.full((9, 9), 3.5),
    "not a number": np.full((9, 9), np.nan),
    "type": np.zeros((9, 9), np.int32),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_pictures(name):
    bad = BAD[name]() if callable(BAD[name]) else BAD[name]
    with pytest.raises(DataError, match="not a readable picture"):
        ImageFeatures().transform([plain(1, 2, 3), bad])
    with pytest.warns(DataWarning, match="1 of 2 files could not be read and count as missing; the first: "):
        vectors = ImageFeatures(damaged="missing").transform([plain(1, 2, 3), bad])
    assert present(vectors).tolist() == [True, False]


def test_a_bomb_is_a_damaged_picture(monkeypatch):
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(DataError, match="not a readable picture"):
            ImageFeatures().transform([encoded(plain(1, 2, 3))])


def test_missing_pictures_and_other_things():
    vectors = ImageFeatures().transform([None, "", b"", np.nan, np.zeros((0, 3)), plain(9, 9, 9)])
    assert present(vectors).tolist() == [False] * 5 + [True]
    with pytest.raises(DataError, match="thing 0: a path, bytes or an array"):
        ImageFeatures().transform([3])
    with pytest.raises(DataError, match=r"thing 1: .*got an array without dimensions"):
        ImageFeatures().transform([None, np.array(3.0)])


def test_the_cache_goes_by_the_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(encoded(plain(200, 0, 0)))
    features = cached(ImageFeatures(damaged="missing"), tmp_path / "cache")
    paths = [str(tmp_path / name) for name in "abc"]
    with pytest.warns(DataWarning, match="1 of 2"):
        first = features.transform(paths)
    with pytest.warns(DataWarning, match="1 of 1"):  # what is damaged is said each time
        np.testing.assert_array_equal(features.transform(paths), first)
    (tmp_path / "c").write_bytes(encoded(plain(0, 0, 200)))
    assert present(features.transform(paths)).tolist() == [True] * 3
    prints = {ImageFeatures(**named).fingerprint for named in ({}, {"size": 64}, {"parts": {"colour": 2}}, {"damaged": "missing"})}
    assert len(prints) == 4


def test_same_bytes_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    pictures = [rng.random((20, 30, 3)) for _ in range(40)]
    with minirec.options(threads=1):
        one = ImageFeatures().transform(pictures)
    with minirec.options(threads=2):
        assert ImageFeatures().transform(pictures).tobytes() == one.tobytes()


@pytest.mark.parametrize(
    "named",
    [
        {"size": 8},
        {"damaged": "skip"},
        {"parts": {"shape": 1}},
        {"parts": {"colour": -1}},
        {"parts": dict.fromkeys(ImageFeatures.sizes, 0)},
    ],
)
def test_bad_parameters(named):
    with pytest.raises(ParameterError):
        ImageFeatures(**named)


def test_pillow_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[image\]"):
        ImageFeatures(damaged="missing").transform([plain(1, 2, 3)])


def test_formats_are_named_and_pixels_are_bounded_before_decoding():
    """EPS would start Ghostscript; a small PNG of many pixels would take gigabytes."""
    image = pytest.importorskip("PIL.Image")
    eps, large = io.BytesIO(), io.BytesIO()
    image.new("RGB", (8, 8)).save(eps, "EPS")
    image.new("1", (6000, 6000)).save(large, "PNG")
    with pytest.raises(DataError, match="not a readable picture"):
        ImageFeatures().transform([eps.getvalue()])
    assert len(large.getvalue()) < 10_000
    with options(memory="500MB"), pytest.raises(DataError, match="6000 x 6000 pixels"):
        ImageFeatures().transform([large.getvalue()])
