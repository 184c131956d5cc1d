"""Both audio front ends in NumPy, with filters of our own."""

import numpy as np
from scipy.signal.windows import hann


def to_mel(hertz):
    return 1127 * np.log1p(np.asarray(hertz, float) / 700)


def reference_bank(bins, bands, low, high, in_mel):
    """HTK triangles, one loop per band and bin."""
    edges = np.linspace(to_mel(low), to_mel(high), bands + 2)
    if in_mel:
        bins = to_mel(bins)
    else:
        edges = 700 * np.expm1(edges / 1127)
    bank = np.zeros((len(bins), bands))
    for band in range(bands):
        left, peak, right = edges[band : band + 3]
        for i, place in enumerate(bins):
            if left < place <= peak:
                bank[i, band] = (place - left) / (peak - left)
            elif peak < place < right:
                bank[i, band] = (right - place) / (right - peak)
    return bank


def reference_paper(samples):
    """44.1 kHz, 20 ms Hann window around each multiple of 10 ms, 1024-point DFT, power in dB, 64 bands to 22.05 kHz."""
    bank = reference_bank(np.arange(513) * 44100 / 1024, 64, 0, 22050, in_mel=False)
    window = hann(882, sym=False)
    padded = np.concatenate([np.zeros(441), samples.astype(float), np.zeros(1000)])
    rows = [padded[start : start + 882] * window for start in range(0, len(samples), 441)]
    power = np.abs(np.fft.rfft(rows, 1024)) ** 2
    return 10 * np.log10(np.maximum(power @ bank, 1e-10))


def reference_vggish(samples):
    """16 kHz, 25 ms Hann window from each multiple of 10 ms, 512-point DFT, magnitude, log(x + 0.01), 125-7500 Hz."""
    bank = reference_bank(np.arange(257) * 16000 / 512, 64, 125, 7500, in_mel=True)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([samples.astype(float), np.zeros(1000)])
    rows = [padded[start : start + 400] * window for start in range(0, len(samples), 160)]
    return np.log(np.abs(np.fft.rfft(rows, 512)) @ bank + 0.01)
