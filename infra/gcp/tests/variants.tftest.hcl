# The deployments that people want besides.

variables {
  project_id     = "offpeak-test"
  project_number = "123456789012"
  region         = "europe-west4"
  config         = "tests/config.yaml"
  source_zip     = "tests/empty.zip"
}

run "public" {
  command = plan

  variables {
    access = "public"
  }

  assert {
    condition     = local.api_invokers == tolist(["allUsers"]) && local.api_ingress[var.access] == "ALLOW_ALL"
    error_message = "Everybody reaches api."
  }
}

run "named_callers" {
  command = plan

  variables {
    invokers = ["group:batchers@example.com"]
  }

  assert {
    condition     = local.api_invokers == tolist(["group:batchers@example.com"])
    error_message = "Those who were named, and nobody else."
  }
}

run "load_balancer" {
  command = plan

  variables {
    access     = "load_balancer"
    domain     = "batch.example.com"
    rate_limit = { requests = 100 }
  }

  assert {
    condition     = local.api_ingress[var.access] == "ALLOW_INTERNAL_AND_GCLB" && output.url == "https://batch.example.com"
    error_message = "api is reached through the balancer alone."
  }

  assert {
    condition     = google_compute_managed_ssl_certificate.this[0].managed[0].domains == tolist(["batch.example.com"]) && google_compute_global_forwarding_rule.this[0].port_range == "443"
    error_message = "HTTPS for the domain, and nothing but HTTPS."
  }

  assert {
    condition = alltrue([
      for rule in google_compute_security_policy.this[0].rule : strcontains(rule.match[0].expr[0].expression, local.not_an_upload)
      if length(rule.match[0].expr) > 0
    ])
    error_message = "No rule set reads what is uploaded."
  }

  assert {
    condition     = [for rule in google_compute_security_policy.this[0].rule : rule.rate_limit_options[0].rate_limit_threshold[0].count if rule.action == "throttle"] == [100]
    error_message = "One address makes as many requests as it may."
  }
}

run "own_key" {
  command = plan

  variables {
    kms_key = "projects/keys/locations/europe-west4/keyRings/offpeak/cryptoKeys/offpeak"
  }

  assert {
    condition = alltrue(concat(
      [for bucket in google_storage_bucket.this : bucket.encryption[0].default_kms_key_name == var.kms_key],
      [for topic in [google_pubsub_topic.steps, google_pubsub_topic.dead] : topic.kms_key_name == var.kms_key],
      [for secret in google_secret_manager_secret.this : secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == var.kms_key],
      [google_firestore_database.this.cmek_config[0].kms_key_name == var.kms_key],
      [google_artifact_registry_repository.images.kms_key_name == var.kms_key],
    ))
    error_message = "Whatever is stored is stored under the key."
  }

  assert {
    condition     = length(google_kms_crypto_key_iam_member.agents) == 8
    error_message = "Eight of Google's services need the key."
  }
}

run "jobs_elsewhere" {
  command = plan

  variables {
    vertex_projects = { models-prod = "210987654321" }
    media_buckets   = ["offpeak-media"]
  }

  assert {
    condition     = length(google_project_iam_member.vertex) == 6
    error_message = "Three functions call Vertex in two projects."
  }

  assert {
    condition     = google_storage_bucket_iam_member.this["vertex_models-prod_objects"].member == "serviceAccount:service-210987654321@gcp-sa-aiplatform.iam.gserviceaccount.com"
    error_message = "Vertex over there writes into the work bucket here."
  }

  assert {
    condition     = length(google_storage_bucket_iam_member.media) == 2
    error_message = "Both read the media."
  }
}

run "keys_of_providers" {
  command = plan

  variables {
    config           = "tests/keys.yaml"
    provider_secrets = { AZURE_API_KEY = "1", OPENAI_API_KEY = "4" }
  }

  assert {
    condition     = alltrue([for target in ["dead_letter", "work"] : local.secret_variables[target]["OPENAI_API_KEY"] == { secret = "offpeak-provider-OPENAI_API_KEY", version = "4" }])
    error_message = "Who calls providers is given their keys."
  }

  assert {
    condition     = length(local.secret_variables["predictions"]) == 0 && sort(keys(local.secret_variables["api"])) == tolist(["OFFPEAK_KEY_PEPPER", "OFFPEAK_MASTER_KEY"])
    error_message = "Nobody else is."
  }

  assert {
    condition     = google_secret_manager_secret.this["master_key"].deletion_protection && !google_secret_manager_secret.this["provider_OPENAI_API_KEY"].deletion_protection
    error_message = "What the operator has anyway goes when the configuration names it no more."
  }

  assert {
    condition     = strcontains(google_storage_bucket_object.config.content, "\"os.environ/OPENAI_API_KEY\"") && yamldecode(google_storage_bucket_object.config.content).general_settings == { max_batch_file_size_mb = 100 }
    error_message = "The configuration names variables, and no key at all."
  }
}

run "to_be_destroyed" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = google_firestore_database.this.deletion_policy == "DELETE" && !google_secret_manager_secret.this["master_key"].deletion_protection
    error_message = "What was never protected goes with the rest."
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : !bucket.force_destroy])
    error_message = "No bucket is destroyed with what it holds."
  }
}

run "budget" {
  command = plan

  variables {
    daily_usd = 12.5
    prefix    = "off-peak"
  }

  assert {
    condition     = strcontains(google_monitoring_alert_policy.cost[0].conditions[0].condition_prometheus_query_language[0].query, "user_off_peak_cost_nano_sum") && endswith(google_monitoring_alert_policy.cost[0].conditions[0].condition_prometheus_query_language[0].query, "> 12500000000")
    error_message = "Dollars are billions of nano-dollars, and names have no hyphens in PromQL."
  }
}

# All of it at once, applied with made-up answers of Google's.
run "everything" {
  command = apply

  variables {
    access         = "load_balancer"
    domain         = "batch.example.com"
    alert_channels = ["projects/offpeak-test/notificationChannels/17"]
    daily_usd      = 50
    kms_key        = "projects/keys/locations/europe-west4/keyRings/offpeak/cryptoKeys/offpeak"
    media_buckets  = ["offpeak-media"]
    prefix         = "everything"
  }

  assert {
    condition     = output.address != null && output.functions["dead_letter"] == "everything-dead-letter"
    error_message = "Whoever deploys is told what to do with it."
  }
}

run "quiet" {
  command = plan

  variables {
    alerts    = false
    daily_usd = 50
  }

  assert {
    condition     = length(google_monitoring_alert_policy.counted) + length(google_monitoring_alert_policy.silent_sweep) + length(google_monitoring_alert_policy.old_messages) + length(google_monitoring_alert_policy.server_errors) + length(google_monitoring_alert_policy.cost) == 0
    error_message = "Who wants no alerts pays for none."
  }

  assert {
    condition     = length(google_logging_metric.count) > 0
    error_message = "What is counted can still be looked at."
  }
}

run "private_server" {
  command = plan

  variables {
    vpc_connector = "projects/offpeak-test/locations/europe-west4/connectors/inside"
  }

  assert {
    condition     = module.function["work"].vpc_connector == var.vpc_connector && module.function["dead_letter"].vpc_connector == var.vpc_connector
    error_message = "Who calls providers reaches a server of one's own network."
  }

  assert {
    condition     = module.function["api"].vpc_connector == "" && module.function["predictions"].vpc_connector == ""
    error_message = "Nobody else gets into it."
  }
}
