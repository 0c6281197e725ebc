# The MLflow server of the manifests: MLflow with its accounts, PostgreSQL's driver and S3, and nothing else.
#   docker build -f k8s/images/mlflow.Dockerfile -t REGISTRY/intermodal/mlflow:3.17.2 .
# It runs as user 1000 and writes under /tmp alone.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv --without-pip /opt/mlflow
WORKDIR /build
COPY constraints.txt ./
RUN python3 -m pip --python /opt/mlflow/bin/python install -q -c constraints.txt "mlflow[auth]" psycopg2-binary boto3 \
 && find /opt/mlflow -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} + \
 && (/opt/mlflow/bin/python -m compileall -q -j 2 /opt/mlflow/lib || true)

FROM ${BASE} AS mlflow
RUN useradd --uid 1000 --create-home mlflow \
 && (python3 -m pip uninstall -q -y --root-user-action ignore setuptools wheel pip || true) \
 && rm -rf /usr/local/lib/python3.11/ensurepip /root/.cache
LABEL org.opencontainers.image.title="intermodal/mlflow" \
      org.opencontainers.image.description="MLflow's tracking server with accounts, PostgreSQL and S3" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
ENV PATH=/opt/mlflow/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
COPY --from=builder /opt/mlflow /opt/mlflow
WORKDIR /tmp
USER 1000
EXPOSE 5000
HEALTHCHECK --start-period=120s CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=5)"]
CMD ["python3", "-m", "mlflow", "server", "--help"]
