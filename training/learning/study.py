"""The trials of a search, kept in an SQLite file: which comes next, which were cut off, which failed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from training.learning.space import Range, Space, Value

NAME = "groundglass"
ATTEMPTS = 3
"""How often a trial is begun before it counts as failed; an orderly stop does not count."""

PRUNER = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
"""After four whole trials, a trial ends whose best figure from its third epoch on is below the median of theirs."""

MARK = "study.json"
"""In the folder of the runs: whose they are."""


@contextlib.contextmanager
def open_study(file: Path, *, create: bool, pruner: optuna.pruners.BasePruner = PRUNER) -> Iterator[optuna.Study]:
    """Open the study in a file.

    create : make it where it is not there.

    Raises
    ------
    FileNotFoundError : it is not there.
    ValueError : the file is of another kind.
    """
    if not create:
        _find_study(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(file.absolute())).render_as_string()
    try:
        storage = RDBStorage(url)
    except (DatabaseError, RuntimeError) as exc:
        raise ValueError(f"{file} holds no study of a search, or one of another version of Optuna") from exc
    try:
        yield optuna.create_study(
            storage=storage, study_name=NAME, direction="maximize", load_if_exists=True, pruner=pruner
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextlib.contextmanager
def alone_with(file: Path) -> Iterator[None]:
    """Keep other searches off a study: what it holds as running is then known to be cut off.

    Raises
    ------
    ValueError : another search works on it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ValueError(f"another search works on {file}: wait for it, or name another study") from exc
        yield


def _find_study(file: Path) -> None:
    """Raise where a file holds no study; Optuna would make one of whatever it opens."""
    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist: name the study of a search")
    query = "SELECT 1 FROM studies WHERE study_name = ?"
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
            found = base.execute(query, (NAME,)).fetchone()
    except sqlite3.DatabaseError:
        found = None
    if found is None:
        raise ValueError(f"{file} holds no study of a search")


def pin(study: optuna.Study, facts: Mapping[str, Any]) -> None:
    """Keep what a study is about.

    facts : by what it is called, of JSON.

    Raises
    ------
    ValueError : it was begun with others.
    """
    for name, fact in facts.items():
        known = study.user_attrs.get(name)
        if known is None:
            study.set_user_attr(name, fact)
        elif known != json.loads(json.dumps(fact)):
            raise ValueError(f"the study was begun with another {name}: go on with that one, or name another study")


def settle(study: optuna.Study, workdir: Path) -> None:
    """Bind a study to the folder of its runs, which may be moved: runs of others would pass for its own there.

    Raises
    ------
    ValueError : the folder holds runs of another study, or nobody knows of which; the study's lie elsewhere.
    """
    known, found = study.user_attrs.get("id"), _study_of(workdir)
    if known is None or found != known:
        if study.get_trials(deepcopy=False):
            lie = study.user_attrs.get("workdir", "another folder")
            raise ValueError(f"the study's runs lie in {lie}, not in {workdir}: name that one, or begin another study")
        _begin_in(workdir, study, known or uuid.uuid4().hex)
    study.set_user_attr("workdir", str(workdir.resolve()))


def _study_of(workdir: Path) -> str | None:
    """Return the id of the study whose runs lie in a folder, None for nothing that can be read."""
    try:
        return str(json.loads((workdir / MARK).read_text(encoding="utf-8"))["id"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None


def _begin_in(workdir: Path, study: optuna.Study, name: str) -> None:
    if next(workdir.glob("trial-*"), None) is not None:
        raise ValueError(f"{workdir} holds trials of another study: go on with that one, or name another folder")
    study.set_user_attr("id", name)
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        # Of two studies that begin here at once, one alone makes it.
        with (workdir / MARK).open("x", encoding="utf-8") as file:
            file.write(json.dumps({"id": name}) + "\n")
    except FileExistsError as exc:
        raise ValueError(f"{workdir} is the folder of another study: go on with that one, or name another") from exc


def next_trial(study: optuna.Study, trials: int, *, seed: int) -> Trial | None:
    """Return the trial that was cut off, else a new one, None where there are `trials` already.

    What is drawn depends on the seed, the number of the trial and the trials before it, not on stops in between.
    """
    for frozen in study.get_trials(states=(TrialState.RUNNING,)):
        if _attempts(frozen) < ATTEMPTS:
            study.sampler = _sampler(seed, frozen.number)
            # Optuna itself would draw another trial; this one has its parameters and its folder already.
            return _begin(Trial(study, frozen._trial_id), _attempts(frozen) + 1)
        fail(study, frozen.number, f"cut off {ATTEMPTS} times")
    number = len(study.get_trials(deepcopy=False))
    if number >= trials:
        return None
    study.sampler = _sampler(seed, number)
    return _begin(study.ask(), 1)


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))


def _attempts(frozen: FrozenTrial) -> int:
    return int(frozen.user_attrs.get("attempts", 0))


def _begin(trial: Trial, attempt: int) -> Trial:
    trial.set_user_attr("attempts", attempt)
    return trial


def put_back(trial: Trial) -> None:
    """Let a trial that was stopped in order go on some other time; the attempt does not count."""
    trial.set_user_attr("attempts", trial.user_attrs["attempts"] - 1)


def suggest(trial: Trial, space: Space) -> dict[str, Value]:
    """Draw a value for each key, or take what was drawn for this trial before."""
    return {key: _suggest(trial, key, entry) for key, entry in space.items()}


def _suggest(trial: Trial, key: str, entry: Any) -> Value:
    if not isinstance(entry, Range):
        choice: Value = trial.suggest_categorical(key, entry.values)
        return choice
    if entry.whole:
        return trial.suggest_int(key, int(entry.low), int(entry.high), log=entry.log)
    return trial.suggest_float(key, entry.low, entry.high, log=entry.log)


def report(trial: Trial, step: int, value: float) -> None:
    """Tell the figure after an epoch, from 0; an epoch that was run twice counts the first time.

    Raises
    ------
    optuna.TrialPruned : the trial is not worth going on with.
    """
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    if step not in known:
        trial.report(value, step)
    if trial.should_prune():
        raise optuna.TrialPruned


def complete(study: optuna.Study, trial: Trial, value: float) -> None:
    """Keep what a trial came to."""
    if math.isfinite(value):
        study.tell(trial, value)
    else:
        fail(study, trial.number, f"its validation Dice is {value}")


def fail(study: optuna.Study, number: int, reason: str) -> None:
    """Keep that a trial failed, and why."""
    frozen = study.get_trials(deepcopy=False)[number]
    Trial(study, frozen._trial_id).set_user_attr("reason", reason)
    study.tell(number, state=TrialState.FAIL)
