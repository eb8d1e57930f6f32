# What the log says, counted; and when somebody has to look. `message` is the name of a fact, see shared/log.py.

locals {
  # Only lines of our own services: others in the project may use the same words.
  our_lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(${join(" OR ", [for name in values(local.names) : "\"${name}\""])})"

  metrics = {
    batches_ended = {
      description = "Batches that reached a final state."
      filter      = "jsonPayload.message=\"batch_ended\""
      labels      = { status = "EXTRACT(jsonPayload.status)" }
    }
    crashes = {
      description = "Requests and deliveries that ended in an error that nobody foresaw, and functions that would not start."
      filter      = "jsonPayload.message=(\"configuration_wrong\" OR \"delivery_crashed\" OR \"request_crashed\" OR \"start_refused\" OR \"sweep_failed\")"
    }
    dead = {
      description = "Messages that no delivery helped, and what they were about was given up."
      filter      = "jsonPayload.message=\"message_dead\""
    }
    refused = {
      description = "Deliveries whose sender could not prove who it is."
      filter      = "jsonPayload.message=\"event_refused\""
    }
    stuck = {
      description = "Looks at batches which should have ended long ago."
      filter      = "jsonPayload.message=\"batch_stuck\""
    }
    sweeps = {
      description = "Sweeps that came to their end."
      filter      = "jsonPayload.message=\"sweep_done\""
    }
    unpriced = {
      description = "Batches with answers that the price book has no price for."
      filter      = "jsonPayload.message=\"batch_ended\" AND jsonPayload.unpriced_lines>0"
    }
  }
}

resource "google_logging_metric" "count" {
  for_each = local.metrics

  name             = "${var.prefix}/${each.key}"
  description      = each.value.description
  filter           = "${local.our_lines} AND ${each.value.filter}"
  label_extractors = try(each.value.labels, null)

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = try(each.value.labels, {})
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_logging_metric" "cost" {
  name            = "${var.prefix}/cost_nano"
  description     = "What a batch cost, in billionths of a US dollar."
  filter          = "${local.our_lines} AND jsonPayload.message=\"batch_ended\" AND jsonPayload.nano>0"
  value_extractor = "EXTRACT(jsonPayload.nano)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "1"
  }

  bucket_options {
    exponential_buckets {
      growth_factor      = 4
      num_finite_buckets = 32
      scale              = 1000
    }
  }

  depends_on = [google_project_service.this]
}

locals {
  # How PromQL calls the sum of that metric: the first slash a colon, everything else that is no letter a low line.
  cost_sum = "logging_googleapis_com:user_${replace(google_logging_metric.cost.name, "/[-/]/", "_")}_sum{monitored_resource=\"cloud_run_revision\"}"
}

