output "name" {
  description = "The name, of the function and of its Cloud Run service."
  value       = google_cloudfunctions2_function.this.name
}

output "uri" {
  description = "The address that Cloud Run gave it. Pub/Sub counts as internal only here, and not at cloudfunctions.net."
  value       = google_cloudfunctions2_function.this.service_config[0].uri

  depends_on = [google_cloud_run_v2_service_iam_binding.invokers] # nobody should deliver before that is allowed
}

output "vpc_connector" {
  description = "How it reaches private addresses; empty where it does not."
  value       = var.vpc_connector
}
