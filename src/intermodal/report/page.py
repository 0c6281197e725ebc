"""The pages: one self-contained HTML document each, which loads nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intermodal.report.charts.dag import state_icon, state_word
from intermodal.report.codec import from_json
from intermodal.report.model import RunReport
from intermodal.report.scores import Evaluation
from intermodal.report.views.candidates import with_candidate_names
from intermodal.report.views.data import data_section
from intermodal.report.views.evaluation import evaluation_section
from intermodal.report.views.hero import hero_of
from intermodal.report.views.lineage import again_section, lineage_section, registration_section
from intermodal.report.views.parts import Page, Section
from intermodal.report.views.pipeline import pipeline_section
from intermodal.report.views.training import training_section
from intermodal.report.views.validation import validation_section

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def build_report(run: RunReport) -> str:
    """The page of a run.

    Args:
        run: The run; whatever it lacks is left out.

    Returns:
        A whole HTML document. Texts of reviews and logs are escaped, and a content security policy lets no
        script run but the page's own.
    """
    run = with_candidate_names(run)
    found = run.sections
    sections = (
        pipeline_section(run),
        evaluation_section(found.evaluations),
        registration_section(found.registration),
        training_section(found.curves),
        data_section(found.profile),
        validation_section(found.validation, found.quarantines),
        lineage_section(run),
        again_section(run),
    )
    title = f"{run.pipeline or 'Run'} · {run.run_id}"
    footer = f"Made by intermodal {run.version}".strip() + ". This page is one file and loads nothing."
    return render(Page(title, _present(sections), hero_of(run), title, footer))


def build_profile_page(profile: Mapping[str, Any], title: str = "Reviews at a glance") -> str:
    """The page of `explore`.

    Args:
        profile: What `profile_reviews` returned.
        title: Its heading.

    Returns:
        A whole HTML document.
    """
    return render(Page(title, _present((data_section(profile),)), crumb="explore"))


def build_evaluation_page(evaluations: Sequence[Mapping[str, Any]], title: str = "Evaluation") -> str:
    """The page of `evaluate`.

    Args:
        evaluations: The content of one `evaluation.json` a candidate; a key `worst_errors` may hold rows of
            {text, label, predicted, confidence}.
        title: Its heading.

    Returns:
        A whole HTML document.
    """
    read = tuple(from_json(Evaluation, item) for item in evaluations)
    return render(Page(title, _present((evaluation_section(read),)), crumb="evaluate"))


def render(page: Page) -> str:
    """A page as an HTML document.

    Args:
        page: The page.

    Returns:
        HTML; the same page gives the same bytes.
    """
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    from markupsafe import Markup

    parts = {name: getattr(page, name) for name in ("title", "sections", "hero", "crumb", "footer")}
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704
    template = _environment().get_template("page.html.j2")
    html = template.render(**parts, style=style, script=Markup(script), script_hash=f"sha256-{digest}")  # noqa: S704
    return html.strip() + "\n"


def _present(sections: Sequence[Section | None]) -> tuple[Section, ...]:
    return tuple(section for section in sections if section is not None)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["state_icon"] = lambda state, size=12: Markup(state_icon(state, size))  # noqa: S704
    environment.globals["state_word"] = state_word
    return environment
