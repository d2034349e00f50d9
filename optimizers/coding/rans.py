"""Range asymmetric numeral systems: whole symbols to close to their entropy, many lanes side by side so that numpy can carry them.

Duda 2013, arXiv:1311.2540. State of 32 bits, words of 16: a state lies in [2^16, 2^32), and one word at most goes in or out with each
symbol. Symbol i belongs to lane i mod lanes. `decode.py` is the way back.
"""

from __future__ import annotations

import numpy as np

from optimizers.coding.decode import MOST_LANES, PER_LANE

LOW = 1 << 16           # least state


def encode(symbols: np.ndarray, freqs: np.ndarray, bits: int, lanes: int) -> bytes:
    """symbols: (n,) whole numbers below len(freqs), n at least 1.  freqs: (k,) with k at least 2, each at least 1, summing to 2^bits,
    bits at most 15.  lanes: from `lanes_for`. Answers the last states (uint32 little-endian, one a lane), then the words (uint16), in the
    order in which they are read."""
    freq = freqs.astype(np.uint32)
    start = (np.cumsum(freqs) - freqs).astype(np.uint32)
    state = np.full(lanes, LOW, np.uint32)
    words: list[np.ndarray] = []
    for at in range((len(symbols) - 1) // lanes * lanes, -1, -lanes):        # what is written last is read first
        now = symbols[at:at + lanes]
        x, f = state[:len(now)], freq[now]
        full = x >= f << np.uint32(32 - bits)
        words.append(x[full].astype("<u2"))
        x = np.where(full, x >> np.uint32(16), x)
        whole = x // f
        state[:len(now)] = (whole << np.uint32(bits)) + (x - whole * f) + start[now]
    return state.astype("<u4").tobytes() + b"".join(part.tobytes() for part in reversed(words))


def lanes_for(n: int) -> int:
    """Each lane costs its first and last state, about two bytes more than the symbols themselves."""
    return max(1, min(MOST_LANES, n // PER_LANE))


def normalized(counts: np.ndarray, bits: int) -> np.ndarray:
    """Frequencies in proportion to counts, each at least 1, that sum to 2^bits. len(counts) at most half of that.

    >>> normalized(np.array([1, 1, 1000]), 8).tolist()
    [1, 1, 254]
    """
    whole = 1 << bits
    freqs = np.maximum(1, np.rint(counts * (whole / counts.sum())).astype(np.int64))
    while apart := whole - int(freqs.sum()):
        largest = int(np.argmax(freqs))
        freqs[largest] += max(apart, -(int(freqs[largest]) // 2))
    return freqs


def bits_for(k: int, n: int) -> int:
    """Precision of the frequencies: finer where many symbols pay for longer tables."""
    return min(15, max(12 if n > 4096 else 10, (2 * k - 1).bit_length() + (1 if n > 65536 else 0)))
