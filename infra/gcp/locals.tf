# Names are made here and nowhere else. All of them are known before anything exists, so that a plan can be read.

locals {
  bucket_location    = var.bucket_location == "" ? var.region : var.bucket_location
  firestore_location = var.firestore_location == "" ? var.region : var.firestore_location
  kms_key            = var.kms_key == "" ? null : var.kms_key

  # The targets of functions/main.py that are deployed; `files` and `batches` are parts of `api`.
  targets = toset(["api", "dead_letter", "predictions", "work"])
  names   = { for target in local.targets : target => "${var.prefix}-${replace(target, "_", "-")}" }

  # Buckets share one namespace with the whole world.
  buckets = { for kind in ["data", "source", "work"] : kind => "${var.project_id}-${var.prefix}-${kind}" }

  # Google's own accounts in this project. Most of them appear when they are first needed, which is too late for a
  # grant: whoever deploys makes them first (output `service_agents`).
  agents = {
    for name, host in {
      artifacts = "gcp-sa-artifactregistry"
      builds    = "gcf-admin-robot"
      eventarc  = "gcp-sa-eventarc"
      firestore = "gcp-sa-firestore"
      pubsub    = "gcp-sa-pubsub"
      run       = "serverless-robot-prod"
      secrets   = "gcp-sa-secretmanager"
      storage   = "gs-project-accounts"
    } : name => "serviceAccount:service-${var.project_number}@${host}.iam.gserviceaccount.com"
  }

  # Every project in which jobs run, with the account that reads and writes for them there.
  vertex_projects = merge(var.vertex_projects, { (var.project_id) = var.project_number })
  vertex_agents = {
    for id, number in local.vertex_projects : id => "serviceAccount:service-${number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
  }
}
