# Who may do what. Each grant is on one thing; where Google offers a project only, a condition or a comment says why.

locals {
  accounts = {
    api         = "Offpeak: answers clients"
    build       = "Offpeak: builds the functions"
    dead_letter = "Offpeak: gives up what no delivery has helped"
    eventarc    = "Offpeak: brings news of objects to predictions"
    predictions = "Offpeak: looks at jobs whose predictions were written"
    push        = "Offpeak: brings messages to work and dead_letter"
    work        = "Offpeak: runs the steps of batches"
  }

  emails  = { for key, account in google_service_account.this : key => "${account.account_id}@${var.project_id}.iam.gserviceaccount.com" }
  members = { for key, email in local.emails : key => "serviceAccount:${email}" }

  # Steps run where messages arrive: `work` runs all of them, and `dead_letter` whichever failed, once more. They call
  # the providers, and have their keys; `predictions` hears of Vertex's jobs alone.
  runners = ["dead_letter", "work"]
}

resource "google_service_account" "this" {
  for_each = local.accounts

  account_id   = "${var.prefix}-${replace(each.key, "_", "-")}"
  display_name = each.value

  depends_on = [google_project_service.this]
}

# Buckets -------------------------------------------------------------------------------------------------------------

locals {
  # `under`: only objects whose names begin so. It leaves no right to list, which is asked of the bucket as a whole.
  bucket_grants = merge(
    {
      # Uploads and what they are composed of; downloads, and outputs by signed URL.
      api_files = { bucket = "data", member = local.members["api"], role = "objectUser", under = ["files/", "parts/", "tmp/"] }
      # The provider's own rows, for `format=native`.
      api_native = { bucket = "work", member = local.members["api"], role = "objectViewer", under = ["out/"] }
      # Who may not list is told 403 of an object that is not there, instead of 404; and `api` asks before it writes.
      # This role lists names, which are ids of ours, and opens nothing.
      api_data_names = { bucket = "data", member = local.members["api"], role = "legacyBucketReader", under = [] }
      api_work_names = { bucket = "work", member = local.members["api"], role = "legacyBucketReader", under = [] }
      # `check` asks whether predictions are there, and opens nothing either.
      predictions_names = { bucket = "work", member = local.members["predictions"], role = "legacyBucketReader", under = [] }
      # The builder fetches the zip from a copy that the functions service makes, see google_project_iam_member.build;
      # this is for where it reads ours.
      build_source = { bucket = "source", member = local.members["build"], role = "objectViewer", under = ["source/"] }
    },
    # Everything between upload and output, and throwing away what is left.
    { for runner in local.runners : "${runner}_data" => { bucket = "data", member = local.members[runner], role = "objectUser", under = [] } },
    { for runner in local.runners : "${runner}_work" => { bucket = "work", member = local.members[runner], role = "objectUser", under = [] } },
    { for target in local.targets : "${target}_config" => { bucket = "source", member = local.members[target], role = "objectViewer", under = ["config/"] } },
    # Vertex reads in/ and writes out/; it also wants to know where the bucket lies (else code 9, "Failed to get GCS
    # bucket location"). It gets nothing of the data bucket.
    { for id, agent in local.vertex_agents : "vertex_${id}_objects" => { bucket = "work", member = agent, role = "objectUser", under = [] } },
    { for id, agent in local.vertex_agents : "vertex_${id}_bucket" => { bucket = "work", member = agent, role = "legacyBucketReader", under = [] } },
  )
}

resource "google_storage_bucket_iam_member" "this" {
  for_each = local.bucket_grants

  bucket = google_storage_bucket.this[each.value.bucket].name
  role   = "roles/storage.${each.value.role}"
  member = each.value.member

  dynamic "condition" {
    for_each = length(each.value.under) == 0 ? [] : [each.value.under]
    content {
      title = "Only ${join(", ", condition.value)}"
      expression = join(" || ", [
        for prefix in condition.value :
        "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.this[each.value.bucket].name}/objects/${prefix}\")"
      ])
    }
  }
}

resource "google_storage_bucket_iam_member" "media" {
  for_each = {
    for pair in setproduct(var.media_buckets, keys(local.vertex_agents)) : join("/", pair) => { bucket = pair[0], agent = local.vertex_agents[pair[1]] }
  }

  bucket = each.value.bucket
  role   = "roles/storage.objectViewer"
  member = each.value.agent
}

# Jobs that callers make in Vertex's own words: Vertex reads and writes there, `api` looks how large an input is, and who
# counts what a job has cost reads its predictions.
resource "google_storage_bucket_iam_member" "passthrough" {
  for_each = merge([
    for bucket in var.passthrough_buckets : merge(
      { for id, agent in local.vertex_agents : "${bucket}/${id}/objects" => { bucket = bucket, member = agent, role = "objectUser" } },
      { for id, agent in local.vertex_agents : "${bucket}/${id}/bucket" => { bucket = bucket, member = agent, role = "legacyBucketReader" } },
      { for target in concat(["api"], local.runners) : "${bucket}/${target}" => { bucket = bucket, member = local.members[target], role = "objectViewer" } },
    )
  ]...)

  bucket = each.value.bucket
  role   = "roles/storage.${each.value.role}"
  member = each.value.member
}

