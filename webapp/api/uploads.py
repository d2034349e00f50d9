"""/uploads: tus 1.0.0 core with creation and termination. A browser's session (with Espalier-Team) or a token may upload."""

import base64
import binascii
import json
import re
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Header, Router

from webapp.api.auth import UPLOADER
from webapp.api.declared import refusals
from webapp.api.problems import Fault, missing
from webapp.library import uploads
from webapp.library.models import Upload
from webapp.teams import gate

router = Router(tags=["uploads"])
VERSION = "1.0.0"
CAPABLE = {"Tus-Resumable": VERSION, "Tus-Version": VERSION, "Tus-Extension": "creation,termination",
           "Tus-Max-Size": str(max(uploads.MOST.values())), "Cache-Control": "no-store"}
NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
DONE = {204: None} | refusals(404, 409, 412, 413, 415, 507)


@router.api_operation(["OPTIONS"], "/uploads", response={204: None, 500: DONE[500]}, auth=None)
def tus(request: HttpRequest) -> HttpResponse:
    """What this server speaks: tus 1.0.0, creation and termination."""
    return HttpResponse(status=204, headers=CAPABLE)


@router.post("/uploads", response={201: None} | refusals(409, 412, 413, 415, 507), auth=UPLOADER)
def create_upload(request: HttpRequest, tus_resumable: str = Header("", description="1.0.0"),
                  upload_length: str = Header("", description="Bytes of the whole file."),
                  upload_metadata: str = Header("", description="tus pairs: filename, kind (model or dataset), name, sha256, options "
                                                                "(JSON).")) -> HttpResponse:
    """Begin a resumable upload; Location says where the pieces go."""
    speaks_tus(request)
    if not NUMBER.fullmatch(upload_length):
        raise Fault(422, "Upload-Length is a number of bytes.", where="Upload-Length", hint="Deferred lengths are not taken.")
    said = metadata(upload_metadata)
    if said.get("kind") not in uploads.MOST:
        raise Fault(422, "The upload does not say what it is.", where="Upload-Metadata.kind", hint="Add kind: model or dataset.")
    options = options_of(said.get("options", ""), "Upload-Metadata.options")
    upload = uploads.begin(request.team, request.user, kind=said["kind"], filename=said.get("filename", ""), name=said.get("name", ""),
                           size=int(upload_length), sha256=hash_of(said), options=options)
    return HttpResponse(status=201, headers=CAPABLE | standing(upload) | {"Location": address(upload)})


@router.api_operation(["HEAD"], "/uploads/{uuid:id}", response={200: None} | refusals(404, 412), auth=UPLOADER)
def upload_offset(request: HttpRequest, id: UUID) -> HttpResponse:
    """How much has arrived; with Espalier-Asset once it is all."""
    speaks_tus(request)
    upload = find(request, id)
    return HttpResponse(status=200, headers=CAPABLE | standing(upload) | {"Upload-Length": str(upload.size)})


@router.patch("/uploads/{uuid:id}", response=DONE, auth=UPLOADER, openapi_extra={
    "requestBody": {"required": True, "content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}}})
def append_to_upload(request: HttpRequest, id: UUID,
                     upload_offset: str = Header("", description="Where this piece begins.")) -> HttpResponse:
    """Append a piece (8 MB is a good size). The one that completes the file is answered with Espalier-Asset: the new id."""
    speaks_tus(request)
    upload = find(request, id)
    if request.content_type != "application/offset+octet-stream":
        raise Fault(415, "A piece is sent as application/offset+octet-stream.", where="Content-Type")
    if not NUMBER.fullmatch(upload_offset):
        raise Fault(422, "Upload-Offset is a number of bytes.", where="Upload-Offset")
    length = request.headers.get("Content-Length", "")
    if NUMBER.fullmatch(length) and int(upload_offset) == upload.offset and int(length) > upload.size - upload.offset:
        raise Fault(413, f"The piece ends beyond the {upload.size} bytes that were announced.", where="Content-Length")
    try:
        upload = uploads.add(upload, int(upload_offset), request)
    except uploads.Elsewhere as error:
        raise Fault(409, f"The upload stands at byte {error.offset}.", where="Upload-Offset", hint="Ask by HEAD and go on from there.",
                    code="wrong-offset", headers={"Upload-Offset": str(error.offset), "Tus-Resumable": VERSION}) from None
    return HttpResponse(status=204, headers=CAPABLE | standing(upload))


@router.delete("/uploads/{uuid:id}", response=DONE, auth=UPLOADER)
def delete_upload(request: HttpRequest, id: UUID) -> HttpResponse:
    """Give up an upload."""
    speaks_tus(request)
    uploads.drop(find(request, id))
    return HttpResponse(status=204, headers=CAPABLE)


def find(request: HttpRequest, id: UUID) -> Upload:
    upload = gate.uploads(request.team).select_related("blob").filter(pk=id).first()
    if upload is None:
        raise missing("upload", "id")
    return upload


def address(upload: Upload) -> str:
    return reverse("api-1:upload_offset", args=[upload.pk])


def standing(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset)} | ({"Espalier-Asset": str(upload.asset_id)} if upload.asset_id else {})


def speaks_tus(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Fault(412, f"This server speaks tus {VERSION}.", where="Tus-Resumable", hint=f"Send the header Tus-Resumable: {VERSION}.",
                    headers={"Tus-Version": VERSION})


def metadata(header: str) -> dict[str, str]:
    """tus pairs: "filename bmV0Lm9ubng=,kind bW9kZWw=". Raises 422 for what is not base64 of UTF-8.

    >>> metadata("filename bmV0Lm9ubng=,kind bW9kZWw=")
    {'filename': 'net.onnx', 'kind': 'model'}
    """
    found = {}
    for pair in header.split(",") if header.strip() else []:
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Fault(422, "The value is not base64 of UTF-8 text.", where=f"Upload-Metadata.{key[:40]}") from None
    return found


def hash_of(said: dict[str, str]) -> str:
    value = said.get("sha256", "").lower()
    if value and not re.fullmatch(r"[0-9a-f]{64}", value, re.ASCII):
        raise Fault(422, "A sha256 has 64 hexadecimal digits.", where="Upload-Metadata.sha256")
    return value


def options_of(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Fault(422, "The options are a JSON object.", where=where)
    return found
