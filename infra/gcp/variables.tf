# Empty text means "not wanted" throughout, so that no variable is ever null.

variable "access" {
  description = "Who reaches `api`, which asks everybody for a key of ours: `public` (the internet), `load_balancer` (only through the balancer that `domain` makes) or `private` (Google identities in `invokers`)."
  type        = string
  default     = "private"
  nullable    = false

  validation {
    condition     = contains(["public", "load_balancer", "private"], var.access)
    error_message = "access is public, load_balancer or private."
  }

  validation {
    condition     = (var.access == "load_balancer") == (var.domain != "")
    error_message = "A domain and access = \"load_balancer\" come together: without the one nobody gets in, without the other there is a way around Cloud Armor."
  }
}

variable "alert_channels" {
  description = "Names of the notification channels that alerts go to: projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.alert_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", name))])
    error_message = "alert_channels are projects/PROJECT/notificationChannels/NUMBER."
  }
}

variable "alerts" {
  description = "Whether somebody is told when something is wrong. Google charges for alerting by condition; there are eleven, and one more with `daily_usd`."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket_location" {
  description = "Where the buckets lie; empty: in `region`. Vertex wants it close to its jobs, and the trigger on the work bucket lies in the same place."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-zA-Z0-9-]*)$", var.bucket_location))
    error_message = "bucket_location is a region such as europe-west4, or a multi-region such as EU."
  }
}

variable "config" {
  description = "Path of the YAML file with LiteLLM's `model_list` and our `offpeak` block. Who may deliver events is added to it; see config.tf."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.config) && can(length(yamldecode(file(var.config)).model_list))
    error_message = "config is the path of a YAML file that has a model_list with entries."
  }
}

variable "daily_usd" {
  description = "An alert when the batches that ended within a day cost more US dollars than this; 0: none."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.daily_usd >= 0
    error_message = "daily_usd is not negative."
  }
}

variable "deletion_protection" {
  description = "Whether the database and the secrets refuse to be destroyed. The buckets are never destroyed while they hold anything."
  type        = bool
  default     = true
  nullable    = false
}

variable "domain" {
  description = "A host name for the HTTPS load balancer with a managed certificate and Cloud Armor; empty: no balancer. Its A record has to point at the output `address`."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain is a host name such as batch.example.com."
  }
}

variable "eventarc_audiences" {
  description = "Further audiences of the tokens with which Eventarc comes to `predictions`: the output `predictions_uri` of the first apply; `next_step` says so as long as it is missing."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for url in var.eventarc_audiences : can(regex("^https://[a-z0-9.-]+\\.run\\.app$", url))])
    error_message = "eventarc_audiences are URLs of Cloud Run, without a slash at the end."
  }
}

variable "firestore_location" {
  description = "Where the database lies; empty: in `region`. It can never be changed."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]*$", var.firestore_location))
    error_message = "firestore_location is a region such as europe-west4, or a multi-region such as eur3."
  }
}