# Topics, database, Vertex --------------------------------------------------------------------------------------------

# Every target changes states, and a change of state owes messages.
resource "google_pubsub_topic_iam_member" "steps" {
  for_each = local.targets

  topic  = google_pubsub_topic.steps.name
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]
}

resource "google_pubsub_topic_iam_member" "dead" {
  topic  = google_pubsub_topic.dead.name
  role   = "roles/pubsub.publisher"
  member = local.agents["pubsub"]
}

# Firestore takes grants on projects alone; the condition makes it this database: docs of Firestore, "Configure
# conditional access to databases".
resource "google_project_iam_member" "documents" {
  for_each = local.targets

  project = var.project_id
  role    = "roles/datastore.user"
  member  = local.members[each.key]

  condition {
    title      = "Only the database ${google_firestore_database.this.name}"
    expression = "resource.name == \"projects/${var.project_id}/databases/${google_firestore_database.this.name}\""
  }
}

# Jobs have no other place for a grant than their project. `api` calls a provider only where jobs are passed through,
# and then asks for them at once, with its caller waiting; `predictions` looks at jobs, and
# cancels those that nobody wants any more, but makes none.
resource "google_project_iam_custom_role" "job_reader" {
  for_each = local.vertex_projects

  project     = each.key
  role_id     = "${replace(var.prefix, "-", "_")}_job_reader"
  title       = "Offpeak: looks at batch prediction jobs"
  description = "For the function that hears of predictions."
  permissions = ["aiplatform.batchPredictionJobs.cancel", "aiplatform.batchPredictionJobs.get"]

  depends_on = [google_project_service.this]
}

locals {
  vertex_callers = concat(["predictions"], local.runners, length(var.passthrough_buckets) == 0 ? [] : ["api"])
  vertex_roles = {
    for target in local.vertex_callers : target => {
      for id in keys(local.vertex_projects) : id => target == "predictions" ? "projects/${id}/roles/${google_project_iam_custom_role.job_reader[id].role_id}" : "roles/aiplatform.user"
    }
  }
}

resource "google_project_iam_member" "vertex" {
  for_each = {
    for pair in setproduct(local.vertex_callers, keys(local.vertex_projects)) : join("/", pair) => { target = pair[0], project = pair[1] }
  }

  project = each.value.project
  role    = local.vertex_roles[each.value.target][each.value.project]
  member  = local.members[each.value.target]

  depends_on = [google_project_service.this]
}

# Secrets and signatures ----------------------------------------------------------------------------------------------

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.secret_readers

  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members[each.value.reader]
}

moved {
  from = google_secret_manager_secret_iam_member.api["key_pepper"]
  to   = google_secret_manager_secret_iam_member.reader["api/key_pepper"]
}

moved {
  from = google_secret_manager_secret_iam_member.api["master_key"]
  to   = google_secret_manager_secret_iam_member.reader["api/master_key"]
}

# A signed URL is signed with the account's own key, which Google keeps: the account needs leave to use itself.
resource "google_service_account_iam_member" "signs_urls" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails["api"]}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.members["api"]
}

# Pub/Sub makes the tokens of the accounts that deliver. It may do so anyway in projects that are younger than April 2021.
resource "google_service_account_iam_member" "delivers" {
  for_each = toset(["eventarc", "push"])

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.key]}"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = local.agents["pubsub"]

  depends_on = [google_project_service.this]
}

# News of objects -----------------------------------------------------------------------------------------------------

# Both are for a topic that Eventarc makes under a name of its own choice, so there is nothing smaller to grant on.
resource "google_project_iam_member" "eventarc" {
  project = var.project_id
  role    = "roles/eventarc.eventReceiver"
  member  = local.members["eventarc"]
}

resource "google_project_iam_member" "storage_events" {
  project = var.project_id
  role    = "roles/pubsub.publisher"
  member  = local.agents["storage"]

  depends_on = [google_project_service.this]
}

# Builds --------------------------------------------------------------------------------------------------------------

# The functions service copies the zip to a bucket of its own, and the builder reads it there ("Access to bucket
# gcf-v2-sources-… denied. You must grant Storage Object Viewer"). It does not exist before the first build, so the
# grant is on the project, for that name alone.
resource "google_project_iam_custom_role" "source_reader" {
  role_id     = "${replace(var.prefix, "-", "_")}_source_reader"
  title       = "Offpeak: reads the source of functions"
  description = "For the account that builds the functions."
  permissions = ["storage.objects.get", "storage.objects.list"]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "build" {
  for_each = {
    logs = { role = "roles/logging.logWriter", bucket = "" }
    source = {
      role   = "projects/${var.project_id}/roles/${google_project_iam_custom_role.source_reader.role_id}"
      bucket = "gcf-v2-sources-${var.project_number}-${var.region}"
    }
  }

  project = var.project_id
  role    = each.value.role
  member  = local.members["build"]

  dynamic "condition" {
    for_each = each.value.bucket == "" ? [] : [each.value.bucket]
    content {
      title      = "Only ${condition.value}"
      expression = "resource.name.startsWith(\"projects/_/buckets/${condition.value}\")"
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "build" {
  repository = google_artifact_registry_repository.images.repository_id
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = local.members["build"]
}
