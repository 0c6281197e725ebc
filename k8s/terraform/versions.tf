terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
  # State holds no password of ours, but names everything: keep it in an encrypted bucket of its own.
  #   terraform init -backend-config="bucket=…" -backend-config="key=intermodal" -backend-config="use_lockfile=true"
  # backend "s3" {}
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  bucket    = coalesce(var.bucket, "${var.name}-${local.account}-${var.region}")
  tags      = merge({ Project = var.name }, var.tags)

  # ARNs as values that are known before anything is made: so a plan shows every policy in full.
  bucket_arn     = "arn:${local.partition}:s3:::${local.bucket}"
  execution_role = "arn:${local.partition}:iam::${local.account}:role/${var.name}-execution"
}