# Alerts that ring as soon as something was counted.
locals {
  counted_alerts = {
    crashes = {
      title    = "crashed deliveries or requests"
      severity = "ERROR"
      runbook  = <<-EOT
        A function met an error that nobody foresaw, or did not start. Deliveries are repeated by themselves, 20 times;
        then they are dead letters. Nothing is lost yet.

        1. Find the lines: `jsonPayload.message=("delivery_crashed" OR "request_crashed" OR "sweep_failed")`. They say what
           it was and where; `batch` or `shard` is what it was about.
        2. `configuration_wrong` and `start_refused` say in `reason` which setting or which line of the configuration is
           wrong. Correct it, and apply again.
        3. After a deployment: apply the one before. Messages wait for a week.
      EOT
    }
    dead = {
      title    = "dead letters"
      severity = "ERROR"
      runbook  = <<-EOT
        A message was delivered 20 times in vain, and `dead_letter` has given up what it was about: the lines of one
        shard, which now stand in the error file with `internal_error`; or the whole batch, which is `failed`.

        1. Find the line `jsonPayload.message="message_dead"`: `reason` ends with the class of the last error, and
           `batch` or `shard` says what was lost. Where it happened stands in the `delivery_crashed` lines before it.
        2. Tell the owner of the batch. A batch that was given up stays so: its lines have to be sent again.
        3. When the reason is gone, messages that are still worth something can be read from the subscription
           `${google_pubsub_subscription.dead_kept.name}`, and published to the topic `${google_pubsub_topic.steps.name}` again.
           A step looks at what is there first, so one too many does no harm.
      EOT
    }
    refused = {
      title    = "deliveries from somebody unknown"
      severity = "WARNING"
      runbook  = <<-EOT
        Somebody who is let in by Cloud Run came to a function for events with a token that its configuration does not
        expect. `reason` of `jsonPayload.message="event_refused"` says what was wrong.

        1. On the first day of a deployment, and at `predictions` alone: `eventarc_audiences` is missing. Apply again with
           the output `predictions_uri` in it. Until then batches move with the sweep.
        2. Otherwise somebody was given `roles/run.invoker`: `gcloud run services get-iam-policy SERVICE`. The next apply
           takes it away; find out who gave it, in the audit log of `SetIamPolicy`.
        3. `SIGNATURE_REMOVED_BY_GOOGLE` at the end of a token means that the platform itself has taken the signature off.
      EOT
    }
    stuck = {
      title    = "stuck batches"
      severity = "ERROR"
      runbook  = <<-EOT
        A batch should have ended a quarter of an hour ago, and has not.

        1. `jsonPayload.message="batch_stuck"` names it. What it waits for is the `reason` of the lines with its `batch_id`:
           `step_postponed`, `submit_postponed`, `check_postponed`, `sweep_postponed`.
        2. `Unconfigured`: the configuration has lost the deployment that the batch runs on. Put it back.
        3. 403 of Vertex: a grant is missing; `vertex_projects` names every project that runs jobs.
        4. Nothing in the log: no message gets through. See the alert on the oldest message.
      EOT
    }
    unpriced = {
      title    = "lines without a price"
      severity = "WARNING"
      runbook  = <<-EOT
        A batch ended with answers whose price nobody knows: its `cost` counts the others, and says how many are missing.

        1. `jsonPayload.message="batch_ended"` with `unpriced_lines` above 0 names the batch; its model is in the batch.
        2. Add the rates under `offpeak.prices` of the configuration, with `since` and `source`, and apply.
        3. What has been counted stays as it is. Later batches have the price.
      EOT
    }
  }
}

resource "google_monitoring_alert_policy" "counted" {
  for_each = var.alerts ? local.counted_alerts : {}

  display_name          = "${var.prefix}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = var.alert_channels
  user_labels           = merge(var.labels, { app = var.prefix })

  conditions {
    display_name = local.metrics[each.key].description

    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.count[each.key].name}\" AND resource.type=\"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = each.value.runbook
  }
}

