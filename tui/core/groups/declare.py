"""How a setting is declared."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(
    title: str,
    help: str,
    *,
    unit: str = "",
    also: str = "",
    when: tuple[str, ...] | None = None,
    unless: tuple[str, ...] | None = None,
    **limits: Any,
) -> Any:
    """Declare a setting.

    ``also`` are words by which people look for it, of those that are not in title, key and help.
    ``when`` and ``unless`` are (key, value, ...): it has an effect only if key has one of the values, or none of them.
    """
    extra: dict[str, Any] = {"unit": unit, "also": also}
    extra |= {"when": list(when or unless or ()) or None, "unless": unless is not None}
    return Field(title=title, description=help, json_schema_extra=extra, **limits)


class Group(BaseModel):
    """Settings that belong together: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)
