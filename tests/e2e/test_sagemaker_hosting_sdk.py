"""SageMaker's SDK, unchanged, deploys, asks, transforms and registers on the local SageMaker."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from hosted import servers_below
from intermodal.runtime.sagemaker_local.server import LocalSageMaker
from local_sagemaker import BUCKET, IMAGE, ROLE, add_program, client, image_folder, put, read, wait_for
from sdk_environments import run_client, sdk_environment

_SERVE = """
import http.server, os
word = open("/opt/ml/model/word.txt").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        out = "".join(word + " " + line + "\\n" for line in body.splitlines())
        self.send_response(200); self.send_header("Content-Type", "text/csv"); self.end_headers()
        self.wfile.write(out.encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""
_CLIENT = f"""
import sagemaker
from sagemaker.model import Model
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.predictor import Predictor

session = sagemaker.Session(default_bucket="{BUCKET}")
model = Model(image_uri="{IMAGE}", model_data="s3://{BUCKET}/model.tar.gz", role="{ROLE}", sagemaker_session=session,
              predictor_cls=Predictor)
capture = DataCaptureConfig(True, 100, "s3://{BUCKET}/sdk-captured", csv_content_types=["text/csv"])
predictor = model.deploy(1, "ml.m5.large", endpoint_name="sdk", data_capture_config=capture)
print("ANSWER", predictor.predict("there", initial_args={{"ContentType": "text/csv"}}))
predictor.update_data_capture_config(DataCaptureConfig(False, 100, "s3://{BUCKET}/sdk-captured"))
print("AGAIN", predictor.predict("you", initial_args={{"ContentType": "text/csv"}}))
transformer = model.transformer(1, "ml.m5.large", output_path="s3://{BUCKET}/sdk-out", assemble_with="Line",
                                strategy="MultiRecord")
transformer.transform("s3://{BUCKET}/sdk-in/", content_type="text/csv", split_type="Line", wait=True, logs=False)
package = model.register(["text/csv"], ["text/csv"], ["ml.m5.large"], ["ml.m5.large"],
                         model_package_group_name="sdk", approval_status="PendingManualApproval")
print("PACKAGE", package.model_package_arn)
predictor.delete_endpoint()
session.delete_model(model.name)
"""


def test_version_2_deploys_asks_transforms_and_registers(local_sagemaker: LocalSageMaker, tmp_path: Path):
    environment = sdk_environment("sagemaker-v2")
    add_program(image_folder(local_sagemaker), "serve", _SERVE)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        item = tarfile.TarInfo("word.txt")
        item.size = 5
        archive.addfile(item, io.BytesIO(b"hello"))
    put("model.tar.gz", packed.getvalue())
    put("sdk-in/a.csv", "one\ntwo\n")
    told = run_client(environment, _CLIENT, tmp_path)
    assert "ANSWER b'hello there\\n'" in told
    assert "AGAIN b'hello you\\n'" in told
    assert read(f"s3://{BUCKET}/sdk-out/a.csv.out") == b"hello one\nhello two\n"
    assert ":model-package/sdk/1" in told
    captured = client("s3").list_objects_v2(Bucket=BUCKET, Prefix="sdk-captured/sdk/AllTraffic/")["Contents"]
    assert len(captured) == 1
    wait_for(lambda: not client().list_endpoints()["Endpoints"], "the endpoint is left")
    wait_for(lambda: not servers_below(local_sagemaker.service.home), "a server is left")
