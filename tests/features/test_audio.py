"""Descriptors of sounds, on sounds whose descriptors are known."""

import io
import sys

import numpy as np
import pytest

from minirec.errors import DataError, DataWarning, MissingExtraError, ParameterError
from minirec.features import audio
from minirec.features.audio import BANDS, FLOOR, AudioFeatures, log_mel, mel_filters
from minirec.features.base import present
from minirec.features.cache import cached
from minirec.options import options

RATE = 22_050


def tone(frequency, seconds=1.0, rate=RATE, loudness=0.5):
    return loudness * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def written(samples, form="WAV", rate=RATE, subtype=None):
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def band_of(frequency):
    centres = np.linspace(*(2595 * np.log10(1 + np.array([50, 8000]) / 700)), BANDS + 2)[1:-1]
    return int(np.abs(centres - 2595 * np.log10(1 + frequency / 700)).argmin())


@pytest.mark.parametrize("frequency", [200, 440, 1000, 3000, 7000])
@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_a_tone_is_in_its_band(frequency, rate):
    bands = log_mel(tone(frequency, rate=rate), rate)
    assert abs(int(bands.mean(axis=0).argmax()) - band_of(frequency)) <= (frequency < 300)  # low bands are as narrow as the bins
    np.testing.assert_allclose(bands.max(), np.log10(0.25), atol=0.4)  # the power of full scale is 1 (0 bel)


def test_filters_are_triangles_that_sum_to_one_between_the_centres():
    filters = mel_filters(RATE, 2**14)
    assert filters.shape == (BANDS, 2**13 + 1)
    np.testing.assert_allclose(filters.max(axis=1), 1, atol=0.05)
    frequency = np.arange(2**13 + 1) * RATE / 2**14
    inside = (frequency > 100) & (frequency < 7000)
    np.testing.assert_allclose(filters.sum(axis=0)[inside], 1, rtol=1e-9)


def test_statistics_are_those_of_the_bands():
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(RATE) * np.linspace(0.01, 0.3, RATE)
    bands = log_mel(sound, RATE)
    length, hop = int(0.046 * RATE), int(0.046 * RATE) // 2
    assert len(bands) == 1 + (RATE - length) // hop
    frame = sound[3 * hop : 3 * hop + length] * np.hanning(length + 1)[:-1]
    power = np.abs(np.fft.rfft(frame)) ** 2 * 4 / np.hanning(length + 1)[:-1].sum() ** 2
    np.testing.assert_allclose(bands[3], np.log10(mel_filters(RATE, length) @ power + FLOOR), rtol=1e-9)
    mean = bands.mean(axis=0)
    parts = [mean - mean.mean(), bands.std(axis=0), np.abs(np.diff(bands, axis=0)).mean(axis=0)]
    expected = np.concatenate([part / np.linalg.norm(part) for part in parts]) / np.sqrt(3)
    np.testing.assert_allclose(AudioFeatures().transform([sound])[0], expected, atol=1e-6)


def test_loudness_does_not_matter_and_timbre_does():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE) * 0.1
    vectors = AudioFeatures(parts={"deviation": 0, "delta": 0}).transform([noise, noise * 0.2, tone(440), tone(466), tone(3000)])
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.999
    assert cosines[2, 3] > 0.8 > cosines[2, 4]
    assert vectors.shape == (5, 40)


def test_a_sound_is_the_same_in_every_form(tmp_path):
    rng = np.random.default_rng(0)
    sound = np.round(np.stack([tone(440), rng.standard_normal(RATE) * 0.1], axis=1) * 2**15) / 2**15
    (tmp_path / "a.flac").write_bytes(written(sound, "FLAC", subtype="PCM_16"))
    forms = [sound, (sound * 2**15).astype(np.int16), written(sound, subtype="PCM_16"), tmp_path / "a.flac", str(tmp_path / "a.flac")]
    vectors = AudioFeatures().transform(forms)
    np.testing.assert_allclose(vectors, np.tile(vectors[:1], (5, 1)), atol=1e-5)
    np.testing.assert_allclose(AudioFeatures().transform([sound.mean(axis=1)])[0], vectors[0], atol=1e-5)
    assert AudioFeatures().transform([written(sound, "OGG")])[0] @ vectors[0] > 0.98


def test_the_middle_of_a_long_sound_is_read():
    middle = np.concatenate([tone(300, 2), tone(2000, 1), tone(300, 2)])
    features = AudioFeatures(seconds=1)
    vectors = features.transform([middle, written(middle, subtype="FLOAT"), tone(2000, 1)])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-3)
    assert vectors[0, :40] @ vectors[2, :40] / np.linalg.norm(vectors[0, :40]) / np.linalg.norm(vectors[2, :40]) > 0.98


def test_frames_a_block_at_a_time(monkeypatch):
    sound = np.random.default_rng(0).standard_normal(RATE)
    whole = log_mel(sound, RATE)
    monkeypatch.setattr(audio, "FRAMES", 7)
    np.testing.assert_array_equal(log_mel(sound, RATE), whole)


def test_silence_short_sounds_and_missing_ones():
    vectors = AudioFeatures().transform([np.zeros(RATE), None, "", tone(440, 0.001), np.ones(1), tone(440, 0.5, 8000)])
    assert present(vectors).tolist() == [False, False, False, True, False, True]
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    "bad", [b"not a sound", "no/such/file.wav", np.full(9, np.nan), np.zeros((2, 2, 2)), np.zeros(9, "U1"), "cut", "empty"]
)
def test_damaged_sounds(bad):
    pytest.importorskip("soundfile")
    if isinstance(bad, str) and bad in ("cut", "empty"):
        bad = written(tone(440), "FLAC")[:30] if bad == "cut" else written(np.zeros(0))
    with pytest.raises(DataError):
        AudioFeatures().transform([tone(440), bad])
    with pytest.warns(DataWarning, match="1 of 2 files"):
        vectors = AudioFeatures(damaged="missing").transform([tone(440), bad])
    assert present(vectors).tolist() == [True, False]


def test_through_the_cache(tmp_path):
    features, sounds = AudioFeatures(), [tone(440), tone(550), tone(440)]
    expected = features.transform(sounds)
    for _ in range(2):
        np.testing.assert_array_equal(cached(features, tmp_path).transform(sounds), expected)
    assert len({AudioFeatures(**named).fingerprint for named in ({}, {"seconds": 5}, {"rate": 8000}, {"parts": {"delta": 0}})}) == 4


@pytest.mark.parametrize("named", [{"seconds": 0}, {"seconds": float("inf")}, {"rate": 0}, {"parts": {"colour": 1}}])
def test_bad_parameters(named):
    with pytest.raises(ParameterError):
        AudioFeatures(**named)


def test_soundfile_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[audio\]"):
        AudioFeatures(damaged="missing").transform([b"RIFF"])
    assert AudioFeatures().transform([tone(440)]).any()  # arrays need nothing


def test_rates_and_sizes_are_bounded_before_decoding():
    """A WAV of some hundred bytes that claims 2^31 samples a second would take gigabytes."""
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, np.zeros(100), 2**31 - 1, format="WAV")
    with pytest.raises(DataError, match="2147483647 samples a second"):
        AudioFeatures().transform([out.getvalue()])
    long = io.BytesIO()
    soundfile.write(long, np.zeros((200_000, 4)), 48_000, format="WAV")
    with options(memory="1MB"), pytest.raises(DataError, match="memory budget"):
        AudioFeatures().transform([long.getvalue()])
