# The secrets are made here, their values are not: whatever Terraform knows stands in its state. (Write-only arguments
# would keep them out, but need Terraform 1.11, and the value again with every apply.)
#
#   terraform apply -target=google_secret_manager_secret.this …
#   gcloud secrets versions add PREFIX-master-key --data-file=-
#   gcloud secrets versions add PREFIX-key-pepper --data-file=-
#   gcloud secrets versions add PREFIX-provider-NAME --data-file=-      for each NAME of provider_secrets
#   terraform apply …                          with secret_versions, if they are not the first

locals {
  # Who reads a secret gets it as a variable. Only the target that answers clients has something to compare a key with,
  # and only those that call providers prove to them who they are. What came from the operator's own variables is not
  # lost with the secret, so that one may go when the configuration names it no more.
  secrets = merge(
    {
      key_pepper = { id = "${var.prefix}-key-pepper", kept = true, readers = ["api"], variable = "OFFPEAK_KEY_PEPPER", version = var.secret_versions.key_pepper }
      master_key = { id = "${var.prefix}-master-key", kept = true, readers = ["api"], variable = "OFFPEAK_MASTER_KEY", version = var.secret_versions.master_key }
    },
    {
      for name, version in var.provider_secrets :
      "provider_${name}" => { id = "${var.prefix}-provider-${name}", kept = false, readers = local.runners, variable = name, version = version }
    },
  )

  secret_readers = merge([
    for key, secret in local.secrets : { for reader in secret.readers : "${reader}/${key}" => { reader = reader, secret = key } }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  secret_id           = each.value.id
  deletion_protection = each.value.kept && var.deletion_protection

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
