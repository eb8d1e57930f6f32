# Two buckets for the life of a batch, as in shared/domain/layout.py, and one for what we deploy.
#
# Documents decide what is deleted, through `sweep`. The rules here are for what no document knows any more, and so
# every age is longer than the longest use.

locals {
  lifecycle = {
    data = [
      # Nothing of files/: a file that was uploaded without an expiry lives until its owner deletes it.
      { age = var.retention_days.leftovers, prefixes = ["parts/", "rows/", "tmp/"] },
    ]
    source = []
    work = [
      { age = var.retention_days.leftovers, prefixes = ["in/", "tmp/"] },
      { age = var.retention_days.outputs, prefixes = ["out/"] },
    ]
  }

  # What is in the work bucket can be made again, or is in the data bucket as well.
  soft_delete_days = { data = var.retention_days.soft_delete, source = 7, work = 0 }
}

resource "google_storage_bucket" "this" {
  #checkov:skip=CKV_GCP_62:Access logs come from Cloud Audit Logs, which the organisation turns on; usage logs are its older form
  #checkov:skip=CKV_GCP_78:Objects are written once, under names of ours; versions would keep what a caller has deleted
  for_each = local.buckets

  name     = each.value
  location = local.bucket_location

  force_destroy               = false
  public_access_prevention    = "enforced"
  uniform_bucket_level_access = true

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = local.soft_delete_days[each.key] * 86400
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  dynamic "lifecycle_rule" {
    for_each = local.lifecycle[each.key]
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value.age
        matches_prefix = lifecycle_rule.value.prefixes
      }
    }
  }

  dynamic "encryption" {
    for_each = local.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}
