"""Plain descriptors of sounds: statistics of the log-mel spectrum. No network, no training."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingExtraError, ParameterError
from ..files import DAMAGE
from ..options import memory_budget
from .base import Vectors
from .media import MediaExtractor, shown

BANDS, LOWEST, HIGHEST = 40, 50.0, 8000.0
WINDOW = 0.046  # seconds of a frame; the next begins half of it later
FLOOR = 1e-10  # power that counts as silence, of full scale
FRAMES = 2048  # that are transformed at a time
FORMATS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3", "AIFF", "AU", "W64", "RF64")  # libsndfile's names of what may be opened
SPENT = 24  # bytes a sample of the mean over the channels and its transform
RATES = range(1000, 768_001)  # samples a second that a sound may have


class AudioFeatures(MediaExtractor):
    """Sounds as paths or bytes of WAV, FLAC, Ogg, MP3, AIFF or AU, or arrays (samples,) or (samples, channels).

    A file of another format, of a rate outside of 1,000 to 768,000, or whose samples would not fit the memory budget is refused before
    it is decoded.

    With M (frames x 40) the logarithm (base 10) of the power in 40 bands, triangles evenly spaced by mel from 50 to 8000 Hz:
    shape (40) : the mean over the frames, less its mean over the bands, which is the loudness;
    deviation (40) : the standard deviation over the frames;
    delta (40) : the mean of |M_t - M_t-1|.
    Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition", without the cosine
    transform; mel as 2595 log10(1 + f / 700).

    These tell timbre and liveliness, so a piano from a drum loop, not a melody or a mood. No resampling: bands above half the
    sampling rate hold silence. Silence has no content: a row of zeros.

    Parameters
    ----------
    seconds : of the middle of a longer sound that are read.
    rate : samples a second of arrays.
    parts : {"shape": weight, "deviation": weight, "delta": weight}, 1 where there is none.
    damaged : "raise" or "missing", see `MediaExtractor`.
    """

    sizes: ClassVar[Mapping[str, int]] = {"shape": BANDS, "deviation": BANDS, "delta": BANDS}

    def __init__(
        self, *, seconds: float = 30.0, rate: int = 22_050, parts: Mapping[str, float] | None = None, damaged: str = "raise"
    ) -> None:
        super().__init__(parts, damaged)
        if not 0 < seconds <= 86_400 or rate not in RATES:
            raise ParameterError(f"seconds must be from 0 to 86,400 (a day), rate from 1,000 to 768,000; got {seconds} and {rate}")
        self.seconds, self.rate = seconds, rate

    def _settings(self) -> list[Any]:
        return [float(self.seconds), self.rate]

    def _describe(self, thing: Any) -> dict[str, Vectors]:
        samples, rate = self._array(thing) if isinstance(thing, np.ndarray) else self._file(thing)
        bands = log_mel(samples, rate)
        mean = bands.mean(axis=0)
        delta = np.abs(np.diff(bands, axis=0)).mean(axis=0) if len(bands) > 1 else np.zeros(BANDS)
        described = {"shape": mean - mean.mean(), "deviation": bands.std(axis=0), "delta": delta}
        return {part: np.where(np.abs(values) > 1e-6, values, 0).astype(np.float32) for part, values in described.items()}

    def _array(self, thing: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
        if thing.ndim > 2 or thing.dtype.kind not in "fi":
            raise DataError(f"{shown(thing)}: sounds are floats or whole numbers, (samples,) or (samples, channels)")
        samples = thing / (1.0 if thing.dtype.kind == "f" else -float(np.iinfo(thing.dtype).min))
        wanted = int(self.seconds * self.rate)
        start = max(0, (len(samples) - wanted) // 2)
        return _mono(samples[start : start + wanted], thing), self.rate

    def _file(self, thing: Any) -> tuple[NDArray[np.float64], int]:
        try:
            import soundfile
        except ImportError:
            raise MissingExtraError("soundfile", "audio", "reading sounds") from None
        except OSError as error:  # the package is there, the library that it needs is not
            raise DataError(f"soundfile cannot load libsndfile ({error})") from None
        try:
            with soundfile.SoundFile(io.BytesIO(thing) if isinstance(thing, bytes) else str(thing)) as sound:
                if sound.format not in FORMATS or sound.samplerate not in RATES:
                    raise ValueError(f"a {sound.format} of {sound.samplerate} samples a second")
                wanted = min(int(self.seconds * sound.samplerate), sound.frames)
                if wanted * (4 * sound.channels + SPENT) > memory_budget():
                    raise ValueError(f"{wanted} samples of {sound.channels} channels do not fit the memory budget (MINIREC_MEMORY)")
                if sound.frames > wanted:
                    sound.seek((sound.frames - wanted) // 2)
                return _mono(sound.read(wanted, dtype="float32", always_2d=True), thing), int(sound.samplerate)
        except DAMAGE as error:  # soundfile's own errors are RuntimeErrors
            raise DataError(f"{shown(thing)}: not a readable sound ({error})") from None


def log_mel(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Logarithm of the power in each band, (frames, 40); a sound shorter than a frame is one frame, filled up with silence."""
    length = max(int(WINDOW * rate), 2)
    hop = max(length // 2, 1)
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    window, filters = np.hanning(length + 1)[:-1], mel_filters(rate, length)
    parts = []
    for start in range(0, len(frames), FRAMES):
        power = np.abs(np.fft.rfft(frames[start : start + FRAMES] * window, axis=1)) ** 2 * (4 / window.sum() ** 2)
        parts.append(np.log10(np.einsum("tf,bf->tb", power, filters) + FLOOR))
    return np.concatenate(parts)


@lru_cache(maxsize=16)
def mel_filters(rate: int, length: int) -> NDArray[np.float64]:
    """Triangles (40, length // 2 + 1) over the frequencies of a transform of `length` samples: 1 at the center of a band."""
    low, high = 2595 * np.log10(1 + np.array([LOWEST, HIGHEST]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequency = np.arange(length // 2 + 1) * rate / length
    rising = (frequency - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequency) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


def _mono(samples: NDArray[Any], thing: Any) -> NDArray[np.float64]:
    samples = np.asarray(samples, np.float64)
    if not samples.size or not np.isfinite(samples).all():
        raise DataError(f"{shown(thing)}: {'no samples' if not samples.size else 'samples that are not finite'}")
    mean: NDArray[np.float64] = samples if samples.ndim == 1 else samples.mean(axis=1)
    return mean
