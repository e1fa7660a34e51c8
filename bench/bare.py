# SPDX-License-Identifier: Apache-2.0
"""The peer: a FastAPI route as one would write it that asks the same OPA with the same client and records nothing."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from opa_client.opa_async import AsyncOpaClient
from pydantic import BaseModel


class Entity(BaseModel):
    """A subject or a resource."""

    type: str
    id: str
    properties: dict[str, Any] = {}


class Action(BaseModel):
    """What is to be done."""

    name: str
    properties: dict[str, Any] = {}


class Question(BaseModel):
    """An AuthZEN request."""

    subject: Entity
    action: Action
    resource: Entity
    context: dict[str, Any] = {}


OPA = AsyncOpaClient(host="127.0.0.1", port=int(os.environ["BENCH_OPA_PORT"]), token=os.environ["BENCH_OPA_TOKEN"])
FIXED: dict[str, Any] = {
    "schema": "assay-facts/1",
    "caller": {"id": "bench", "role": "gateway", "tenant": "default"},
    "card_data": {"pans": [], "sad": [], "truncated": False},
}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Hold the client's connections while the application runs."""
    async with OPA:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/access/v1/evaluation")
async def evaluation(question: Question) -> dict[str, Any]:
    """Ask OPA and pass its answer on."""
    facts = {
        **FIXED,
        **question.model_dump(),
        "time": "2026-01-01T00:00:00Z",
        "time_unix": int(os.environ["BENCH_NOW"]),
    }
    result = (await OPA.query_rule(facts, "assay", "decision"))["result"]
    return {"decision": result["allow"], "context": {"reasons": result["reasons"]}}
