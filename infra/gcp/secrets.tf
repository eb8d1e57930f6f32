# The secrets are made here, their values are not: whatever Terraform knows stands in its state. (Write-only arguments
# would keep them out, but need Terraform 1.11, and the value again with every apply.)
#
#   terraform apply -target=google_secret_manager_secret.this …
#   gcloud secrets versions add PREFIX-master-key --data-file=-
#   gcloud secrets versions add PREFIX-key-pepper --data-file=-
#   terraform apply …                          with secret_versions, if they are not the first

locals {
  secrets = {
    key_pepper = "OFFPEAK_KEY_PEPPER"
    master_key = "OFFPEAK_MASTER_KEY"
  }
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  secret_id           = "${var.prefix}-${replace(each.key, "_", "-")}"
  deletion_protection = var.deletion_protection

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = local.kms_key[*]
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}
