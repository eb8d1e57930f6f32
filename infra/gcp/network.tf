# With a domain: an HTTPS load balancer in front of `api`, and Cloud Armor in front of that. Without one, nothing of this.

locals {
  balancer = var.domain == "" ? [] : [var.domain]

  # Rule sets of Cloud Armor (OWASP CRS 3.3), at the sensitivity that takes ordinary requests for what they are.
  attacks = ["lfi", "protocolattack", "rce", "rfi", "scannerdetection", "sessionfixation", "sqli", "xss"]

  # What is uploaded is prompts, and prompts may speak of SQL. Cloud Armor would read the beginning of such a body, so
  # these requests pass the rule sets; `api` parses them strictly, and runs nothing that they say.
  not_an_upload = "!(request.method == 'POST' && request.path.matches('(^|/)(files|uploads)(/|$)'))"
}

resource "google_compute_global_address" "this" {
  count = length(local.balancer)

  name = var.prefix

  depends_on = [google_project_service.this]
}

resource "google_compute_region_network_endpoint_group" "api" {
  count = length(local.balancer)

  name                  = local.names["api"]
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = module.function["api"].name
  }
}

resource "google_compute_security_policy" "this" {
  #checkov:skip=CKV_GCP_73:The rule is the first one; that it leaves uploads out is more than the check can read
  count = length(local.balancer)

  name        = var.prefix
  description = "Offpeak: what may reach api"
  type        = "CLOUD_ARMOR"

  advanced_options_config {
    json_parsing = "STANDARD" # judge values, not brackets
    log_level    = "NORMAL"
  }

  rule {
    action      = "deny(403)"
    priority    = 1000
    description = "Log4Shell and its like (CVE-2021-44228)"

    match {
      expr {
        expression = "${local.not_an_upload} && evaluatePreconfiguredWaf('cve-canary', {'sensitivity': 1})"
      }
    }
  }

  dynamic "rule" {
    for_each = { for index, attack in local.attacks : attack => 1001 + index }
    content {
      action      = "deny(403)"
      priority    = rule.value
      description = "OWASP: ${rule.key}"

      match {
        expr {
          expression = "${local.not_an_upload} && evaluatePreconfiguredWaf('${rule.key}-v33-stable', {'sensitivity': 1})"
        }
      }
    }
  }

  # Behind the others: a request that conforms is let in, and no later rule is asked.
  rule {
    action      = "throttle"
    priority    = 2000
    description = "So many requests from one address"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = var.rate_limit.requests
        interval_sec = var.rate_limit.seconds
      }
    }
  }

  rule {
    action      = "deny(403)"
    priority    = 2147483647
    description = "Cloud Armor wants a last rule; nothing gets as far as this"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_backend_service" "api" {
  count = length(local.balancer)

  name                  = local.names["api"]
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.this[0].id

  backend {
    group = google_compute_region_network_endpoint_group.api[0].id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_url_map" "this" {
  count = length(local.balancer)

  name            = var.prefix
  default_service = google_compute_backend_service.api[0].id
}

resource "google_compute_managed_ssl_certificate" "this" {
  count = length(local.balancer)

  name = "${var.prefix}-${substr(sha256(var.domain), 0, 8)}" # a certificate cannot change its domain, a new one needs a new name

  managed {
    domains = [var.domain]
  }

  lifecycle {
    create_before_destroy = true # the proxy holds on to the old one until it has the new one
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_ssl_policy" "this" {
  count = length(local.balancer)

  name            = var.prefix
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.this]
}

resource "google_compute_target_https_proxy" "this" {
  count = length(local.balancer)

  name             = var.prefix
  url_map          = google_compute_url_map.this[0].id
  ssl_certificates = [google_compute_managed_ssl_certificate.this[0].id]
  ssl_policy       = google_compute_ssl_policy.this[0].id
}

# Port 443 alone: who speaks HTTP would send a key that everybody can read.
resource "google_compute_global_forwarding_rule" "this" {
  count = length(local.balancer)

  name                  = var.prefix
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this[0].id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this[0].id
}
