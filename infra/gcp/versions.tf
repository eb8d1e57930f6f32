# Offpeak in one Google Cloud project: one root module, a file for each topic, modules for what repeats.
#
#   infra/dev deploy PROJECT --config FILE        does all of it, in the order that Google wants
#
# By hand: python infra/package.py source.zip; make Google's accounts (output service_agents) where the project is new;
# secrets.tf for the secrets; terraform apply; then do what the output `next_step` says.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  default_labels                  = merge(var.labels, { app = var.prefix })
  add_terraform_attribution_label = false
}
