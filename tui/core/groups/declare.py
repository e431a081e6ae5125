"""How a setting is declared."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(title: str, help: str, *, unit: str = "", when: tuple[str, ...] | None = None, **limits: Any) -> Any:
    """Declare a setting. ``when`` is (key, value, ...): it has an effect only if key has one of the values."""
    extra: dict[str, Any] = {"unit": unit, "when": list(when) if when else None}
    return Field(title=title, description=help, json_schema_extra=extra, **limits)


class Group(BaseModel):
    """Settings that belong together: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)
