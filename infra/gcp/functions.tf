# One zip for all, one entry in var.functions for each.

resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.this["source"].name
  name   = "source/${filesha256(var.source_zip)}.zip" # new code is a new name, and so shows in the plan
  source = var.source_zip

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.prefix
  location      = var.region
  format        = "DOCKER"
  description   = "What the builder makes of the functions."
  kms_key_name  = local.kms_key

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}

locals {
  environment = {
    OFFPEAK_BUS         = "pubsub://${var.project_id}/${google_pubsub_topic.steps.name}"
    OFFPEAK_CONFIG      = "gs://${google_storage_bucket_object.config.bucket}/${google_storage_bucket_object.config.name}"
    OFFPEAK_DATA_BUCKET = google_storage_bucket.this["data"].name
    OFFPEAK_DOCUMENTS   = "firestore://${var.project_id}/${google_firestore_database.this.name}"
    OFFPEAK_OBJECTS     = "gcs"
    OFFPEAK_WORK_BUCKET = google_storage_bucket.this["work"].name
  }

  # Clients bring their key in Authorization, which is no token of Google's. So what is open to them has to be open to
  # everybody, and asks for the key itself.
  api_invokers = var.access == "private" ? var.invokers : ["allUsers"]
  api_ingress  = { public = "ALLOW_ALL", load_balancer = "ALLOW_INTERNAL_AND_GCLB", private = "ALLOW_ALL" }

  secret_variables = {
    for target in local.targets : target => {
      for key, secret in local.secrets : secret.variable => {
        secret  = google_secret_manager_secret.this[key].secret_id
        version = secret.version
      } if contains(secret.readers, target)
    }
  }
}

module "function" {
  source   = "./modules/function"
  for_each = local.targets

  account          = local.emails[each.key]
  build_account    = "projects/${var.project_id}/serviceAccounts/${local.emails["build"]}"
  environment      = local.environment
  ingress          = each.key == "api" ? local.api_ingress[var.access] : "ALLOW_INTERNAL_ONLY"
  invokers         = each.key == "api" ? local.api_invokers : [local.members[local.senders[each.key]]]
  kms_key          = var.kms_key
  name             = local.names[each.key]
  project_id       = var.project_id
  region           = var.region
  repository       = "projects/${var.project_id}/locations/${var.region}/repositories/${google_artifact_registry_repository.images.repository_id}"
  runtime          = var.runtime
  secret_variables = local.secret_variables[each.key]
  settings         = var.functions[each.key]
  source_object    = { bucket = google_storage_bucket_object.source.bucket, name = google_storage_bucket_object.source.name }
  target           = each.key
  vpc_connector    = contains(local.runners, each.key) ? var.vpc_connector : ""

  # A function that starts before it may read its configuration fails, and the apply with it.
  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.build,
    google_project_iam_member.documents,
    google_secret_manager_secret_iam_member.reader,
    google_storage_bucket_iam_member.this,
  ]
}
