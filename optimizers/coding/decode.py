"""Turn model.esp back into the model.onnx it was made of, byte for byte. Needs nothing but Python 3.8; with numpy it is faster.

    python decode.py model.esp model.onnx

A file that is damaged or was made to harm is refused: every length is checked before it is believed, no file that states a larger model
than the limit (1 GiB; a third argument, in bytes) is begun, no piece is built that is larger than the model, and the SHA-256 must agree.
It holds about four times the model in memory, more without numpy.

The form: b"ESP1", size of the model (8 bytes, little-endian), size of the head as it is stored and when inflated (4 + 4), SHA-256 of the
model, the head under DEFLATE, then the coded numbers. The head holds the lists of numbers that pieces are made of, tells the pieces the
model consists of, and holds the bytes between them.
"""

import array
import hashlib
import struct
import sys
import zlib

try:
    import numpy as np
except ImportError:
    np = None       # type: ignore[assignment]

START = struct.Struct("<4sQII32s")
MOST = 1 << 30          # bytes of a model
DEEPEST = 4             # pieces inside pieces
SHORTEST = 64           # bytes of a piece; what is shorter stands between the pieces
MOST_LISTS = 1 << 12    # and as many numbers in one of them
SLACK = 1 << 20         # bytes by which lists may be longer than the model
PER_LANE, MOST_LANES = 1 << 10, 1 << 12
WIDE = 64               # lanes from which numpy is the faster way
STORED, DEFLATED, SYMBOLS, PLANES, SPARSE, NIBBLES = range(6)


class Damaged(ValueError):
    """The file is no whole model.esp."""


def decode(data, most=MOST):
    """bytes -> bytes. Raises Damaged."""
    if len(data) < START.size or data[:4] != b"ESP1":
        raise Damaged("This is no model.esp: it does not begin with ESP1.")
    _, size, stored, long, digest = START.unpack_from(data)
    if size > most:
        raise Damaged(f"The file says that its model has {size:,} bytes, and at most {most:,} are allowed here.")
    if long > 2 * size + SLACK or START.size + stored > len(data):
        raise Damaged("The head is longer than it can be.")
    head = Reader(inflate(data[START.size:START.size + stored], long))
    model = assemble(head, Reader(data[START.size + stored:]), size)
    if hashlib.sha256(model).digest() != digest:
        raise Damaged("The SHA-256 does not agree: the file was damaged on its way.")
    return model


