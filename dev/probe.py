"""Ask the HTTP services of this machine whether they answer, and whether the answer is right."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass

from dev.places import LOOPBACK

_TIMEOUT_S = 5.0
_SCRIPT = re.compile(r'<script[^>]+src="\.?/?([^"]+\.js)"')
_API = ("state?kind=block", "alarms", "devices", "status")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; status 0 means that it did not."""

    status: int
    kind: str = ""
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is a 200."""
        return self.status == 200


def get(port: int, path: str, *, token: str = "") -> Answer:
    """Send a GET to a port of this machine; no answer within 5 s counts as none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        return Answer(response.status, response.headers.get_content_type(), text)
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()


def script_of(page: str) -> str | None:
    """Return the path of the page's script, None when it has none (the page was not built).

    Example:
        >>> script_of('<script type="module" crossorigin src="./assets/index-1f.js"></script>')
        'assets/index-1f.js'
    """
    found = _SCRIPT.search(page)
    return found[1] if found else None


def page_ok(port: int) -> bool:
    """Return whether the built page and its script are served."""
    page = get(port, "/")
    script = script_of(page.text)
    if not page.ok or script is None:
        return False
    answer = get(port, f"/{script}")
    return answer.ok and "javascript" in answer.kind and bool(answer.text)


def api_ok(port: int, token: str) -> bool:
    """Return whether the API answers an operator with JSON, and nobody else."""
    answers = [get(port, f"/api/v1/{path}", token=token) for path in _API]
    known = all(answer.ok and answer.kind.endswith("json") for answer in answers)
    return known and get(port, "/api/v1/alarms").status == 401
