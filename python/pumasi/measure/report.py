"""The report: everything that was measured and concluded, as one value that becomes JSON."""

from __future__ import annotations

import json
from typing import Any

from . import verdicts
from .session import Measured
from .verdicts import Advice, Verdict


class Report:
    """What :func:`pumasi.bench` found.

    ``print(report)`` shows it as a table; ``to_dict()`` and ``to_json()`` have all numbers, and
    ``to_html()`` is a page with plots that needs nothing else.
    """

    def __init__(self, measured: Measured) -> None:
        self._content = verdicts.conclude(measured)

    @property
    def verdicts(self) -> list[Verdict]:
        """What binds the work, the most important first."""
        return [Verdict(**verdict) for verdict in self._content["verdicts"]]

    @property
    def advice(self) -> Advice:
        """What to use."""
        return Advice(**self._content["advice"])

    def to_dict(self) -> dict[str, Any]:
        """Return all that was measured; times are seconds, sizes bytes, shares from 0 to 1."""
        copied: dict[str, Any] = json.loads(self.to_json())
        return copied

    def to_json(self) -> str:
        """Return the same as JSON."""
        return json.dumps(self._content, allow_nan=False)

    def to_html(self, language: str = "en") -> str:
        """Return a page for browsers, in English ("en") or Korean ("ko")."""
        return self._rendered("html", language)

    def to_text(self, language: str = "en") -> str:
        """Return the table and the sentences that the command line prints."""
        return self._rendered("text", language)

    def _rendered(self, form: str, language: str) -> str:
        from .. import _core

        return _core.render_bench(self.to_json(), form, language)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        advice = self.advice
        return f"<pumasi bench of {self._content['function']}: use {advice.variant}>"
