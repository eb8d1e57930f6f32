output "name" {
  description = "The name."
  value       = google_pubsub_subscription.this.name
}
