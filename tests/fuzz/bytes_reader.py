"""Reading a fuzzer's bytes as small numbers and pieces, so that a crash is replayed without the fuzzer."""

from __future__ import annotations


class BytesReader:
    """Hands out what the bytes say; zeros after their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """True while something is left."""
        return self._at < len(self._data)

    def number(self, size: int = 1) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.piece(size).ljust(size, b"\0"), "big")

    def piece(self, size: int) -> bytes:
        """Up to `size` bytes."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken
