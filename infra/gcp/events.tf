# What sets functions going:
#
#   topic steps ──► subscription ──► work ──20 deliveries──► topic dead ──┬─► subscription ──► dead_letter
#   scheduler, every minute ─┘                                            └─► kept for replay by hand
#   object in the work bucket ──► Eventarc ──► predictions

resource "google_pubsub_topic" "steps" {
  name         = "${var.prefix}-steps"
  kms_key_name = local.kms_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}

resource "google_pubsub_topic" "dead" {
  name         = "${var.prefix}-dead"
  kms_key_name = local.kms_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}

locals {
  topics = { for key, topic in { steps = google_pubsub_topic.steps, dead = google_pubsub_topic.dead } : key => "projects/${var.project_id}/topics/${topic.name}" }
}

module "subscription" {
  source = "./modules/subscription"
  for_each = {
    dead_letter = { topic = local.topics["dead"], dead_letter_topic = "" } # there is nothing behind it
    work        = { topic = local.topics["steps"], dead_letter_topic = local.topics["dead"] }
  }

  audience          = local.function_urls[each.key]
  dead_letter_topic = each.value.dead_letter_topic
  endpoint          = module.function[each.key].uri
  name              = local.names[each.key]
  project_id        = var.project_id
  pubsub_agent      = local.agents["pubsub"]
  sender            = local.emails["push"]
  topic             = each.value.topic

  depends_on = [google_pubsub_topic_iam_member.dead, google_service_account_iam_member.delivers]
}

# `dead_letter` writes down what was given up; this keeps the messages themselves, so that they can be sent again when
# the reason is gone. Nobody acknowledges them: they end with their time.
resource "google_pubsub_subscription" "dead_kept" {
  name  = "${var.prefix}-dead-kept"
  topic = local.topics["dead"]

  ack_deadline_seconds       = 600
  message_retention_duration = "${var.retention_days.dead_letters * 86400}s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_cloud_scheduler_job" "sweep" {
  name        = "${var.prefix}-sweep"
  region      = var.region
  description = "Every minute, look for what was lost, late or forgotten."
  schedule    = "* * * * *"
  time_zone   = "Etc/UTC"

  pubsub_target {
    topic_name = local.topics["steps"]
    data       = base64encode(jsonencode({ step = "sweep" }))
  }

  retry_config {
    retry_count          = 3
    min_backoff_duration = "5s"
    max_backoff_duration = "20s"
    max_retry_duration   = "60s"
  }

  depends_on = [google_project_service.this]
}

# It tells of the whole bucket, since Eventarc knows no prefix: `predictions` reads the name, and ignores what is not the
# end of a job. Whatever it misses, the sweep finds.
resource "google_eventarc_trigger" "predictions" {
  name            = local.names["predictions"]
  location        = lower(google_storage_bucket.this["work"].location) # has to be the bucket's
  service_account = local.emails["eventarc"]

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.finalized"
  }

  matching_criteria {
    attribute = "bucket"
    value     = google_storage_bucket.this["work"].name
  }

  destination {
    cloud_run_service {
      service = module.function["predictions"].name
      region  = var.region
    }
  }

  # The trigger delivers as soon as it is there, so everybody on the way needs his grant before.
  depends_on = [
    google_project_iam_member.eventarc,
    google_project_iam_member.storage_events,
    google_service_account_iam_member.delivers,
    module.function,
  ]
}
