"""IAM's SimulatePrincipalPolicy, which moto has not and SageMaker's SDK asks before it makes a trainer: all allowed."""

from __future__ import annotations

from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


def simulated(request: Request) -> Response | None:
    """The answer to a simulation; None for every other request."""
    if request.mimetype != "application/x-www-form-urlencoded" or b"Action=SimulatePrincipalPolicy" not in (
        request.get_data(parse_form_data=False)
    ):
        return None
    from urllib.parse import parse_qs

    form = parse_qs(request.get_data(parse_form_data=False).decode())
    names = [values[0] for key, values in form.items() if key.startswith("ActionNames.")]
    members = "".join(
        f"<member><EvalActionName>{escape(name)}</EvalActionName><EvalDecision>allowed</EvalDecision></member>"
        for name in names
    )
    inside = f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>"
    return Response(
        f'<SimulatePrincipalPolicyResponse xmlns="{_NAMESPACE}"><SimulatePrincipalPolicyResult>{inside}'
        "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>",
        content_type="text/xml",
    )
