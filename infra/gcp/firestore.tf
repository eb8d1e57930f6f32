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
    batches_of_input           = { collection = "Batch", equal = ["input_object", "status"], order = "created_at", direction = "ASCENDING" }
    batches_of_owner           = { collection = "Batch", equal = ["owner"], order = "created_at", direction = "DESCENDING" }
    files_of_owner             = { collection = "File", equal = ["owner"], order = "created_at", direction = "DESCENDING" }
    files_of_owner_and_purpose = { collection = "File", equal = ["owner", "purpose"], order = "created_at", direction = "DESCENDING" }
    files_of_owner_and_purpose_oldest = {
      collection = "File", equal = ["owner", "purpose"], order = "created_at", direction = "ASCENDING"
    }
    files_of_owner_oldest   = { collection = "File", equal = ["owner"], order = "created_at", direction = "ASCENDING" }
    files_of_purpose        = { collection = "File", equal = ["purpose"], order = "created_at", direction = "DESCENDING" }
    files_of_purpose_oldest = { collection = "File", equal = ["purpose"], order = "created_at", direction = "ASCENDING" }
    parts_of_upload         = { collection = "Part", equal = ["upload"], order = "created_at", direction = "ASCENDING" }
    shards_of_batch         = { collection = "Shard", equal = ["batch"], order = "number", direction = "ASCENDING" }
    shards_of_deployment    = { collection = "Shard", equal = ["deployment", "status"], order = "number", direction = "ASCENDING" }
    uploads_over            = { collection = "Upload", equal = ["status"], order = "expires_at", direction = "ASCENDING" }
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
  for_each = toset(["Batch", "Cooldown", "Created", "File", "Garbage", "Headroom", "LedgerEntry", "Outbox", "Part", "Shard", "Slot", "Upload"])

  database   = google_firestore_database.this.name
  collection = each.key
  field      = "data"

  index_config {}
}

# Firestore deletes these some time after the moment in `ttl`; `sweep` does it too, and nobody believes them any more.
resource "google_firestore_field" "ttl" {
  for_each = toset(["Created"])

  database   = google_firestore_database.this.name
  collection = each.key
  field      = "ttl"

  index_config {} # it only grows, and an index of that would bound how fast documents can be written

  ttl_config {}
}
