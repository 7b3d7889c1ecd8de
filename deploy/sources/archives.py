"""Arrays of an .npz file, none of which can run code or ask for more memory than the machine has."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path

import numpy as np

from deploy.errors import DeployError


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name.

    Raises:
        DeployError: the file is no .npz or is damaged, a member is no array of numbers or text, or its arrays would
            take more than half of this machine's memory.
    """
    damaged = f"{path}: not an .npz file that numpy.savez wrote, or damaged"
    if not path.is_file() or not zipfile.is_zipfile(path):  # numpy would take such a file for a pickle
        raise DeployError(damaged)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except DeployError:
        raise
    except Exception as error:  # the readers raise many types of exception on a damaged file
        raise DeployError(damaged) from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Read headers only; raise DeployError unless all members are plain arrays of the stated size and fit memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total = sum(member.file_size for member in archive.infolist())
    if total > memory // 2:
        raise DeployError(
            f"{path}: its arrays take {total / 1e9:,.1f} GB, more than half of this machine's memory; give fewer samples"
        )
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        with archive.open(member) as file:
            if not member.filename.endswith(".npy"):
                raise DeployError(
                    f"{path}: member `{member.filename}` is no array; store plain numbers with numpy.savez"
                )
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            if dtype.hasobject:
                raise DeployError(
                    f"{path}: `{name}` holds pickled Python objects, which are not read; store plain numbers with numpy.savez"
                )
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise DeployError(
                    f"{path}: `{name}` is said to be {shape} {dtype}, more than the file holds; it is damaged"
                )
