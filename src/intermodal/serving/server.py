"""The prediction server: one model directory, three ways to ask it.

`/invocations` and `/ping` are SageMaker's and MLflow's, `/v2/…` is the Open Inference Protocol that KServe
speaks. One request is answered at a time, by as many threads as the machine gives.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from intermodal.errors import IntermodalError
from intermodal.serving.questions import (
    BATCH,
    LINES,
    REAL_TIME,
    Limits,
    answer,
    lines_answer,
    tensor_answer,
    texts_of,
    texts_of_tensors,
)

BATCH_VARIABLE = "SAGEMAKER_BATCH"  # "true" in containers of SageMaker's batch transform
_AT_ONCE = 1024  # texts given to the model together


def make_application(directory: Path, name: str) -> Any:
    """The server's application.

    Args:
        directory: A model's directory, with its `predictor.py`.
        name: The model's name in `/v2/models/NAME`.

    Returns:
        A FastAPI application; the model is loaded.

    Raises:
        ArtifactCorrupt: The directory holds no model that can be loaded.
    """
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response

    from intermodal.text.model_facts import read_model_facts
    from intermodal.text.predictor_loading import load_predictor

    predictor: Any = load_predictor(directory)
    labels = [str(label) for label in getattr(predictor, "labels", None) or read_model_facts(directory)["labels"]]
    alone = threading.Lock()
    limits = BATCH if os.environ.get(BATCH_VARIABLE, "").lower() == "true" else REAL_TIME
    application = FastAPI(title=f"intermodal: {name}", docs_url=None, redoc_url=None, openapi_url=None)

    def probabilities(texts: list[str]) -> Any:
        import numpy

        with alone:
            parts = [predictor.predict_proba(texts[at : at + _AT_ONCE]) for at in range(0, len(texts), _AT_ONCE)]
        return numpy.concatenate(parts) if parts else numpy.empty((0, len(labels)), numpy.float32)

    # Annotations are read at run time, and `Request` is known in here alone.
    async def invocations(request: Any) -> Any:
        texts = texts_of(await _body(request, limits), request.headers.get("content-type", ""), limits)
        found = await _aside(probabilities, texts)
        if LINES in request.headers.get("accept", ""):
            return Response(lines_answer(labels, found), media_type=LINES)
        return JSONResponse(answer(labels, found))

    async def infer(request: Any) -> Any:
        request_id, texts = texts_of_tensors(await _body(request, REAL_TIME))
        return JSONResponse(tensor_answer(name, request_id, labels, await _aside(probabilities, texts)))

    async def refused(_request: Any, error: Exception) -> Any:
        told = error.to_json() if isinstance(error, IntermodalError) else {"headline": "the model did not answer"}
        return JSONResponse({"error": told}, status_code=400 if isinstance(error, IntermodalError) else 500)

    for handler in (invocations, infer):
        handler.__annotations__["request"] = Request
    application.add_api_route("/ping", lambda: Response(), methods=["GET"])
    application.add_api_route("/health", lambda: Response(), methods=["GET"])
    application.add_api_route("/invocations", invocations, methods=["POST"], response_model=None)
    application.add_api_route("/v2/health/live", lambda: {"live": True}, methods=["GET"])
    application.add_api_route("/v2/health/ready", lambda: {"ready": True}, methods=["GET"])
    application.add_api_route(f"/v2/models/{name}", lambda: _description(name, len(labels)), methods=["GET"])
    application.add_api_route(f"/v2/models/{name}/ready", lambda: {"name": name, "ready": True}, methods=["GET"])
    application.add_api_route(f"/v2/models/{name}/infer", infer, methods=["POST"], response_model=None)
    application.add_exception_handler(Exception, refused)
    application.add_exception_handler(IntermodalError, refused)
    return application


async def _body(request: Any, limits: Limits) -> bytes:
    """The body, as far as it matters: one that is too long is refused, not held in memory first."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limits.size:
            break
    return bytes(body)


async def _aside(work: Any, texts: list[str]) -> Any:
    """Compute in a thread, so that health is answered meanwhile."""
    import asyncio

    return await asyncio.to_thread(work, texts)


def _description(name: str, classes: int) -> dict[str, Any]:
    return {
        "name": name,
        "platform": "intermodal",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "rating", "datatype": "INT32", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, classes]},
        ],
    }