def assemble(head, body, size):
    """The model: pieces, and between them bytes that stand at the end of the head."""
    lists, held = [], 0
    for _ in range(head.number(MOST_LISTS)):
        lists.append(numbers_of(head))
        held += len(lists[-1][1])
        if held > size + SLACK:
            raise Damaged("The lists hold more numbers than the model.")
    pieces, built = [], 0
    for _ in range(head.number(size // SHORTEST)):
        between = head.number(size - built)
        length = head.number(size - built - between)
        if length < SHORTEST:
            raise Damaged("A piece is shorter than pieces are.")
        pieces.append((between, piece(head, body, lists, length, 1)))
        built += between + length
    parts = []
    for between, content in pieces:
        parts += [head.take(between), content]
    parts.append(head.take(size - built))
    if head.left or body.left:
        raise Damaged("There is more in the file than belongs to it.")
    return b"".join(parts)


def piece(head, body, lists, length, depth):
    """The next `length` bytes, whatever way they are coded in."""
    if depth > DEEPEST:
        raise Damaged(f"Pieces are nested more than {DEEPEST} deep.")
    kind = head.number(NIBBLES)
    if kind == STORED:
        return body.take(length)
    if kind == DEFLATED:
        return inflate(body.take(head.number(body.left)), length)
    if kind == SYMBOLS:
        return symbols(head, body, lists, length)
    if kind == NIBBLES:
        return joined_nibbles(piece(head, body, lists, 2 * length, DEEPEST))
    width = head.number(8)
    if width < 1 or length % width:
        raise Damaged("A piece does not consist of whole numbers.")
    if kind == PLANES:
        return woven([piece(head, body, lists, length // width, depth + 1) for _ in range(width)])
    count = head.number(length // width)
    mask = piece(head, body, lists, length // width, depth + 1)
    return spread(mask, piece(head, body, lists, count * width, depth + 1), width, count)


def numbers_of(head):
    """One list: bytes of a number, the numbers in ascending order one behind the other, the bits of their shares, the shares."""
    width, k = head.number(8), head.number(MOST_LISTS)
    if not width or not k:
        raise Damaged("A list of numbers is empty.")
    values, last = [], -1
    for _ in range(k):
        last += 1 + head.number(256 ** width - 2 - last)
        values.append(last.to_bytes(width, "little"))
    if k == 1:
        return width, values[0], 0, array.array("H", [1])
    bits = head.number(15)
    shares = array.array("H", [head.number(1 << bits) for _ in range(k)])
    if sum(shares) != 1 << bits or 0 in shares:
        raise Damaged("The shares of a list do not add up.")
    return width, b"".join(values), bits, shares


def symbols(head, body, lists, length):
    """Numbers out of a list, each given by its place there; places are coded by range asymmetric numeral systems."""
    which = head.number(MOST_LISTS)
    if which >= len(lists):
        raise Damaged("A piece is made of a list that is not there.")
    width, values, bits, shares = lists[which]
    if not length or length % width:
        raise Damaged("A piece does not consist of whole numbers.")
    n = length // width
    if len(shares) == 1:
        return values * n
    lanes = head.number(n)
    if lanes != max(1, min(MOST_LANES, n // PER_LANE)):     # few lanes for many numbers would take hours
        raise Damaged("There are not as many lanes as the numbers need.")
    words = head.number(body.left // 2)
    states, coded = body.take(4 * lanes), body.take(2 * words)
    return (by_numpy if np is not None and lanes >= WIDE else by_hand)(values, width, n, shares, bits, states, coded)


def by_numpy(values, width, n, freqs, bits, states, coded):
    freq = np.asarray(freqs, np.uint32)
    table = np.repeat(np.arange(len(freq), dtype=np.uint16), freq)
    inside = np.arange(1 << bits, dtype=np.uint32) - np.repeat(np.cumsum(freq, dtype=np.uint32) - freq, freq)
    share = np.repeat(freq, freq)
    x, words = np.frombuffer(states, "<u4").astype(np.uint32), np.frombuffer(coded, "<u2").astype(np.uint32)
    lanes, read, places = len(x), 0, np.empty(n, np.uint16)
    for at in range(0, n, lanes):
        now = x[:n - at]
        slot = now & np.uint32((1 << bits) - 1)
        places[at:at + lanes] = table[slot]
        now = share[slot] * (now >> np.uint32(bits)) + inside[slot]
        low = np.flatnonzero(now < 65536)
        if read + len(low) > len(words):
            raise Damaged("The coded numbers end too early.")
        now[low] = (now[low] << np.uint32(16)) | words[read:read + len(low)]
        read += len(low)
        x[:n - at] = now
    if read != len(words):
        raise Damaged("There are more coded numbers than belong to the piece.")
    return np.frombuffer(values, np.dtype((np.void, width)))[places].tobytes()


def by_hand(values, width, n, freqs, bits, states, coded):
    table: list = []
    inside: list = []
    share: list = []
    for at, freq in enumerate(freqs):
        table += [values[width * at:width * (at + 1)]] * freq
        inside += range(freq)
        share += [freq] * freq
    lanes, words = len(states) // 4, len(coded) // 2
    x = list(struct.unpack(f"<{lanes}I", states))
    word = struct.unpack(f"<{words}H", coded)
    read, lane, last, made = 0, 0, (1 << bits) - 1, []
    for _ in range(n):
        now = x[lane]
        slot = now & last
        made.append(table[slot])
        now = share[slot] * (now >> bits) + inside[slot]
        if now < 65536:
            if read == words:
                raise Damaged("The coded numbers end too early.")
            now = now << 16 | word[read]
            read += 1
        x[lane] = now
        lane = lane + 1 if lane + 1 < lanes else 0
    if read != words:
        raise Damaged("There are more coded numbers than belong to the piece.")
    return b"".join(made)


def joined_nibbles(halves):
    """Two numbers below 16 in one byte, the first in the low half."""
    if halves and max(halves) > 15:
        raise Damaged("Half a byte holds more than 15.")
    if np is not None:
        both = np.frombuffer(halves, np.uint8)
        return (both[0::2] | both[1::2] << np.uint8(4)).tobytes()
    return bytes(low | high << 4 for low, high in zip(halves[0::2], halves[1::2]))


def woven(planes):
    """The first bytes of all numbers, then the second bytes, ...: back to one number after the other."""
    made = bytearray(len(planes) * len(planes[0]))
    for at, plane in enumerate(planes):
        made[at::len(planes)] = plane
    return bytes(made)


def spread(mask, held, width, count):
    """Numbers where the mask holds 1, zeros where it holds 0."""
    if mask.count(1) != count or mask.count(0) + count != len(mask):
        raise Damaged("The mask does not fit the numbers it is for.")
    if np is not None:
        made = np.zeros((len(mask), width), np.uint8)
        made[np.frombuffer(mask, np.uint8) == 1] = np.frombuffer(held, np.uint8).reshape(count, width)
        return made.tobytes()
    parts, at, zero = [], 0, bytes(width)
    for bit in mask:
        parts.append(held[at:at + width] if bit else zero)
        at += width * bit
    return b"".join(parts)


def inflate(data, length):
    """DEFLATE undone, if it gives just so many bytes."""
    try:
        work = zlib.decompressobj()
        made = work.decompress(data, length + 1)
    except zlib.error as error:
        raise Damaged(f"A part cannot be inflated: {error}.") from None
    if len(made) != length or not work.eof or work.unused_data:
        raise Damaged("A part does not inflate to what the file says.")
    return made


class Reader:
    """Bytes from front to back; never beyond the end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, length):
        if length > self.left:
            raise Damaged("The file ends too early.")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, most):
        """A whole number of seven bits a byte, at most ten bytes, no larger than `most`."""
        value = 0
        for place in range(10):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * place
            if byte < 128:
                if value > most:
                    raise Damaged("A number is larger than it can be.")
                return value
        raise Damaged("A number does not end.")


def main(words):
    if len(words) not in (2, 3):
        print(__doc__)
        return 2
    try:
        with open(words[0], "rb") as file:
            model = decode(file.read(), int(words[2]) if len(words) == 3 else MOST)
    except (Damaged, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    with open(words[1], "wb") as file:
        file.write(model)
    print(f"{words[1]}: {len(model):,} bytes, SHA-256 {hashlib.sha256(model).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
