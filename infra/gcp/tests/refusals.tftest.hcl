# What is refused before anything is made. One variable is wrong in each run.

variables {
  project_id     = "offpeak-test"
  project_number = "123456789012"
  region         = "europe-west4"
  config         = "tests/config.yaml"
  source_zip     = "tests/empty.zip"
}

run "access_unknown" {
  command         = plan
  expect_failures = [var.access]

  variables {
    access = "anybody"
  }
}

run "balancer_without_domain" {
  command         = plan
  expect_failures = [var.access]

  variables {
    access = "load_balancer"
  }
}

run "domain_without_balancer" {
  command         = plan
  expect_failures = [var.access]

  variables {
    domain = "batch.example.com"
  }
}

run "channel_by_mail" {
  command         = plan
  expect_failures = [var.alert_channels]

  variables {
    alert_channels = ["me@example.com"]
  }
}

run "no_configuration" {
  command         = plan
  expect_failures = [var.config]

  variables {
    config = "tests/missing.yaml"
  }
}

run "configuration_without_models" {
  command         = plan
  expect_failures = [var.config]

  variables {
    config = "tests/empty.zip"
  }
}

run "negative_budget" {
  command         = plan
  expect_failures = [var.daily_usd]

  variables {
    daily_usd = -1
  }
}

run "domain_with_scheme" {
  command         = plan
  expect_failures = [var.domain]

  variables {
    domain = "https://batch.example.com"
    access = "load_balancer"
  }
}

run "audience_elsewhere" {
  command         = plan
  expect_failures = [var.eventarc_audiences]

  variables {
    eventarc_audiences = ["https://example.com"]
  }
}

run "event_function_outlives_its_message" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = { work = { timeout = 900 } }
  }
}

run "crowd_on_half_a_cpu" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = { predictions = { cpu = "0.5" } }
  }
}

run "fewer_than_the_fewest" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = { api = { min_instances = 5, max_instances = 2 } }
  }
}

run "memory_in_bytes" {
  command         = plan
  expect_failures = [var.functions]

  variables {
    functions = { api = { memory = "1000000" } }
  }
}

run "everybody_as_a_name" {
  command         = plan
  expect_failures = [var.invokers]

  variables {
    invokers = ["allUsers"]
  }
}

run "names_where_all_may" {
  command         = plan
  expect_failures = [var.invokers]

  variables {
    invokers = ["user:me@example.com"]
    access   = "public"
  }
}

run "half_a_key" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "my-key"
  }
}

run "key_in_another_place" {
  command         = plan
  expect_failures = [var.kms_key]

  variables {
    kms_key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
  }
}

run "label_with_capitals" {
  command         = plan
  expect_failures = [var.labels]

  variables {
    labels = { Team = "a" }
  }
}

run "bucket_as_url" {
  command         = plan
  expect_failures = [var.media_buckets]

  variables {
    media_buckets = ["gs://media"]
  }
}

run "short_prefix" {
  command         = plan
  expect_failures = [var.prefix]

  variables {
    prefix = "op"
  }
}

run "long_prefix" {
  command         = plan
  expect_failures = [var.prefix]

  variables {
    prefix = "a-prefix-that-is-too-long"
  }
}

run "project_as_number" {
  command         = plan
  expect_failures = [var.project_id]

  variables {
    project_id = "123456"
  }
}

run "number_as_project" {
  command         = plan
  expect_failures = [var.project_number]

  variables {
    project_number = "offpeak-test"
  }
}

run "key_called_as_a_variable_of_ours" {
  command         = plan
  expect_failures = [var.provider_secrets]

  variables {
    provider_secrets = { OFFPEAK_MASTER_KEY = "1" }
  }
}

run "key_with_a_hyphen" {
  command         = plan
  expect_failures = [var.provider_secrets]

  variables {
    provider_secrets = { "OPENAI-API-KEY" = "1" }
  }
}

run "latest_key" {
  command         = plan
  expect_failures = [var.provider_secrets]

  variables {
    provider_secrets = { OPENAI_API_KEY = "latest" }
  }
}

run "odd_interval" {
  command         = plan
  expect_failures = [var.rate_limit]

  variables {
    rate_limit = { seconds = 7 }
  }
}

run "zone_as_region" {
  command         = plan
  expect_failures = [var.region]

  variables {
    region = "europe-west4-a"
  }
}

run "rows_gone_too_soon" {
  command         = plan
  expect_failures = [var.retention_days]

  variables {
    retention_days = { leftovers = 3 }
  }
}

run "native_rows_gone_too_soon" {
  command         = plan
  expect_failures = [var.retention_days]

  variables {
    retention_days = { outputs = 30 }
  }
}

run "letters_kept_too_long" {
  command         = plan
  expect_failures = [var.retention_days]

  variables {
    retention_days = { dead_letters = 60 }
  }
}

run "soft_delete_of_a_day" {
  command         = plan
  expect_failures = [var.retention_days]

  variables {
    retention_days = { soft_delete = 1 }
  }
}

run "old_python" {
  command         = plan
  expect_failures = [var.runtime]

  variables {
    runtime = "python39"
  }
}

run "latest_secret" {
  command         = plan
  expect_failures = [var.secret_versions]

  variables {
    secret_versions = { master_key = "latest" }
  }
}

run "source_not_packed" {
  command         = plan
  expect_failures = [var.source_zip]

  variables {
    source_zip = "tests/config.yaml"
  }
}

run "vertex_project_without_number" {
  command         = plan
  expect_failures = [var.vertex_projects]

  variables {
    vertex_projects = { models-prod = "models-prod" }
  }
}

run "values_from_the_environment" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config = "tests/environment.yaml"
  }
}

run "keys_in_the_file" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config = "tests/literal_key.yaml"
  }
}

run "keys_without_a_secret" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config           = "tests/keys.yaml"
    provider_secrets = { OPENAI_API_KEY = "1" }
  }
}

run "accounts_of_ones_own" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config = "tests/credentials.yaml"
  }
}

run "private_keys" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config = "tests/private_key.yaml"
  }
}

run "jobs_where_nobody_may" {
  command         = plan
  expect_failures = [google_storage_bucket_object.config]

  variables {
    config = "tests/elsewhere.yaml"
  }
}
