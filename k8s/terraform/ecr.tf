resource "aws_ecr_repository" "family" {
  for_each             = var.image_families
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.this.arn
  }
}

# Images that lost their tag; what runs is named by digest, and keeps its tag.
resource "aws_ecr_lifecycle_policy" "family" {
  for_each   = aws_ecr_repository.family
  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "untagged images after 30 days"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}
