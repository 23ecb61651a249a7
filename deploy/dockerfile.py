"""A Dockerfile -> what it does, in order, and what the image then says of itself.

Of the language it reads what ours needs, and refuses the rest: one stage, no variables, no here-documents.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

KNOWN = ("FROM", "ENV", "WORKDIR", "COPY", "RUN", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "CMD")

_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")


@dataclass(frozen=True)
class Step:
    """An instruction.

    rest : what follows its name and flags, on one line.
    """

    line: int
    name: str
    flags: Mapping[str, str]
    rest: str

    @property
    def words(self) -> tuple[str, ...]:
        """The rest as words: of the exec form its strings, else what blanks divide."""
        return tuple(json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest))

    @property
    def pairs(self) -> dict[str, str]:
        """The rest as NAME=VALUE, as ENV has it."""
        divided = [word.partition("=") for word in self.words]
        return {name: value for name, _, value in divided}


@dataclass(frozen=True)
class Image:
    """What a Dockerfile makes.

    steps : what changes files or folders while it is built, with the environment that each sees.
    """

    base: str = ""
    steps: tuple[tuple[Step, Mapping[str, str]], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    volumes: tuple[str, ...] = ()
    user: str = "root"
    ports: tuple[int, ...] = ()
    health: tuple[str, ...] = ()
    health_flags: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


def read_steps(text: str) -> list[Step]:
    """Return the instructions of a Dockerfile.

    >>> read_steps("# no shell\\nFROM a:1 # b\\nCOPY --chmod=644 a \\\\\\n  b/\\n")[1]
    Step(line=3, name='COPY', flags={'chmod': '644'}, rest='a b/')

    Raises
    ------
    ValueError : an instruction is none of KNOWN, has no words, or holds what is not read here.
    """
    return [_read_step(number, text) for number, text in _joined(text)]


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the instructions with the numbers of their first lines, continued lines as one, without comments."""
    begun = 0
    pieces: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begun = begun if pieces else number
        pieces.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield begun, " ".join(pieces)
            pieces = []
    if pieces:
        raise ValueError(f"Line {begun} of the Dockerfile goes on after its end: {pieces[-1]!r}")


def _read_step(line: int, text: str) -> Step:
    name, _, rest = text.partition(" ")
    rest, flags = rest.strip(), {}
    while found := _FLAG.match(rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    if name not in KNOWN or not rest:
        raise ValueError(f"Line {line} of the Dockerfile must be one of {', '.join(KNOWN)} with what follows: {text!r}")
    if name != "RUN" and "$" in rest or "<<" in rest:
        raise ValueError(f"Line {line} of the Dockerfile holds a variable or a here-document, not read here: {text!r}")
    return Step(line, name, flags, rest)


def read_image(text: str) -> Image:
    """Return what a Dockerfile makes.

    Raises
    ------
    ValueError : it cannot be read, or does not begin with its only FROM.
    """
    steps = read_steps(text)
    if [step.name for step in steps].count("FROM") != 1 or steps[0].name != "FROM":
        raise ValueError("The Dockerfile must begin with FROM and have no second one: only one stage is read here")
    image = Image()
    for step in steps:
        image = _after(image, step)
    return image


def _after(image: Image, step: Step) -> Image:
    """Return what an image is after a further instruction."""
    match step.name:
        case "FROM":
            return replace(image, base=step.rest)
        case "ENV":
            return replace(image, environment={**image.environment, **step.pairs})
        case "COPY" | "RUN":
            return replace(image, steps=(*image.steps, (step, image.environment)))
        case "WORKDIR":
            return replace(image, folder=step.rest, steps=(*image.steps, (step, image.environment)))
        case "HEALTHCHECK":
            return replace(image, health=_health(step), health_flags=step.flags)
        case _:
            return _saying(image, step)


def _saying(image: Image, step: Step) -> Image:
    """Return what an image is after an instruction that changes nothing in it."""
    match step.name:
        case "VOLUME":
            return replace(image, volumes=(*image.volumes, *step.words))
        case "USER":
            return replace(image, user=step.rest)
        case "EXPOSE":
            return replace(image, ports=(*image.ports, *map(int, step.words)))
        case _:
            return replace(image, command=step.words)


def _health(step: Step) -> tuple[str, ...]:
    kind, _, command = step.rest.partition(" ")
    if kind != "CMD" or not command.lstrip().startswith("["):
        raise ValueError(f'Line {step.line}: a health check must be CMD ["program", ...], got {step.rest!r}')
    return tuple(json.loads(command))
