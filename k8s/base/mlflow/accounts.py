"""Make the account that pipelines use, or give it the password that the secret holds now."""

import os
import time

import requests

SERVER = os.environ["MLFLOW_TRACKING_URI"]
NAME, PASSWORD = os.environ["PIPELINES_USERNAME"], os.environ["PIPELINES_PASSWORD"]
ADMIN = (os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME", "admin"), os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"])


def call(method: str, verb: str, body: dict) -> requests.Response:
    """Ask the server, as its administrator, about users."""
    return requests.request(method, f"{SERVER}/api/2.0/mlflow/users/{verb}", json=body, auth=ADMIN, timeout=30)


for _ in range(60):  # the server may still be starting
    try:
        answer = call("POST", "create", {"username": NAME, "password": PASSWORD})
        break
    except requests.ConnectionError:
        time.sleep(5)
else:
    raise SystemExit(f"{SERVER} did not answer for five minutes")
if answer.status_code == 400 and "RESOURCE_ALREADY_EXISTS" in answer.text:
    answer = call("PATCH", "update-password", {"username": NAME, "password": PASSWORD})
answer.raise_for_status()
print(f"account {NAME} is ready")
