"""Model packages: groups, versions that count up, and their approval."""

from __future__ import annotations

import threading
from typing import Any

from intermodal.runtime.sagemaker_local.answers import now, page, present, select
from intermodal.runtime.sagemaker_local.operations import ApiError, operation
from intermodal.runtime.sagemaker_local.service import Service

GROUP, PACKAGE = "ModelPackageGroup", "ModelPackage"
_LOCK = threading.RLock()
_LISTED = (
    "ModelPackageName",
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
)
_GROUP_LISTED = (
    "ModelPackageGroupName",
    "ModelPackageGroupArn",
    "ModelPackageGroupDescription",
    "CreationTime",
    "ModelPackageGroupStatus",
)


@operation("CreateModelPackageGroup")
def create_group(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A group of versions."""
    name = request["ModelPackageGroupName"]
    arn = service.arn(f"model-package-group/{name}")
    with _LOCK:
        if service.records(GROUP).get(name) is not None:
            raise ApiError("ValidationException", f"Model Package Group already exists: {arn}")
        service.tags.put(arn, request.get("Tags", []))
        record = {
            "ModelPackageGroupName": name,
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupDescription": request.get("ModelPackageGroupDescription", ""),
            "CreationTime": now(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }
        service.records(GROUP).put(name, record | {"versions": 0})
    return {"ModelPackageGroupArn": arn}


@operation("DescribeModelPackageGroup")
def describe_group(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A group."""
    found = _group(service, request["ModelPackageGroupName"])
    return {key: value for key, value in found.items() if key != "versions" and value != ""}


@operation("ListModelPackageGroups")
def list_groups(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Groups, the newest first."""
    found = [{key: item[key] for key in _GROUP_LISTED if item[key]} for item in service.records(GROUP).all().values()]
    return page(select(found, request, "ModelPackageGroupName"), request, "ModelPackageGroupSummaryList")


@operation("DeleteModelPackageGroup")
def delete_group(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a group that has no versions any more."""
    found = _group(service, request["ModelPackageGroupName"])
    name = found["ModelPackageGroupName"]
    if any(item.get("ModelPackageGroupName") == name for item in service.records(PACKAGE).all().values()):
        raise ApiError(
            "ConflictException",
            f"Model Package Group cannot be deleted because it still contains Model Packages: {name}",
        )
    service.records(GROUP).remove(name)
    service.tags.forget(found["ModelPackageGroupArn"])
    return {}


@operation("CreateModelPackage")
def create_package(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A version of a group, or a package that has a name of its own; a token makes one of two equal requests."""
    group, name = request.get("ModelPackageGroupName", ""), request.get("ModelPackageName", "")
    if bool(group) == bool(name):
        raise ApiError(
            "ValidationException", "Either ModelPackageName or ModelPackageGroupName is needed, and not both"
        )
    if group and request.get("Tags"):
        raise ApiError("ValidationException", "Tags are not allowed on a version of a Model Package Group")
    with _LOCK:
        if known := _by_token(service, request.get("ClientToken", "")):
            return {"ModelPackageArn": known}
        record = _versioned(service, group) if group else _named(service, name)
        arn = record["ModelPackageArn"]
        kept = {key: value for key, value in request.items() if key not in ("Tags", *record)}
        told = {
            "CreationTime": now(),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
        }
        service.tags.put(arn, request.get("Tags", []))
        service.records(PACKAGE).put(arn, kept | record | told)
    return {"ModelPackageArn": arn}


@operation("DescribeModelPackage")
def describe_package(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """A version, by its ARN, or a package by its name."""
    found = _package(service, request["ModelPackageName"])
    answer = {key: value for key, value in found.items() if key != "ClientToken"}
    return present(answer) | {"ModelPackageStatusDetails": answer["ModelPackageStatusDetails"]}


@operation("ListModelPackages")
def list_packages(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Versions of a group, the newest first; packages without a group when none is asked for."""
    group = request.get("ModelPackageGroupName", "").rpartition("/")[2]
    wanted = request.get("ModelApprovalStatus")
    found = [
        {key: item[key] for key in _LISTED if key in item}
        for item in service.records(PACKAGE).all().values()
        if item.get("ModelPackageGroupName", "") == group and wanted in (None, item["ModelApprovalStatus"])
    ]
    chosen = select(found, request, "ModelPackageArn", "ModelPackageStatus")
    if "SortBy" not in request:
        chosen.sort(
            key=lambda item: item.get("ModelPackageVersion", 0), reverse=request.get("SortOrder") != "Ascending"
        )
    return page(chosen, request, "ModelPackageSummaryList")


@operation("UpdateModelPackage")
def update_package(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Approve or reject a version, or change its facts."""
    with _LOCK:
        found = _package(service, request["ModelPackageArn"])
        for key in ("ModelApprovalStatus", "ApprovalDescription", "SourceUri", "InferenceSpecification", "ModelCard"):
            if key in request:
                found[key] = request[key]
        facts = found.get("CustomerMetadataProperties", {}) | request.get("CustomerMetadataProperties", {})
        gone = request.get("CustomerMetadataPropertiesToRemove", [])
        found["CustomerMetadataProperties"] = {key: value for key, value in facts.items() if key not in gone}
        found["LastModifiedTime"] = now()
        service.records(PACKAGE).put(found["ModelPackageArn"], found)
    return {"ModelPackageArn": found["ModelPackageArn"]}


@operation("DeleteModelPackage")
def delete_package(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a version; its number is not used again."""
    found = _package(service, request["ModelPackageName"])
    service.records(PACKAGE).remove(found["ModelPackageArn"])
    service.tags.forget(found["ModelPackageArn"])
    return {}


def _group(service: Service, name: str) -> dict[str, Any]:
    found = service.records(GROUP).get(name.rpartition("/")[2])
    if found is None:
        arn = service.arn(f"model-package-group/{name.rpartition('/')[2]}")
        raise ApiError("ValidationException", f"Model Package Group {arn} does not exist.")
    return found


def _package(service: Service, name: str) -> dict[str, Any]:
    arn = name if name.startswith("arn:") else service.arn(f"model-package/{name}")
    found = service.records(PACKAGE).get(arn)
    if found is None:
        raise ApiError("ValidationException", f"ModelPackage {arn} does not exist.")
    return found


def _versioned(service: Service, group: str) -> dict[str, Any]:
    found = _group(service, group)
    name, version = found["ModelPackageGroupName"], int(found["versions"]) + 1
    service.records(GROUP).put(name, found | {"versions": version})
    return {
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": service.arn(f"model-package/{name}/{version}"),
    }


def _named(service: Service, name: str) -> dict[str, Any]:
    arn = service.arn(f"model-package/{name}")
    if service.records(PACKAGE).get(arn) is not None:
        raise ApiError("ValidationException", f"ModelPackage already exists: {arn}")
    return {"ModelPackageName": name, "ModelPackageArn": arn}


def _by_token(service: Service, token: str) -> str:
    for arn, item in service.records(PACKAGE).all().items() if token else ():
        if item.get("ClientToken") == token:
            return str(arn)
    return ""
