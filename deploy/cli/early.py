"""Checks that a command makes on paths and names, before it imports anything that takes seconds."""

from __future__ import annotations

import itertools
from pathlib import Path

from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.options.checks import check_input_file, same_file
from deploy.options.config import image_size, model_arguments
from deploy.output import check_replaceable, require_conversion
from deploy.sources.named import check_belongings, check_file_of_data, check_given, check_model, check_weights

HDF5 = b"\x89HDF\r\n\x1a\n"
DATA = (".npz", ".npy", ".csv", ".tsv", ".jsonl", ".wav")


def check_conversion(options: ConvertOptions) -> None:
    """Raise DeployError if a conversion's files do not exist or are unsuitable, or its folder may not be replaced."""
    options.check_paths()
    check_named(options)
    check_replaceable(options.folder().expanduser().absolute(), options.force)


def check_named(options: ConvertOptions) -> None:
    """Raise DeployError if names and paths show that a model, its arguments, weights or data cannot be used."""
    check_model(options.model)
    arguments, image = model_arguments(options.model_args), image_size(options.image_size)
    check_belongings(options.model, options.weights, arguments, image, options.tokens)
    check_weights(options.weights)
    check_given(options.model, "--calib", options.calib)
    for data in (options.calib, options.evaluation):
        check_file_of_data(data, options.model)


def check_output(output: Path | None, *read: Path | None) -> None:
    """Raise DeployError if ``output`` would replace a file that the run reads, or has an ending other than .npz."""
    if output is None:
        return
    if any(path is not None and path.exists() and same_file(output, path) for path in read):
        raise DeployError(f"--output {output}: is what the run reads, which is never replaced; choose another file")
    if output.suffix not in (".npz", ""):
        raise DeployError(f"--output {output}: outputs are written as .npz; give a file that ends so")


def check_nir(file: Path) -> None:
    """Raise DeployError unless a file has the signature of HDF5, the format of NIR files, at 0, 512, 1024, 2048, ..."""
    size = file.stat().st_size
    starts = [0, *itertools.takewhile(lambda start: start < size, (512 << n for n in itertools.count()))]
    with file.open("rb") as opened:
        for start in starts:
            opened.seek(start)
            if opened.read(len(HDF5)) == HDF5:
                return
    raise DeployError(f"{file}: not readable as a NIR graph (it is no HDF5 file); write it again with nir.write")


def check_network(network: Path, data: Path | None, output: Path | None) -> None:
    """Raise DeployError if ``network`` is no network, ``data`` does not exist, or the folder of ``output`` does not."""
    if network.suffix in DATA:
        raise DeployError(
            f"{network}: is data, no network; give a .nir file or a conversion's folder, and data by --input"
        )
    if not network.is_file():
        require_conversion(network)
    check_input_file("--input", data)
    if output is not None and not output.expanduser().absolute().parent.is_dir():
        raise DeployError(f"--output {output}: its folder does not exist; make it, or choose another file")
    if network.is_file():
        check_nir(network)
