"""Make each user's bucket; one that is there stays as it is."""

import os
import time

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError

for user, bucket in (("MLFLOW", "mlflow"), ("RUNS", "intermodal")):
    keys = {name: os.environ[f"{user}_{name.upper()}"] for name in ("accesskey", "secretkey")}
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=keys["accesskey"],
        aws_secret_access_key=keys["secretkey"],
    )
    for _ in range(60):  # the store may still be starting
        try:
            client.create_bucket(Bucket=bucket)
            break
        except EndpointConnectionError:
            time.sleep(5)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
                raise
            break
    else:
        raise SystemExit("the store did not answer for five minutes")
    print(f"bucket {bucket} is ready")
