# What each role may do in the bucket: its own prefixes, and nothing of the others'.
locals {
  prefixes = {
    mlflow    = ["mlflow"]
    runner    = ["kfp", "store", "jobs"]
    submitter = ["store", "jobs"]
    execution = ["store", "jobs"]
  }
}

data "aws_iam_policy_document" "prefixes" {
  for_each = local.prefixes
  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = [for prefix in each.value : "${local.bucket_arn}/${prefix}/*"]
  }
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = flatten([for prefix in each.value : [prefix, "${prefix}/*"]])
    }
  }
  statement {
    sid       = "Where"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arn]
  }
  # The one key, and only through S3.
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["arn:${local.partition}:kms:${var.region}:${local.account}:key/*"]
    condition {
      test     = "StringEquals"
      variable = "kms:ResourceAliases"
      values   = ["alias/${var.name}"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.amazonaws.com"]
    }
  }
}

# Submitting: jobs whose names begin with ours, with the one execution role, and to SageMaker only.
data "aws_iam_policy_document" "submit" {
  statement {
    sid = "Jobs"
    actions = [
      "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob",
      "sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob",
      "sagemaker:CreateTransformJob", "sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob",
      "sagemaker:CreateAutoMLJobV2", "sagemaker:DescribeAutoMLJobV2", "sagemaker:StopAutoMLJob",
      "sagemaker:AddTags", "sagemaker:ListTags",
    ]
    resources = [
      for kind in ["training-job", "processing-job", "transform-job", "automl-job"] :
      "arn:${local.partition}:sagemaker:${var.region}:${local.account}:${kind}/${var.name}-*"
    ]
  }
  statement {
    sid       = "PassTheOneRole"
    actions   = ["iam:PassRole"]
    resources = [local.execution_role]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }
  statement {
    sid       = "ReadLogs"
    actions   = ["logs:GetLogEvents", "logs:DescribeLogStreams", "logs:FilterLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/sagemaker/*"]
  }
}

resource "aws_iam_policy" "submit" {
  name   = "${var.name}-submit"
  policy = data.aws_iam_policy_document.submit.json
}

# Tables of the reviews for Athena.
data "aws_iam_policy_document" "tables" {
  statement {
    sid = "Tables"
    actions = [
      "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable",
      "glue:GetPartition", "glue:GetPartitions", "glue:CreatePartition", "glue:BatchCreatePartition", "glue:BatchDeletePartition",
    ]
    resources = [
      for path in ["catalog", "database/${local.database}", "table/${local.database}/*"] :
      "arn:${local.partition}:glue:${var.region}:${local.account}:${path}"
    ]
  }
  statement {
    sid       = "Queries"
    actions   = ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution", "athena:GetWorkGroup"]
    resources = ["arn:${local.partition}:athena:${var.region}:${local.account}:workgroup/${var.name}"]
  }
  statement {
    sid       = "Results"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.bucket_arn}/athena/*"]
  }
}

resource "aws_iam_policy" "tables" {
  name   = "${var.name}-tables"
  policy = data.aws_iam_policy_document.tables.json
}
