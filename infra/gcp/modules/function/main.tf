# A function and who may call it. It has no trigger: events come by a subscription or an Eventarc trigger of ours, which
# gives them dead letters, deadlines and backoff. The decorator of the target decides how a request is read, so a target
# for events can be deployed as one for requests.

resource "google_cloudfunctions2_function" "this" {
  #checkov:skip=CKV_GCP_124:A public api is what var.access asks for; every function for events is internal, see functions.tf
  name         = var.name
  project      = var.project_id
  location     = var.region
  description  = "Offpeak: ${var.target}"
  kms_key_name = var.kms_key == "" ? null : var.kms_key

  build_config {
    runtime           = var.runtime
    entry_point       = var.target
    docker_repository = var.repository
    service_account   = var.build_account

    automatic_update_policy {} # security fixes of the base image need no deployment

    source {
      storage_source {
        bucket = var.source_object.bucket
        object = var.source_object.name
      }
    }
  }

  service_config {
    service_account_email            = var.account
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
    available_cpu                    = var.settings.cpu
    available_memory                 = var.settings.memory
    max_instance_count               = var.settings.max_instances
    max_instance_request_concurrency = var.settings.concurrency
    min_instance_count               = var.settings.min_instances
    timeout_seconds                  = var.settings.timeout
    vpc_connector                    = var.vpc_connector == "" ? null : var.vpc_connector
    vpc_connector_egress_settings    = var.vpc_connector == "" ? null : "PRIVATE_RANGES_ONLY" # Google's own APIs as ever

    environment_variables = merge(var.environment, {
      LOG_EXECUTION_ID = "true"
      THREADS          = tostring(var.settings.concurrency) # of the framework's server, which else has its own idea
    })

    dynamic "secret_environment_variables" {
      for_each = var.secret_variables
      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }
}

# Of the whole role, not of one member: whoever was let in by hand is out again with the next apply.
resource "google_cloud_run_v2_service_iam_binding" "invokers" {
  count = length(var.invokers) == 0 ? 0 : 1

  name     = google_cloudfunctions2_function.this.name
  project  = var.project_id
  location = var.region
  role     = "roles/run.invoker"
  members  = var.invokers

  lifecycle {
    # A function that is made anew is a new service, and grants of the old one are gone.
    replace_triggered_by = [google_cloudfunctions2_function.this.id]
  }
}