variable "functions" {
  description = "The size of each function. `concurrency` is the number of requests of one instance and of its threads, `timeout` counts seconds."
  type = object({
    api = optional(object({
      concurrency   = optional(number, 40) # an upload holds 8 MiB
      cpu           = optional(string, "1")
      max_instances = optional(number, 20)
      memory        = optional(string, "1Gi")
      min_instances = optional(number, 0)
      timeout       = optional(number, 300)
    }), {})
    dead_letter = optional(object({
      concurrency   = optional(number, 1)
      cpu           = optional(string, "1")
      max_instances = optional(number, 2)
      memory        = optional(string, "1Gi") # it runs any step once more
      min_instances = optional(number, 0)
      timeout       = optional(number, 540)
    }), {})
    predictions = optional(object({
      concurrency   = optional(number, 8)
      cpu           = optional(string, "1")
      max_instances = optional(number, 5)
      memory        = optional(string, "512Mi")
      min_instances = optional(number, 0)
      timeout       = optional(number, 540)
    }), {})
    work = optional(object({
      concurrency   = optional(number, 1) # a pass over a file keeps one processor busy
      cpu           = optional(string, "1")
      max_instances = optional(number, 40)
      memory        = optional(string, "1Gi")
      min_instances = optional(number, 0)
      timeout       = optional(number, 540)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in ["dead_letter", "predictions", "work"] : var.functions[name].timeout >= 60 && var.functions[name].timeout <= 540])
    error_message = "An event function has 60 to 540 seconds: Pub/Sub waits 600 at most, and our leases and alerts count on that."
  }

  validation {
    condition     = var.functions.work.timeout >= 480 && var.functions.dead_letter.timeout >= 480
    error_message = "work and dead_letter need 480 seconds: lines that are run one by one are run for 450, and then handed on."
  }

  validation {
    condition     = var.functions.api.timeout >= 60 && var.functions.api.timeout <= 3600
    error_message = "api has 60 to 3600 seconds."
  }

  validation {
    condition     = alltrue([for size in values(var.functions) : size.concurrency == 1 || try(tonumber(size.cpu), 0) >= 1])
    error_message = "More than one request at a time needs at least one whole cpu."
  }

  validation {
    condition     = alltrue([for size in values(var.functions) : size.concurrency >= 1 && size.concurrency <= 1000])
    error_message = "concurrency lies between 1 and 1000."
  }

  validation {
    condition     = alltrue([for size in values(var.functions) : size.min_instances >= 0 && size.max_instances >= 1 && size.max_instances >= size.min_instances])
    error_message = "max_instances is at least 1, and not below min_instances."
  }

  validation {
    condition     = alltrue([for size in values(var.functions) : can(regex("^[0-9]+(Mi|Gi)$", size.memory))])
    error_message = "memory is a number of Mi or Gi, such as 512Mi."
  }
}

variable "invokers" {
  description = "With access = \"private\": who may call `api`, as IAM members. Their identity token goes into X-Serverless-Authorization, since Authorization holds the key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))])
    error_message = "invokers are named members: user:, group:, serviceAccount:, domain:, principal: or principalSet:. For everybody there is access = \"public\"."
  }

  validation {
    condition     = var.access == "private" || length(var.invokers) == 0
    error_message = "invokers have a meaning with access = \"private\" alone."
  }
}

variable "kms_key" {
  description = "A key of your own for everything that is stored, in `region`: projects/P/locations/L/keyRings/R/cryptoKeys/K; empty: Google's keys. The database can never change its key."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^$|^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key is projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }

  validation {
    condition = var.kms_key == "" || alltrue([
      for place in [var.region, var.bucket_location, var.firestore_location] : place == "" || lower(place) == try(split("/", var.kms_key)[3], "")
    ])
    error_message = "kms_key encrypts what lies in its own location only: region, bucket_location and firestore_location have to be that."
  }
}

variable "labels" {
  description = "Labels on everything that can have them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Labels are lower-case letters, digits, hyphens and underscores."
  }
}

variable "media_buckets" {
  description = "Buckets of gs:// media that Vertex may read; only those that you may grant access to."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for bucket in var.media_buckets : can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", bucket))])
    error_message = "media_buckets are names of buckets, without gs://."
  }
}

variable "passthrough_buckets" {
  description = "Buckets that passed-through jobs may name, as in offpeak.passthrough_buckets; only those that you may grant access to. Without any, `api` calls nobody."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for bucket in var.passthrough_buckets : can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", bucket))])
    error_message = "passthrough_buckets are names of buckets, without gs:// and without a prefix."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the database can be read as it was at any minute of the last seven days. It costs as much storage as changes."
  type        = bool
  default     = false
  nullable    = false
}

variable "prefix" {
  description = "What every name begins with. Two deployments in one project differ in it."
  type        = string
  default     = "offpeak"
  nullable    = false

  validation {
    # Service accounts have 30 characters at most, and a database at least 4.
    condition     = can(regex("^[a-z][a-z0-9-]{2,16}[a-z0-9]$", var.prefix))
    error_message = "prefix has 4 to 18 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "project_id" {
  description = "The project that everything is made in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "The number of the same project: the accounts of Google's own services are named after it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6,20}$", var.project_number))
    error_message = "project_number consists of digits: gcloud projects describe PROJECT --format='value(projectNumber)'."
  }
}

