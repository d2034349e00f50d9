"""The reference at /api/v1/docs: the OpenAPI schema as a plain page of ours. Nothing is fetched, nothing runs in the browser."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

Schema = dict[str, Any]
DEPTH = 3       # levels of nested objects that are spelled out; deeper ones keep their name


class Reference(DocsBase):
    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        schema = json.loads(json.dumps(api.get_openapi_schema(path_params=kwargs)))
        return render(request, "api/docs.html", {"info": schema["info"], "groups": groups(schema),
                                                 "schema_url": self.get_openapi_url(api, kwargs)})


def groups(schema: Schema) -> list[tuple[str, list[Schema]]]:
    """Operations by tag, in the order of the schema."""
    found: dict[str, list[Schema]] = {}
    for path, operations in schema["paths"].items():
        for method, said in operations.items():
            found.setdefault((said.get("tags") or ["other"])[0], []).append(operation(method, path, said, schema))
    return list(found.items())


def operation(method: str, path: str, said: Schema, whole: Schema) -> Schema:
    return {"method": method.upper(), "path": path, "id": said["operationId"], "summary": said.get("description") or said["summary"],
            "open": not said.get("security"), "parameters": [parameter(one) for one in said.get("parameters", [])],
            "body": [shape(kind, content, whole) for kind, content in said.get("requestBody", {}).get("content", {}).items()],
            "answers": [{"status": status, "phrase": answer.get("description", ""), "shapes": shapes(int(status), answer, whole)}
                        for status, answer in sorted(said["responses"].items())]}


def shapes(status: int, answer: Schema, whole: Schema) -> list[Schema]:
    """Of a good answer; the errors all have the one shape that is told at the top of the page."""
    return [shape(kind, content, whole) for kind, content in answer.get("content", {}).items()] if status < 400 else []


def parameter(said: Schema) -> Schema:
    schema = said.get("schema", {})
    return {"name": said["name"], "place": said["in"], "required": said.get("required", False), "type": words(schema),
            "help": said.get("description") or schema.get("description", "")}


def shape(media_type: str, content: Schema, whole: Schema) -> Schema:
    return {"media_type": media_type, "text": sketch(content.get("schema", {}), whole, DEPTH)}


def sketch(schema: Schema, whole: Schema, depth: int, indent: str = "") -> str:
    """A schema as people write it down: {"name": text, "limits": {...} or null}.

    >>> sketch({"type": "object", "properties": {"n": {"type": "integer"}}}, {}, 2)
    '{\\n  "n": integer\\n}'
    """
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    if name:
        schema = whole["components"]["schemas"][name]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(sketch(one, whole, depth, indent) for one in choices)
    if schema.get("type") == "array":
        return f"[{sketch(schema.get('items', {}), whole, depth, indent)}, ...]"
    if schema.get("properties"):
        if depth == 0:
            return name or "{...}"
        deeper = indent + "  "
        lines = [f'{deeper}"{key}": {sketch(value, whole, depth - 1, deeper)}' for key, value in schema["properties"].items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return words(schema)


def words(schema: Schema) -> str:
    """One word or a few for a simple type."""
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(words(one) for one in schema["anyOf"])
    kind = {"string": "text", "object": "{...}"}.get(schema.get("type", ""), schema.get("type", "anything"))
    return {"uuid": "UUID", "date-time": "date and time", "binary": "bytes"}.get(schema.get("format", ""), kind)
