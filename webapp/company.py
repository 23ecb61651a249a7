"""The worker processes of one server: made here before they are forked, so that they know of each other."""

from __future__ import annotations

from model.company import Company

WORKERS = Company()
