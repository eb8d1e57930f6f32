# What comes of the fewest variables: closed, and complete.

variables {
  project_id     = "offpeak-test"
  project_number = "123456789012"
  region         = "europe-west4"
  config         = "tests/config.yaml"
  source_zip     = "tests/empty.zip"
}

run "plan" {
  command = plan

  assert {
    condition     = length(module.function) == 4
    error_message = "Four functions: api, work, predictions, dead_letter."
  }

  assert {
    condition     = length(local.api_invokers) == 0
    error_message = "Nobody is let in who was not named."
  }

  assert {
    condition     = length(google_compute_global_forwarding_rule.this) == 0 && output.address == null
    error_message = "Without a domain there is no load balancer."
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.agents) == 0
    error_message = "Without a key nobody gets access to one."
  }

  assert {
    condition     = google_storage_bucket.this["work"].name == "offpeak-test-offpeak-work" && google_eventarc_trigger.predictions.location == "europe-west4"
    error_message = "The trigger lies where the work bucket does."
  }

  assert {
    condition     = jsondecode(base64decode(google_cloud_scheduler_job.sweep.pubsub_target[0].data)) == { step = "sweep" }
    error_message = "The scheduler sends the sweep as a message like any other."
  }

  assert {
    condition     = strcontains(google_storage_bucket_object.config.content, "\"since\": \"2026-11-01\"")
    error_message = "A day stays a day on its way through Terraform."
  }

  assert {
    condition     = length(yamldecode(google_storage_bucket_object.config.content).litellm_settings) == 0
    error_message = "Settings that do not hold are not uploaded."
  }
}

# An apply with made-up answers of Google's. Eventarc's audience is not among those that are believed yet.
run "first_apply" {
  command = apply

  assert {
    condition     = strcontains(output.next_step, "eventarc_audiences = [\"${output.predictions_uri}\"]")
    error_message = "It says what is left to do."
  }
}

run "second_apply" {
  command = apply

  variables {
    eventarc_audiences = [run.first_apply.predictions_uri]
  }

  assert {
    condition     = contains(yamldecode(google_storage_bucket_object.config.content).offpeak.events.predictions.audience, run.first_apply.predictions_uri)
    error_message = "The configuration believes tokens for the address of predictions."
  }

  assert {
    condition     = output.next_step == ""
    error_message = "Nothing is left to do."
  }
}
