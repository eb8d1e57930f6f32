# The database of the documents. What shared/storage/firestore/layout.py says that it needs stands here, and a test
# compares them: the emulator needs no index, so a missing one would be noticed in production only.

resource "google_firestore_database" "this" {
  name        = var.prefix
  location_id = local.firestore_location
  type        = "FIRESTORE_NATIVE"

  concurrency_mode                  = "PESSIMISTIC" # what a transaction has read stays so until it ends
  app_engine_integration_mode       = "DISABLED"
  point_in_time_recovery_enablement = var.point_in_time_recovery ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"

  delete_protection_state = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy         = var.deletion_protection ? "ABANDON" : "DELETE"

  dynamic "cmek_config" {
    for_each = local.kms_key[*]
    content {
      kms_key_name = cmek_config.value
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents, google_project_service.this]
}

locals {
  # Equality first, then the order; Firestore adds the id, in the direction of the last field. A query without equality
  # needs none of these: single fields are indexed by themselves.
  indexes = {
    batches_of_input                  = { collection = "Batch", equal = ["input_object", "status"], order = "created_at", direction = "ASCENDING" }
    batches_of_owner                  = { collection = "Batch", equal = ["owner"], order = "created_at", direction = "DESCENDING" }
    batches_of_team                   = { collection = "Batch", equal = ["team"], order = "created_at", direction = "DESCENDING" }
    days_of_key                       = { collection = "Day", equal = ["key"], order = "day", direction = "DESCENDING" }
    days_of_team                      = { collection = "Day", equal = ["team"], order = "day", direction = "DESCENDING" }
    days_of_user                      = { collection = "Day", equal = ["user"], order = "day", direction = "DESCENDING" }
    files_of_owner                    = { collection = "File", equal = ["owner"], order = "created_at", direction = "DESCENDING" }
    files_of_owner_and_purpose        = { collection = "File", equal = ["owner", "purpose"], order = "created_at", direction = "DESCENDING" }
    files_of_owner_and_purpose_oldest = { collection = "File", equal = ["owner", "purpose"], order = "created_at", direction = "ASCENDING" }
    files_of_owner_oldest             = { collection = "File", equal = ["owner"], order = "created_at", direction = "ASCENDING" }
    files_of_purpose                  = { collection = "File", equal = ["purpose"], order = "created_at", direction = "DESCENDING" }
    files_of_purpose_oldest           = { collection = "File", equal = ["purpose"], order = "created_at", direction = "ASCENDING" }
    files_of_team                     = { collection = "File", equal = ["team"], order = "created_at", direction = "DESCENDING" }
    files_of_team_and_purpose         = { collection = "File", equal = ["team", "purpose"], order = "created_at", direction = "DESCENDING" }
    files_of_team_and_purpose_oldest  = { collection = "File", equal = ["team", "purpose"], order = "created_at", direction = "ASCENDING" }
    files_of_team_oldest              = { collection = "File", equal = ["team"], order = "created_at", direction = "ASCENDING" }
    former_keys_of_alias              = { collection = "FormerKey", equal = ["key_alias"], order = "created_at", direction = "DESCENDING" }
    former_keys_of_hash               = { collection = "FormerKey", equal = ["hash"], order = "created_at", direction = "DESCENDING" }
    jobs_by_directory                 = { collection = "VertexJob", equal = ["directory"], order = "created_at", direction = "DESCENDING" }
    jobs_by_number                    = { collection = "VertexJob", equal = ["number"], order = "created_at", direction = "DESCENDING" }
    jobs_by_output                    = { collection = "VertexJob", equal = ["output"], order = "created_at", direction = "DESCENDING" }
    jobs_of_owner                     = { collection = "VertexJob", equal = ["owner"], order = "created_at", direction = "DESCENDING" }
    jobs_of_team                      = { collection = "VertexJob", equal = ["team"], order = "created_at", direction = "DESCENDING" }
    keys_of_alias                     = { collection = "Key", equal = ["key_alias"], order = "created_at", direction = "DESCENDING" }
    keys_of_key_id                    = { collection = "Key", equal = ["key_id"], order = "created_at", direction = "DESCENDING" }
    keys_of_team                      = { collection = "Key", equal = ["team_id"], order = "created_at", direction = "DESCENDING" }
    keys_of_user                      = { collection = "Key", equal = ["user_id"], order = "created_at", direction = "DESCENDING" }
    ledger_of_batch                   = { collection = "LedgerEntry", equal = ["batch"], order = "created_at", direction = "DESCENDING" }
    ledger_of_key                     = { collection = "LedgerEntry", equal = ["key"], order = "created_at", direction = "DESCENDING" }
    ledger_of_team                    = { collection = "LedgerEntry", equal = ["team"], order = "created_at", direction = "DESCENDING" }
    ledger_of_user                    = { collection = "LedgerEntry", equal = ["user"], order = "created_at", direction = "DESCENDING" }
    parts_of_upload                   = { collection = "Part", equal = ["upload"], order = "created_at", direction = "ASCENDING" }
    shards_of_batch                   = { collection = "Shard", equal = ["batch"], order = "number", direction = "ASCENDING" }
    shards_of_deployment              = { collection = "Shard", equal = ["deployment", "status"], order = "number", direction = "ASCENDING" }
    uploads_over                      = { collection = "Upload", equal = ["status"], order = "expires_at", direction = "ASCENDING" }
    users_of_email                    = { collection = "User", equal = ["user_email"], order = "created_at", direction = "DESCENDING" }
  }
}

resource "google_firestore_index" "this" {
  for_each = local.indexes

  database    = google_firestore_database.this.name
  collection  = each.value.collection
  query_scope = "COLLECTION"

  dynamic "fields" {
    for_each = each.value.equal
    content {
      field_path = fields.value
      order      = "ASCENDING"
    }
  }

  fields {
    field_path = each.value.order
    order      = each.value.direction
  }
}

# A document is the record as one text, which nobody searches. Without this, each write would pay for an index of it.
resource "google_firestore_field" "record" {
  for_each = toset(["Account", "Alias", "Batch", "Cooldown", "Created", "Day", "File", "FormerKey", "Garbage", "Grace", "Habit", "Headroom", "Key", "LedgerEntry", "Outbox", "Part", "ProjectNumber", "Rate", "Shard", "Slot", "TagDay", "Team", "Upload", "User", "VertexJob"])

  database   = google_firestore_database.this.name
  collection = each.key
  field      = "data"

  index_config {}
}

# Firestore deletes these some time after the moment in `ttl`; `sweep` does it too, and nobody believes them any more.
resource "google_firestore_field" "ttl" {
  for_each = toset(["Created", "Grace"])

  database   = google_firestore_database.this.name
  collection = each.key
  field      = "ttl"

  index_config {} # it only grows, and an index of that would bound how fast documents can be written

  ttl_config {}
}
