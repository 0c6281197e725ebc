# Roles of pods: by IRSA (the cluster's OIDC provider vouches for a ServiceAccount) or by EKS Pod Identity.
locals {
  pods = {
    mlflow = { namespace = "mlflow", accounts = ["mlflow"], prefixes = ["mlflow"] }
    runner = {
      namespace = "intermodal"
      accounts  = ["intermodal-runner", "intermodal-training", "intermodal-spark"]
      prefixes  = ["kfp", "store", "jobs"]
    }
  }
  issuer = trimprefix(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://")
  associations = var.identity == "irsa" ? {} : merge([
    for role, pod in local.pods : { for account in pod.accounts : "${role}/${account}" => {
      role = role, namespace = pod.namespace, account = account
    } }
  ]...)
}

resource "aws_iam_openid_connect_provider" "this" {
  count           = var.identity == "irsa" ? 1 : 0
  url             = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"] # AWS trusts its own issuer's CA and ignores it
}

data "aws_iam_policy_document" "trust_pods" {
  for_each = local.pods
  dynamic "statement" {
    for_each = var.identity == "irsa" ? [1] : []
    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]
      principals {
        type        = "Federated"
        identifiers = [aws_iam_openid_connect_provider.this[0].arn]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:aud"
        values   = ["sts.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "${local.issuer}:sub"
        values   = [for account in each.value.accounts : "system:serviceaccount:${each.value.namespace}:${account}"]
      }
    }
  }
  dynamic "statement" {
    for_each = var.identity == "irsa" ? [] : [1]
    content {
      actions = ["sts:AssumeRole", "sts:TagSession"]
      principals {
        type        = "Service"
        identifiers = ["pods.eks.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_iam_role" "pod" {
  for_each           = local.pods
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust_pods[each.key].json
}

resource "aws_iam_role_policy" "pod" {
  for_each = local.pods
  name     = "bucket"
  role     = aws_iam_role.pod[each.key].id
  policy   = data.aws_iam_policy_document.prefixes[each.key].json
}

# A step that delegates to SageMaker, or writes a Glue table, does it with the run's role.
resource "aws_iam_role_policy_attachment" "runner" {
  for_each   = { submit = aws_iam_policy.submit.arn, tables = aws_iam_policy.tables.arn }
  role       = aws_iam_role.pod["runner"].name
  policy_arn = each.value
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = local.associations
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pod[each.value.role].arn
}
