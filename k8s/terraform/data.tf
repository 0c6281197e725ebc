# Reviews as tables: Glue's catalogue, asked with Athena.
locals {
  database = replace(var.name, "-", "_")
}

resource "aws_glue_catalog_database" "this" {
  name         = local.database
  location_uri = "s3://${local.bucket}/store/tables"
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  force_destroy = true # its query history is no reason to keep it
  configuration {
    enforce_workgroup_configuration    = true # clients cannot choose another, unencrypted place
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = 107374182400 # 100 GiB: half a dollar
    result_configuration {
      output_location = "s3://${local.bucket}/athena/"
      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = aws_kms_key.this.arn
      }
    }
  }
  tags = { Name = var.name }
}
