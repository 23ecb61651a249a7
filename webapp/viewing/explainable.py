"""Whether what is called in a result can be explained, known before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import Unexplained, WeightsError
from model.explain.seg_grad_cam import NOTHING_CALLED
from webapp.segmenter import current_networks
from webapp.viewing.view import ViewState

_OFFLINE = "Nothing can be explained now: the network could not be loaded. Try again later."


def require_call(*, called: bool, threshold: float) -> None:
    """Raise Unexplained where no lesion is called at a threshold."""
    if not called:
        raise Unexplained(NOTHING_CALLED.format(threshold=threshold))


def require_same_network(details: Mapping[str, Any]) -> None:
    """Refuse to explain by one network what another one called: results may outlive a change of weights.

    details : of a result.

    Raises
    ------
    Unexplained : the server runs another network than the one that made the result.
    WeightsError : as `webapp.segmenter.current_networks`.
    """
    served, caller = current_networks().engine.identity, details["model"]
    if served.sha256 != caller["sha256"]:
        raise Unexplained(
            f"This result is of the network {caller['id']}, and the server now runs {served.model_id}. "
            "Send the scan again to have it explained."
        )


def why_not(details: Mapping[str, Any], state: ViewState, *, called: bool) -> str:
    """Return why a page that is to show an explanation cannot; nothing where it can, or shows something else.

    called : whether there is any lesion at the view's threshold.
    """
    if state.view != "why":
        return ""
    try:
        require_same_network(details)
        require_call(called=called, threshold=state.threshold)
    except Unexplained as exc:
        return str(exc)
    except WeightsError:
        return _OFFLINE
    return ""