variable "provider_secrets" {
  description = "The variables that the configuration takes keys of providers from (os.environ/NAME): each NAME with the version of the secret PREFIX-provider-NAME that holds its value. A number, as in secret_versions."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.provider_secrets) : can(regex("^[A-Za-z_][A-Za-z0-9_]{0,199}$", name))])
    error_message = "provider_secrets are named as variables are: letters, digits and low lines."
  }

  validation {
    # Ours, the framework's, Python's, and those that Cloud Run keeps for itself.
    condition     = alltrue([for name in keys(var.provider_secrets) : !can(regex("^(OFFPEAK_|PYTHON|K_|X_GOOGLE_|FUNCTION_|CLOUD_RUN_|LD_)|^(PATH|HOME|PORT|THREADS|WORKERS|LOG_EXECUTION_ID)$", name))])
    error_message = "A key of a provider cannot be called as a variable that functions have already."
  }

  validation {
    condition     = alltrue([for version in values(var.provider_secrets) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "Versions of provider_secrets are numbers; latest is not one."
  }
}

variable "rate_limit" {
  description = "With a domain: how many requests one address may make in how many seconds."
  type = object({
    requests = optional(number, 600)
    seconds  = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    # The intervals that Cloud Armor knows.
    condition     = contains([10, 30, 60, 120, 180, 240, 270, 300, 600, 900, 1200, 1800, 2700, 3600], var.rate_limit.seconds)
    error_message = "rate_limit.seconds is one of 10, 30, 60, 120, 180, 240, 270, 300, 600, 900, 1200, 1800, 2700, 3600."
  }

  validation {
    condition     = var.rate_limit.requests >= 1 && var.rate_limit.requests <= 1000000
    error_message = "rate_limit.requests lies between 1 and 1,000,000."
  }
}

variable "region" {
  description = "The region of the functions, and of everything that is not told otherwise."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region such as europe-west4."
  }
}

variable "retention_days" {
  description = "Days until something is gone. dead_letters: for replay. leftovers: what a step lost on its way. outputs: the provider's own rows. soft_delete: how long deleted files can be restored, 0 for not at all."
  type = object({
    dead_letters = optional(number, 31)
    leftovers    = optional(number, 14)
    outputs      = optional(number, 45)
    soft_delete  = optional(number, 7)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.retention_days.dead_letters >= 1 && var.retention_days.dead_letters <= 31
    error_message = "Pub/Sub keeps messages for 1 to 31 days."
  }

  validation {
    condition     = var.retention_days.leftovers >= 7
    error_message = "A batch may take 96 hours and a day to be put together, and needs its rows until then: at least 7 days."
  }

  validation {
    condition     = var.retention_days.outputs >= 35
    error_message = "`format=native` reads the provider's rows as long as the output lives, 30 days after a batch of 96 hours: at least 35 days."
  }

  validation {
    condition     = var.retention_days.soft_delete == 0 || (var.retention_days.soft_delete >= 7 && var.retention_days.soft_delete <= 90)
    error_message = "Cloud Storage keeps what was deleted for 7 to 90 days, or not at all (0)."
  }
}

variable "runtime" {
  description = "The Python of the functions."
  type        = string
  default     = "python312"
  nullable    = false

  validation {
    condition     = can(regex("^python3(1[1-4])$", var.runtime))
    error_message = "runtime is python311, python312, python313 or python314."
  }
}

variable "secret_versions" {
  description = "Which version of each secret `api` gets. A number: a new value takes effect with the next apply that names it, and not behind our back."
  type = object({
    key_pepper = optional(string, "1")
    master_key = optional(string, "1")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "secret_versions are numbers; latest is not one."
  }
}

variable "source_zip" {
  description = "Path of what `python infra/package.py OUT.zip` has made."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.source_zip) && endswith(var.source_zip, ".zip")
    error_message = "source_zip is the path of a zip file: python infra/package.py OUT.zip makes it."
  }
}

variable "vertex_projects" {
  description = "Other projects in which deployments of the configuration run their jobs: their ids, each with its number."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for id, number in var.vertex_projects : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", id)) && can(regex("^[0-9]{6,20}$", number))])
    error_message = "vertex_projects maps ids of projects to their numbers."
  }
}

variable "vpc_connector" {
  description = "A Serverless VPC Access connector, for a vLLM server of one's own network: projects/P/locations/L/connectors/C. Only functions that call providers use it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/connectors/[a-z0-9-]+)?$", var.vpc_connector))
    error_message = "vpc_connector is projects/P/locations/L/connectors/C."
  }
}
