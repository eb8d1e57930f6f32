variable "account" {
  description = "Mail address of the account that the function runs as."
  type        = string
  nullable    = false

  validation {
    condition     = !endswith(var.account, "-compute@developer.gserviceaccount.com") && !endswith(var.account, "@appspot.gserviceaccount.com")
    error_message = "A function has an account of its own, not the project's default one."
  }
}

variable "build_account" {
  description = "Full name of the account that builds it: projects/P/serviceAccounts/MAIL."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "The variables of shared/settings.py, without secrets."
  type        = map(string)
  nullable    = false
}

variable "ingress" {
  description = "From where it can be reached: ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"], var.ingress)
    error_message = "ingress is ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  }
}

variable "invokers" {
  description = "Who may call it, as IAM members."
  type        = list(string)
  nullable    = false
}

variable "kms_key" {
  description = "A key of your own; empty: Google's."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the function and its Cloud Run service are called."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "The project of the function and of its secrets."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where it runs."
  type        = string
  nullable    = false
}

variable "repository" {
  description = "The repository that its image goes to: projects/P/locations/L/repositories/R."
  type        = string
  nullable    = false
}

variable "runtime" {
  description = "Its Python."
  type        = string
  nullable    = false
}

variable "secret_variables" {
  description = "Variables whose values are secrets: each names its secret and the version of it."
  type        = map(object({ secret = string, version = string }))
  nullable    = false

  validation {
    condition     = alltrue([for each in values(var.secret_variables) : each.version != "latest"])
    error_message = "A secret's version is pinned."
  }
}

variable "settings" {
  description = "Its size and its limits."
  type = object({
    concurrency   = number
    cpu           = string
    max_instances = number
    memory        = string
    min_instances = number
    timeout       = number
  })
  nullable = false
}

variable "source_object" {
  description = "Where the zip with the code lies."
  type        = object({ bucket = string, name = string })
  nullable    = false
}

variable "target" {
  description = "The function of main.py that it runs."
  type        = string
  nullable    = false
}

variable "vpc_connector" {
  description = "The Serverless VPC Access connector by which it reaches private addresses: projects/P/locations/L/connectors/C; empty: none."
  type        = string
  default     = ""
  nullable    = false
}
