# A topic's messages, pushed to a function until it has dealt with them.

resource "google_pubsub_subscription" "this" {
  name    = var.name
  project = var.project_id
  topic   = var.topic

  # Also how long Pub/Sub waits for the function's answer. Longer than any function may take.
  ack_deadline_seconds       = 600
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = "" # never, also after a month without batches
  }

  push_config {
    push_endpoint = var.endpoint

    oidc_token {
      service_account_email = var.sender
      audience              = var.audience
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dynamic "dead_letter_policy" {
    for_each = var.dead_letter_topic == "" ? [] : [var.dead_letter_topic]
    content {
      dead_letter_topic     = dead_letter_policy.value
      max_delivery_attempts = 20
    }
  }
}

# Pub/Sub takes a message off the subscription when it puts it among the dead ones.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  count = var.dead_letter_topic == "" ? 0 : 1

  project      = var.project_id
  subscription = google_pubsub_subscription.this.name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}
