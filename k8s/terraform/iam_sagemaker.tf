# Two roles apart: who submits a job, and what the job itself may do. Neither can do the other's.
data "aws_iam_policy_document" "trust_submitters" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = length(var.submitters) > 0 ? var.submitters : ["arn:${local.partition}:iam::${local.account}:root"]
    }
    # Nobody named yet: only who holds an explicit right to take this role, and came with a second factor.
    dynamic "condition" {
      for_each = length(var.submitters) > 0 ? [] : [1]
      content {
        test     = "Bool"
        variable = "aws:MultiFactorAuthPresent"
        values   = ["true"]
      }
    }
  }
}

resource "aws_iam_role" "submitter" {
  name               = "${var.name}-submitter"
  assume_role_policy = data.aws_iam_policy_document.trust_submitters.json
}

resource "aws_iam_role_policy" "submitter" {
  name   = "bucket"
  role   = aws_iam_role.submitter.id
  policy = data.aws_iam_policy_document.prefixes["submitter"].json
}

resource "aws_iam_role_policy_attachment" "submitter" {
  role       = aws_iam_role.submitter.name
  policy_arn = aws_iam_policy.submit.arn
}

data "aws_iam_policy_document" "trust_sagemaker" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.trust_sagemaker.json
}

resource "aws_iam_role_policy" "execution" {
  for_each = {
    bucket = data.aws_iam_policy_document.prefixes["execution"].json
    job    = data.aws_iam_policy_document.execution.json
  }
  name   = each.key
  role   = aws_iam_role.execution.id
  policy = each.value
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    resources = ["arn:${local.partition}:ecr:${var.region}:${local.account}:repository/${var.name}/*"]
  }
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/sagemaker/*"]
  }
  # These two know no resources: AWS accepts "*" alone.
  statement {
    sid       = "RegistryLogin"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    sid       = "Metrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]
    condition {
      test     = "StringLike"
      variable = "cloudwatch:namespace"
      values   = ["/aws/sagemaker/*"]
    }
  }
}
