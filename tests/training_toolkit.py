"""What AWS's training toolkit does with a job in script mode, in few words, as the program `train` of an image."""

# The real one runs in tests of the SageMaker SDK, in an environment of its own.
TOOLKIT = """
import json, os, subprocess, sys, tarfile
config = "/opt/ml/input/config"
given = {name: json.loads(value) for name, value in json.load(open(f"{config}/hyperparameters.json")).items()}
submitted, archive = given["sagemaker_submit_directory"], "/tmp/source.tar.gz"
if submitted.startswith("s3://"):
    import boto3
    bucket, _, key = submitted.removeprefix("s3://").partition("/")
    boto3.client("s3", region_name=given["sagemaker_region"]).download_file(bucket, key, archive)
else:
    archive = submitted
with tarfile.open(archive) as content:
    content.extractall("/opt/ml/code", filter="data")
channels = json.load(open(f"{config}/inputdataconfig.json"))
told = {f"SM_CHANNEL_{name.upper()}": f"/opt/ml/input/data/{name}" for name in channels}
told |= {"SM_MODEL_DIR": "/opt/ml/model", "SM_OUTPUT_DATA_DIR": "/opt/ml/output/data"}
told["SM_INPUT_DATA_CONFIG"] = json.dumps(channels)
own = [word for name, value in given.items() if not name.startswith("sagemaker_") for word in ("--" + name, str(value))]
command = [sys.executable, given["sagemaker_program"], *own]
sys.exit(subprocess.call(command, cwd="/opt/ml/code", env={**os.environ, **told}))
"""
