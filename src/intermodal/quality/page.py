"""The outcome of a validation as one small HTML page, for places that show an artifact by itself."""

from __future__ import annotations

from typing import Any


def to_page(document: dict[str, Any]) -> str:
    """Draw a validation.

    Args:
        document: What `document.to_document` made.

    Returns:
        A self-contained page of HTML: no script, nothing loaded from elsewhere.
    """
    import jinja2

    loader = jinja2.PackageLoader("intermodal.quality", "")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["figure"] = figure
    return environment.get_template("page.html.j2").render(document)


def figure(value: Any) -> str:
    """A number as the page shows it: grouped, six digits at most; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.6g}"
    return f"{int(value):,}" if isinstance(value, (int, float)) else str(value)
