"""Messages of protocol buffers, of which the fields are looked through where they lie in a file."""

import mmap
from collections.abc import Iterator

from htmp_bayes.spectra.readers.limits import LONGEST_NAME

VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5

MOST_NUMBERS = 2_000_000
"""Tags, lengths and sides that are parsed: a graph of 50,000 nodes has as many, and they take 2 s."""

_LONGEST_TEXT = 4 * LONGEST_NAME  # in UTF-8


class Count:
    """Numbers that may still be parsed."""

    def __init__(self, left: int) -> None:
        self.left = left

    def one_more(self) -> None:
        """Count one more; ValueError if that is too many."""
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it has more than {MOST_NUMBERS} fields and numbers, not counting values")


class Message:
    """The fields of a protocol-buffer message, which lies in a range of a file.

    Encoding: https://protobuf.dev/programming-guides/encoding/.
    """

    def __init__(self, whole: mmap.mmap, start: int, stop: int, count: "Count") -> None:
        self.whole, self.start, self.stop, self.count = whole, start, stop, count

    def inner(self, value: tuple[int, int]) -> "Message":
        """Message that a field of this one holds."""
        return Message(self.whole, *value, self.count)

    def text(self, value: tuple[int, int]) -> str:
        """Text that a field holds; ValueError if it is longer than any name."""
        start, stop = value
        if stop - start > _LONGEST_TEXT:
            raise ValueError(f"a text at {start} is {stop - start} bytes long")
        return self.whole[start:stop].decode()

    def __iter__(self) -> Iterator[tuple[int, int, tuple[int, int]]]:
        """Yield number and wire type of each field, with the range of its bytes or (for a number) its value twice."""
        position = self.start
        while position < self.stop:
            tag, position = self._varint(position)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                value, position = self._varint(position)
                yield number, wire, (value, value)
                continue
            if wire == BYTES:
                length, position = self._varint(position)
            elif wire in (_FIXED32, _FIXED64):
                length = 4 if wire == _FIXED32 else 8
            else:
                raise ValueError(f"its bytes at {position} are no field of a message")
            if position + length > self.stop:
                raise ValueError(f"its field at {position} reaches beyond the message")
            yield number, wire, (position, position + length)
            position += length

    def varints(self, value: tuple[int, int]) -> Iterator[int]:
        """Yield the whole numbers that a field holds one after another."""
        position, stop = value
        while position < stop:
            number, position = self._varint(position)
            yield number

    def _varint(self, position: int) -> tuple[int, int]:
        self.count.one_more()
        result = 0
        for shift in range(0, 70, 7):
            if position >= self.stop:
                raise ValueError("it ends within a number")
            byte = self.whole[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, position
        raise ValueError(f"its number at {position} has no end")
