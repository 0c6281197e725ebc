"""Secrets: told by their names, refused in plain text, named by reference, looked up where the step runs."""

from __future__ import annotations

import json

import pytest
from moto import mock_aws

from intermodal.aws.secrets import check_no_secrets, is_reference, is_secret_name, read_secret, with_secrets
from intermodal.errors import RuntimeFailed, UsageError


@pytest.mark.parametrize(
    "name", ["token", "hf_token", "tokens", "apiKey", "api_key", "APIKEY", "db-password", "client_secret", "secrets"]
)
def test_names_that_say_secret(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer",
        "max_seq_length",
        "secretary",
        "key",
        "keys",
        "passage",
        "checkpoint",
        "token_env",
        "secretArn",
        "credentials_file",
    ],
)
def test_names_that_do_not(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 128, "api_key": "", "token": None},
        {"api_key": "secretsmanager:prod/key"},
        {"secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:redshift-a1b2c3"},
        {"source": "https://host/data", "text": "what is a password?"},
    ],
)
def test_what_is_no_secret_passes_and_beside_it_no_secret_does(values):
    check_no_secrets(values)
    with pytest.raises(UsageError):
        check_no_secrets({**values, "db_password": "open sesame"})


@pytest.mark.parametrize(
    "values",
    [
        {"token": "abc"},
        {"options": [{"password": "abc"}]},
        {"text": "AKIAABCDEFGHIJKLMNOP"},
        {"text": "-----BEGIN RSA PRIVATE KEY-----"},
        {"uri": "postgresql://me:abc@host/db"},
        {"token": "secretsmanager:"},
    ],
)
def test_what_is_one_is_refused(values):
    with pytest.raises(UsageError, match="plain text") as caught:
        check_no_secrets(values)
    assert "abc" not in str(caught.value)


def test_references():
    assert is_reference("secretsmanager:prod/reviews#password")
    assert is_reference("secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:name-a1b2c3")
    assert not is_reference("secretsmanager:a name")
    assert not is_reference(7)


def test_references_are_looked_up_wherever_they_stand():
    told = {"plain": "open", "pair": json.dumps({"user": "me", "password": "sesame"})}
    given = {"a": "secretsmanager:plain", "b": ["secretsmanager:pair#password", 1], "c": {"d": "secretsmanager"}}
    assert with_secrets(given, told.__getitem__) == {"a": "open", "b": ["sesame", 1], "c": {"d": "secretsmanager"}}
    assert given["a"] == "secretsmanager:plain"
    for wrong in ("secretsmanager:pair#other", "secretsmanager:plain#key"):
        with pytest.raises(RuntimeFailed, match="no such entry") as caught:
            with_secrets(wrong, told.__getitem__)
        assert "sesame" not in str(caught.value)


@mock_aws
def test_secrets_manager_is_asked(monkeypatch):
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    client = boto3.client("secretsmanager", region_name="us-east-1")
    client.create_secret(Name="prod/key", SecretString="sesame")
    assert read_secret(client, "prod/key") == "sesame"
    with pytest.raises(RuntimeFailed, match="cannot be read"):
        read_secret(client, "another")
