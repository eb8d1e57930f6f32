output "address" {
  description = "With a domain: the address that its A record has to name."
  value       = one(google_compute_global_address.this[*].address)
}

output "config" {
  description = "The configuration that the functions read."
  value       = local.environment.OFFPEAK_CONFIG
}

output "data_bucket" {
  description = "Files, parts and outputs."
  value       = google_storage_bucket.this["data"].name
}

output "database" {
  description = "The Firestore database."
  value       = google_firestore_database.this.name
}

output "dead_letters" {
  description = "The subscription that keeps dead messages for replay."
  value       = google_pubsub_subscription.dead_kept.name
}

output "functions" {
  description = "The names of the functions, by target."
  value       = { for target, function in module.function : target => function.name }
}

output "next_step" {
  description = "What is left to do, in words; empty: nothing."
  value = contains(local.audiences.predictions, module.function["predictions"].uri) ? "" : join(" ", [
    "Eventarc's tokens will not be believed yet: apply once more with",
    "eventarc_audiences = [\"${module.function["predictions"].uri}\"].",
    "Until then batches move with the sweep, once a minute.",
  ])
}

output "predictions_uri" {
  description = "What Eventarc's tokens name as their audience; see eventarc_audiences."
  value       = module.function["predictions"].uri
}

output "secrets" {
  description = "The ids of the secrets, by what they hold; their values are added with gcloud secrets versions add."
  value       = { for key, secret in google_secret_manager_secret.this : key => secret.secret_id }
}

output "service_accounts" {
  description = "The accounts that the functions run as, and those that build them and deliver to them."
  value       = local.emails
}

output "service_agents" {
  description = "Google's own accounts that something is granted to. In a new project they have to be made before."
  value       = sort(distinct(concat(values(local.agents), values(local.vertex_agents))))
}

output "source_bucket" {
  description = "The code and the configuration."
  value       = google_storage_bucket.this["source"].name
}

output "topic" {
  description = "The topic of steps."
  value       = google_pubsub_topic.steps.name
}

output "url" {
  description = "The base_url of clients, without /v1."
  value       = var.domain == "" ? module.function["api"].uri : "https://${var.domain}"
}

output "work_bucket" {
  description = "What providers read and write."
  value       = google_storage_bucket.this["work"].name
}
