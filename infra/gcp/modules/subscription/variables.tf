variable "audience" {
  description = "What the tokens say that they are for."
  type        = string
  nullable    = false
}

variable "dead_letter_topic" {
  description = "Full name of the topic that messages go to after 20 deliveries; empty: they are delivered for a week."
  type        = string
  nullable    = false
}

variable "endpoint" {
  description = "The address that messages are pushed to."
  type        = string
  nullable    = false
}

variable "name" {
  description = "What the subscription is called."
  type        = string
  nullable    = false
}

variable "project_id" {
  description = "The project of the subscription."
  type        = string
  nullable    = false
}

variable "pubsub_agent" {
  description = "Pub/Sub's own account in the project, as an IAM member."
  type        = string
  nullable    = false
}

variable "sender" {
  description = "Mail address of the account that the tokens are made for."
  type        = string
  nullable    = false
}

variable "topic" {
  description = "Full name of the topic."
  type        = string
  nullable    = false
}
