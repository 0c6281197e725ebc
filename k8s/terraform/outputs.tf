locals {
  in_cluster = ["mlflow.mlflow:5000", "mlflow.mlflow.svc:5000", "mlflow.mlflow.svc.cluster.local:5000", "localhost:*"]
  providers = { s3 = { default = {
    endpoint       = "s3.${var.region}.amazonaws.com"
    disableSSL     = false
    region         = var.region
    forcePathStyle = false
    credentials    = { fromEnv = true }
  } } }
}

output "settings_env" {
  description = "k8s/overlays/eks/settings.env"
  value       = <<-E
    # Written by terraform output -raw settings_env.
    MLFLOW_ROLE=arn:${local.partition}:iam::${local.account}:role/${var.name}-mlflow
    RUNNER_ROLE=arn:${local.partition}:iam::${local.account}:role/${var.name}-runner
    DATABASE_HOST=${var.database_host}
    DATABASE_CIDR=${var.vpc_cidr}
    MLFLOW_ARTIFACTS=s3://${local.bucket}/mlflow
    MLFLOW_ALLOWED_HOSTS=${join(",", concat(local.in_cluster, var.mlflow_hosts))}
    MLFLOW_ALLOWED_ORIGINS=${join(",", concat(["http://localhost:*"], [for host in var.mlflow_hosts : "https://${host}"]))}
    AWS_REGION=${var.region}
    PIPELINE_ROOT=s3://${local.bucket}/kfp
    PROVIDERS=${jsonencode(local.providers)}
  E
}

output "intermodal_toml" {
  description = "Lines for intermodal.toml."
  value       = <<-E
    [intermodal]
    store = "s3://${local.bucket}/store"

    [kubeflow]
    namespace = "intermodal"
    service_account = "intermodal-runner"
    store = "s3://${local.bucket}/store"
    mlflow_tracking_uri = "http://mlflow.mlflow:5000"
    secrets = [
        { name = "intermodal-mlflow", env = { username = "MLFLOW_TRACKING_USERNAME", password = "MLFLOW_TRACKING_PASSWORD" } },
    ]

    [sagemaker]
    region = "${var.region}"
    role = "${local.execution_role}"
    bucket = "${local.bucket}"
  E
}

output "registry" {
  description = "Where images go: intermodal images push --registry …"
  value       = "${local.account}.dkr.ecr.${var.region}.amazonaws.com"
}

output "kubeconfig_command" {
  description = "Writes the cluster into kubectl's configuration."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name}"
}

output "submitter_role" {
  description = "The role that submits jobs."
  value       = aws_iam_role.submitter.arn
}