resource "google_monitoring_alert_policy" "silent_sweep" {
  count = var.alerts ? 1 : 0

  display_name          = "${var.prefix}: no sweep"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = var.alert_channels
  user_labels           = merge(var.labels, { app = var.prefix })

  conditions {
    display_name = "Nothing is heard of the sweep"

    condition_absent {
      filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.count["sweeps"].name}\" AND resource.type=\"cloud_run_revision\""
      duration = "900s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  # A counter may go on saying 0 after its last line; that is as silent as saying nothing.
  conditions {
    display_name = "No sweep in 15 minutes"

    condition_threshold {
      filter                  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.count["sweeps"].name}\" AND resource.type=\"cloud_run_revision\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "60s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The sweep should come every minute, and has not come to its end for 15. It is what finds lost messages, failed
      jobs and batches whose time is over: without it they wait.

      1. Does it start? `gcloud scheduler jobs describe ${var.prefix}-sweep --location ${var.region}`: paused, or an error.
      2. Does it arrive? The subscription `${local.names["work"]}` has no old messages, and `work` answers 2xx.
      3. Does it fail? `jsonPayload.message=("sweep_failed" OR "delivery_crashed" OR "delivery_deferred")` at `work`.
      4. By hand: publish `{"step": "sweep"}` to the topic `${google_pubsub_topic.steps.name}`.
    EOT
  }
}

resource "google_monitoring_alert_policy" "old_messages" {
  count = var.alerts ? 1 : 0

  display_name          = "${var.prefix}: messages wait"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.alert_channels
  user_labels           = merge(var.labels, { app = var.prefix })

  dynamic "conditions" {
    for_each = module.subscription # not the one that keeps dead messages: those are old on purpose
    content {
      display_name = "The oldest message of ${conditions.value.name} is older than 15 minutes"

      condition_threshold {
        filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.label.subscription_id=\"${conditions.value.name}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 900
        duration        = "60s"

        aggregations {
          alignment_period   = "60s"
          per_series_aligner = "ALIGN_MAX"
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      A message has waited for more than 15 minutes. A step takes 9 at most, so it has failed more than once.

      1. Which answers does the function give? Its request log: 403 is a missing `roles/run.invoker` or an audience that
         does not fit, 503 is something that it waits for (`delivery_deferred`, with `reason`), 500 is a bug
         (`delivery_crashed`, with its stack), 429 says that `max_instances` is too small.
      2. Is it all messages or one? One that always fails is a dead letter after 20 deliveries, by itself.
      3. Firestore, Cloud Storage, Vertex: https://status.cloud.google.com
    EOT
  }
}

resource "google_monitoring_alert_policy" "server_errors" {
  count = var.alerts ? 1 : 0

  display_name          = "${var.prefix}: api answers 5xx"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.alert_channels
  user_labels           = merge(var.labels, { app = var.prefix })

  dynamic "conditions" {
    # Fast: something broke just now. Slow: nobody would notice, and it adds up.
    for_each = {
      "More than a tenth within 5 minutes"   = { share = 0.1, window = "300s" }
      "More than a hundredth within an hour" = { share = 0.01, window = "3600s" }
    }
    content {
      display_name = conditions.key

      condition_threshold {
        filter             = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"${local.names["api"]}\" AND metric.label.response_code_class=\"5xx\""
        denominator_filter = "metric.type=\"run.googleapis.com/request_count\" AND resource.type=\"cloud_run_revision\" AND resource.label.service_name=\"${local.names["api"]}\""
        comparison         = "COMPARISON_GT"
        threshold_value    = conditions.value.share
        duration           = "300s"

        aggregations {
          alignment_period     = conditions.value.window
          per_series_aligner   = "ALIGN_RATE"
          cross_series_reducer = "REDUCE_SUM"
        }

        denominator_aggregations {
          alignment_period     = conditions.value.window
          per_series_aligner   = "ALIGN_RATE"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      Clients get errors that are ours. Batches that were accepted go on: other functions move them.

      1. `jsonPayload.message="request"` with `severity=ERROR` says which routes. `request_crashed` has the stack of a bug,
         `request_deferred` the name of what was not there (Firestore, Cloud Storage, Pub/Sub), `configuration_wrong`
         the setting.
      2. 503 and 504 without such a line are the platform's: too little memory, or requests longer than the timeout.
         Large files belong in `/v1/uploads`.
      3. After a deployment: apply the one before.
    EOT
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "cost" {
  count = var.alerts && var.daily_usd > 0 ? 1 : 0

  display_name          = "${var.prefix}: more than ${var.daily_usd} dollars a day"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = var.alert_channels
  user_labels           = merge(var.labels, { app = var.prefix })

  conditions {
    display_name = "Batches that ended within 24 hours"

    condition_prometheus_query_language {
      query               = "sum(increase(${local.cost_sum}[1d])) > ${var.daily_usd * 1000000000}"
      duration            = "0s"
      evaluation_interval = "300s"
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = <<-EOT
      The batches that ended within the last 24 hours cost more than daily_usd says. Nothing is stopped by this.

      1. `jsonPayload.message="batch_ended"`, largest `nano` first, names the batches; each says its owner and its model.
      2. Cancelling a batch keeps what finished, and spends no more: `POST /v1/batches/ID/cancel`.
      3. What is not spent by Offpeak is not counted here: Google's own budgets are.
    EOT
  }
}
