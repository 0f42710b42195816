"""What the journal asks of its files beyond plain writing: room ahead, whole records, and that a disk really has them."""

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

_KEEP_SIZE: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


def allocate(file: int, offset: int, size: int) -> None:
    """fallocate(2) beyond the file's end, which stays where it is: readers see nothing of it. Raises OSError where there is no
    room; a file system that cannot allocate ahead assures nothing."""
    arguments = (ctypes.c_int(file), ctypes.c_int(_KEEP_SIZE), ctypes.c_int64(offset), ctypes.c_int64(size))
    if _libc.fallocate64(*arguments) != 0 and (number := ctypes.get_errno()) not in (errno.EOPNOTSUPP, errno.ENOSYS):
        raise OSError(number, os.strerror(number))


def write_whole(file: int, size: int, data: bytes) -> None:
    """Whole or not at all; size: of the file by now. Raises OSError."""
    written = os.write(file, data)
    if written != len(data):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, f"the journal took {written} of {len(data)} bytes: the disk is full")


def finish(file: int) -> None:
    """Gives back what was allocated beyond the end, syncs and closes; closed it is in any case."""
    try:
        os.ftruncate(file, os.fstat(file).st_size)
        os.fdatasync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """The files that stand in it now stand there after a power failure, too. Raises OSError."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
