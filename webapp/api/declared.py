"""The errors an endpoint may answer, so that the schema says so: refusals(404, 422) joins those every endpoint has."""

from typing import Any

from webapp.api.problems import Problem

ALWAYS = (401, 403, 422, 429, 500)


def refusals(*more: int) -> dict[Any, Any]:
    return dict.fromkeys(sorted({*ALWAYS, *more}), Problem)
