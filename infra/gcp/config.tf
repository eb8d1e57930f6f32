# The configuration as the functions read it: what the operator wrote, and who may deliver events.
#
# Only what Offpeak reads is uploaded. A file that came from LiteLLM may hold keys of others, and the master key.

locals {
  given = yamldecode(file(var.config))

  # Audiences are names that a function has whatever it is called by: docs of Cloud Run, "service-to-service", accept
  # REGION-PROJECT.cloudfunctions.net for functions, and SERVICE-NUMBER.REGION.run.app for every service. Both follow
  # from names, so that the configuration of a function need not wait for the function.
  function_urls = { for target, name in local.names : target => "https://${var.region}-${var.project_id}.cloudfunctions.net/${name}" }
  service_urls  = { for target, name in local.names : target => "https://${name}-${var.project_number}.${var.region}.run.app" }

  # Our subscriptions say what we tell them to. Eventarc chooses for itself: the address that Cloud Run first gave the
  # service, which holds a hash and is known only when the service is there (seen in the subscriptions that it makes;
  # not documented). That one comes in through var.eventarc_audiences.
  audiences = {
    dead_letter = [local.function_urls["dead_letter"]]
    predictions = distinct(concat([local.function_urls["predictions"], local.service_urls["predictions"]], var.eventarc_audiences))
    work        = [local.function_urls["work"]]
  }
  senders = { dead_letter = "push", predictions = "eventarc", work = "push" }

  events = merge(
    # Nobody reaches an event function but through Cloud Run's own check, which may take the signature off the token.
    { behind_iam = true, issuer = "https://accounts.google.com" },
    { for target, sender in local.senders : target => { account = local.emails[sender], audience = local.audiences[target] } },
  )

  # What of these sections holds: GENERAL and TRAVELS of shared/listed_settings.py.
  held = {
    general_settings = ["litellm_key_header_name", "max_batch_file_records", "max_batch_file_size_mb", "max_batch_file_uploads_per_day"]
    litellm_settings = [
      "default_internal_user_params",
      "default_key_generate_params",
      "default_max_internal_user_budget",
      "default_team_params",
      "internal_user_budget_duration",
      "max_internal_user_budget",
      "upperbound_key_generate_params",
    ]
  }

  # An unquoted day is a point in time to Terraform; Offpeak wants the day.
  config = replace(
    yamlencode({
      general_settings = { for name in local.held.general_settings : name => local.given.general_settings[name] if can(local.given.general_settings[name]) }
      litellm_settings = { for name in local.held.litellm_settings : name => local.given.litellm_settings[name] if can(local.given.litellm_settings[name]) }
      model_list       = local.given.model_list
      offpeak          = merge(try(local.given.offpeak, null), { events = local.events })
    }),
    "/\"([0-9]{4}-[0-9]{2}-[0-9]{2})T00:00:00Z\"/", "\"$1\"",
  )

  # What proves to a provider who we are. Its value stands in a secret, and here only the name of the variable.
  config_keys = flatten([
    for entry in local.given.model_list : [
      for parameter in ["api_key", "azure_ad_token", "client_secret"] : tostring(entry.litellm_params[parameter])
      if try(entry.litellm_params[parameter], null) != null
    ]
  ])

  config_projects = toset([for entry in local.given.model_list : try(entry.litellm_params.vertex_project, "")])
}

resource "google_storage_bucket_object" "config" {
  bucket  = google_storage_bucket.this["source"].name
  name    = "config/${sha256(local.config)}.yaml"
  content = local.config

  content_type = "application/yaml"

  lifecycle {
    create_before_destroy = true # functions start at any time, and until they are changed they read the old one

    precondition {
      condition     = alltrue([for key in local.config_keys : startswith(key, "os.environ/")])
      error_message = "A key of a provider stands in the configuration, which goes to a bucket. Write os.environ/NAME, and name its secret in provider_secrets."
    }

    precondition {
      condition     = length(setsubtract([for key in local.config_keys : trimprefix(key, "os.environ/")], keys(var.provider_secrets))) == 0
      error_message = "The configuration takes a key from a variable that provider_secrets does not name, so no function would have it."
    }

    precondition {
      condition     = length(regexall("os\\.environ/", local.config)) == length(local.config_keys)
      error_message = "Only keys of providers may be variables here (os.environ/…): what all functions see is written as it is. `infra/dev deploy` does so."
    }

    precondition {
      condition     = alltrue([for entry in local.given.model_list : try(entry.litellm_params.vertex_credentials, null) == null]) && !strcontains(local.config, "private_key")
      error_message = "The functions use their own accounts at Vertex: leave vertex_credentials out."
    }

    precondition {
      condition     = length(setsubtract(local.config_projects, concat(keys(local.vertex_projects), [""]))) == 0
      error_message = "The configuration runs jobs in a project that vertex_projects does not name, so nobody would be allowed to."
    }
  }
}
