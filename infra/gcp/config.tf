# The configuration as the functions read it: what the operator wrote, and who may deliver events.
#
# Only the two blocks that Offpeak reads are uploaded. A file that came from LiteLLM may hold keys of other providers.

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

  # An unquoted day is a point in time to Terraform; Offpeak wants the day.
  config = replace(
    yamlencode({
      model_list = local.given.model_list
      offpeak    = merge(try(local.given.offpeak, null), { events = local.events })
    }),
    "/\"([0-9]{4}-[0-9]{2}-[0-9]{2})T00:00:00Z\"/", "\"$1\"",
  )

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
      condition     = !strcontains(local.config, "os.environ/")
      error_message = "The configuration takes values from the environment (os.environ/…), but the functions have no variables of yours. They use their own accounts at Vertex: leave vertex_credentials out, and write projects and locations as they are."
    }

    precondition {
      condition     = !strcontains(local.config, "private_key")
      error_message = "The configuration holds a private key. The functions use their own accounts at Vertex: leave vertex_credentials out."
    }

    precondition {
      condition     = length(setsubtract(local.config_projects, concat(keys(local.vertex_projects), [""]))) == 0
      error_message = "The configuration runs jobs in a project that vertex_projects does not name, so nobody would be allowed to."
    }
  }
}
