"""An image without a container engine: a folder that holds its files, a clean virtual environment for its Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from deploy.dockerfile import Image, Step
from deploy.ignored import Ignored, files_of

BUILD_S = 600.0
"""How long a RUN may take: that of pip loads 300 MB where its cache is empty."""

_SYSTEM = "/usr/local/bin:/usr/bin:/bin"
# So that images are small, and the replay quick.
_NOT_REPLAYED = ("PIP_NO_CACHE_DIR", "HOME")
_ABSOLUTE = re.compile(r"(?<![\w./-])/(?=\w)")


class Box:
    """What a Dockerfile made, in a folder.

    Paths of the image are those of the same name below `root`. What the image has of Python is the environment in
    `python`, outside of it.
    """

    def __init__(self, folder: Path, image: Image) -> None:
        self.image, self.root, self.python = image, folder / "image", folder / "python"

    def path(self, inside: str | PurePosixPath) -> Path:
        """Return where a path of the image is; one that is not absolute begins in its folder."""
        return self.root / str(PurePosixPath(self.image.folder) / inside).lstrip("/")

    def environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return what a container's process finds in its environment, and settings that go before."""
        said = {**self.image.environment, **settings}
        placed = {name: str(self.path(value)) if value.startswith("/") else value for name, value in said.items()}
        ours = {"PATH": f"{self.python / 'bin'}:{_SYSTEM}", "LANG": "C.UTF-8", "TMPDIR": str(self.root / "tmp")}
        return {**ours, **placed}

    def build(self, context: Path) -> None:
        """Do what the Dockerfile says, with the files of a folder.

        Raises
        ------
        ValueError : a COPY finds nothing, or a RUN fails.
        """
        venv.create(self.python, with_pip=True)
        self.take_steps(context)

    def take_steps(self, context: Path) -> None:
        """Do what the Dockerfile says, with whatever Python there is; raises as `build`."""
        (self.root / "tmp").mkdir(parents=True)
        ignored = Ignored((context / ".dockerignore").read_text(encoding="utf-8"))
        folder = "/"
        for step, environment in self.image.steps:
            if step.name == "WORKDIR":
                folder = step.rest
                self.path(folder).mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY":
                self._copy(step, context, ignored, self.path(folder))
            else:
                self._run(step, environment, self.path(folder))

    def _copy(self, step: Step, context: Path, ignored: Ignored, folder: Path) -> None:
        *sources, target = step.words
        if not target.endswith("/"):
            raise ValueError(f"Line {step.line}: write the folder that COPY fills with a slash at its end: {target!r}")
        for source in sources:
            files = list(files_of(context, source, ignored))
            if not files:
                raise ValueError(f"Line {step.line}: {source!r} is not there, or .dockerignore leaves it out")
            for file, place in files:
                copy = folder / target / place
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
                copy.chmod(int(step.flags["chmod"], base=8))

    def _run(self, step: Step, environment: Mapping[str, str], folder: Path) -> None:
        command = _ABSOLUTE.sub(f"{self.root}/", step.rest)
        if os.geteuid() != 0:
            # Only root gives files to others.
            command = command.replace(self.image.user, f"{os.geteuid()}:{os.getegid()}")
        said = {name: value for name, value in environment.items() if name not in _NOT_REPLAYED}
        path = f"{self.python / 'bin'}:{_SYSTEM}"
        # Whoever replays says where packages come from, and keeps a cache of them.
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env={**os.environ, **said, "PATH": path},
            capture_output=True,
            text=True,
            timeout=BUILD_S,
        )
        if ran.returncode != 0:
            raise ValueError(f"Line {step.line}: RUN {step.rest!r} fails:\n{ran.stdout[-2000:]}{ran.stderr[-4000:]}")

    def knows(self, module: str) -> bool:
        """Whether the environment can import a module."""
        asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        return subprocess.run([self.python / "bin" / "python", "-c", asked], timeout=60).returncode == 0

    def written(self) -> set[str]:
        """Return the files outside of the image's volumes and /tmp.

        Without compiled modules, which Python leaves unwritten where it may not write.
        """
        free = [self.path(volume) for volume in (*self.image.volumes, "/tmp")]
        files = (file for file in self.root.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
        return {str(file.relative_to(self.root)) for file in files if not any(map(file.is_relative_to, free))}

    def differs_in_python(self) -> str:
        """Return how the Python of the replay differs from the image's, to be told; nothing where it does not."""
        ours = f"{sys.version_info.major}.{sys.version_info.minor}"
        is_same = self.image.base.startswith(f"python:{ours}-")
        return "" if is_same else f"; by Python {ours}, not that of {self.image.base}"
