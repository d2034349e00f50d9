"""/models and /datasets: upload in one request, list, look at, delete."""

from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import ProtectedError
from django.http import HttpRequest
from ninja import Body, Query, Router, Status

from jobs.models import Asset
from optimizers.data.options import DatasetOptions
from webapp.api.auth import READ, RUN
from webapp.api.declared import refusals
from webapp.api.once import once
from webapp.api.pages import MOST, page
from webapp.api.problems import Fault, missing
from webapp.api.schemas import DatasetOut, ModelOut, Page
from webapp.api.shown import asset_out
from webapp.api.uploads import options_of
from webapp.library import intake, uploads
from webapp.library.again import inspect_again
from webapp.teams import gate

router = Router(tags=["library"])
State = Literal["inspecting", "ready", "rejected"]
FORM = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file"], "properties": {
        "file": {"type": "string", "format": "binary"},
        "name": {"type": "string", "maxLength": 120, "description": "Shown in the library; the file's name without one."},
        "architecture": {"type": "string", "description": "Of safetensors weights: a name of the zoo."},
        "target": {"type": "string", "description": "Of a table: the column to predict."},
        "task": {"type": "string", "description": "classification, regression or unlabelled; found without one."},
        "options": {"type": "string", "description": "JSON: any of the options that POST /datasets/{id}/inspect takes."}}}}}}}
"""Not declared as parameters: ninja would have Django spool the file before the endpoint can refuse it."""


@router.post("/models", response={201: ModelOut} | refusals(409, 413, 415, 507), auth=RUN, openapi_extra=FORM)
@once
def upload_model(request: HttpRequest) -> Any:
    """A model file, streamed into the store while it arrives: .onnx, .pt2 or .safetensors; trees as .json or .ubj (XGBoost), .txt
    or .lgb (LightGBM), .skops (scikit-learn). Answers at once; inspection follows.
    """
    return Status(201, take("model", request))


@router.post("/datasets", response={201: DatasetOut} | refusals(409, 413, 415, 507), auth=RUN, openapi_extra=FORM)
@once
def upload_dataset(request: HttpRequest) -> Any:
    """A dataset file, streamed into the store while it arrives: .zip, .npz, or a table (.csv, .parquet, .arff, .svm). Answers at once;
    inspection follows."""
    return Status(201, take("dataset", request))


@router.get("/models", response={200: Page[ModelOut]} | refusals(), auth=READ)
def models(request: HttpRequest, cursor: str | None = None, limit: int = Query(50, ge=1, le=MOST), state: State | None = None) -> Any:
    return listing(request, "model", cursor, limit, state)


@router.get("/datasets", response={200: Page[DatasetOut]} | refusals(), auth=READ)
def datasets(request: HttpRequest, cursor: str | None = None, limit: int = Query(50, ge=1, le=MOST), state: State | None = None) -> Any:
    return listing(request, "dataset", cursor, limit, state)


@router.get("/models/{uuid:id}", response={200: ModelOut} | refusals(404), auth=READ)
def model(request: HttpRequest, id: UUID) -> Any:
    return asset_out(find(request, "model", id))


@router.get("/datasets/{uuid:id}", response={200: DatasetOut} | refusals(404), auth=READ)
def dataset(request: HttpRequest, id: UUID) -> Any:
    return asset_out(find(request, "dataset", id))


@router.post("/datasets/{uuid:id}/inspect", response={201: DatasetOut} | refusals(404, 409), auth=RUN)
@once
def inspect_dataset(request: HttpRequest, id: UUID, options: DatasetOptions = Body(DatasetOptions())) -> Any:
    """Inspect the same bytes with other options: target, types of columns, columns to drop, the split. What is not said stays as it was,
    null or the default takes it back; an empty object takes back everything. Answers with a new dataset, which takes the old one's place
    unless a job uses that."""
    changes = {name: getattr(options, name) for name in options.model_fields_set}
    return Status(201, asset_out(inspect_again(find(request, "dataset", id), changes, request.user)))


@router.delete("/models/{uuid:id}", response={204: None} | refusals(404, 409), auth=RUN)
def delete_model(request: HttpRequest, id: UUID) -> Any:
    """Delete a model that no job uses."""
    return delete(request, "model", id)


@router.delete("/datasets/{uuid:id}", response={204: None} | refusals(404, 409), auth=RUN)
def delete_dataset(request: HttpRequest, id: UUID) -> Any:
    """Delete a dataset that no job uses."""
    return delete(request, "dataset", id)


def take(kind: str, request: HttpRequest) -> ModelOut | DatasetOut:
    if request.content_type != "multipart/form-data":
        raise Fault(415, "A file is sent as multipart/form-data.", where="Content-Type", hint="Large files go through /uploads.")
    file = intake.receive(request, request.team, kind)
    options = options_of(request.POST.get("options", ""), "options")
    options |= {key: request.POST[key] for key in ("architecture", "target", "task") if request.POST.get(key)}
    return asset_out(uploads.whole(request.team, request.user, kind=kind, filename=file.name, name=request.POST.get("name", ""),
                                   blob=file.blob, options=options))


def listing(request: HttpRequest, kind: str, cursor: str | None, limit: int, state: str | None) -> dict[str, Any]:
    rows = gate.assets(request.team, kind).select_related("blob")
    found, after = page(rows.filter(state=state) if state else rows, cursor, limit)
    return {"items": [asset_out(row) for row in found], "next": after}


def find(request: HttpRequest, kind: str, id: UUID) -> Asset:
    row = gate.assets(request.team, kind).select_related("blob").filter(pk=id).first()
    if row is None:
        raise missing(kind, "id")
    return row


def delete(request: HttpRequest, kind: str, id: UUID) -> Any:
    row = find(request, kind, id)
    try:
        with transaction.atomic():
            row.delete()
    except ProtectedError:
        raise Fault(409, f"A job uses '{row.name}', and its result must be able to say what it was made from.", where="id",
                    hint="It stays as long as the job does.", code="in-use") from None
    return Status(204, None)
