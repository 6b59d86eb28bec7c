"""A decision in a sentence, from its record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def explain(decision: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> str:
    """Why it was made, whether it was applied, and what became of it."""
    if decision.get("kind") == "outcome":
        return f"{decision['decision']} was {_ended(decision)}: {decision['why']}."
    chosen = next((p for p in decision["proposals"] if p["rule"] == decision.get("chosen")), None)
    if chosen is None:
        return f"Nothing was changed: {decision['why']}."
    step = f"{chosen['rule']} from {chosen['old']:g} to {chosen['new']:g}"
    if decision.get("applied") is None:
        return f"It would have changed {step}: {decision['why']}."
    said = f"It changed {step} because {decision['why']}"
    if outcome is None:
        return f"{said}; the change is being watched."
    return f"{said}; it was {_ended(outcome)}: {outcome['why']}."


def _ended(outcome: Mapping[str, Any]) -> str:
    return {"confirmed": "confirmed", "rolled_back": "taken back"}.get(outcome["outcome"], "overtaken")
