# One page: what comes in, what moves, what it costs, what is in trouble.

locals {
  our_services = "resource.type=\"cloud_run_revision\" resource.label.service_name=one_of(${join(",", [for name in values(local.names) : "\"${name}\""])})"
  our_queues   = "resource.type=\"pubsub_subscription\" resource.label.subscription_id=one_of(${join(",", [for subscription in values(module.subscription) : "\"${subscription.name}\""])})"

  # Each chart: its metric, how a series becomes points, how series become lines, and by what these are told apart.
  charts = [
    { title = "Requests to api, by status", metric = "run.googleapis.com/request_count", of = local.our_services, align = "ALIGN_RATE", reduce = "REDUCE_SUM", by = ["resource.label.service_name", "metric.label.response_code_class"] },
    { title = "Batches that ended, by status", metric = local.counted["batches_ended"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.status"] },
    { title = "Age of the oldest message, seconds", metric = "pubsub.googleapis.com/subscription/oldest_unacked_message_age", of = local.our_queues, align = "ALIGN_MAX", reduce = "REDUCE_MAX", by = ["resource.label.subscription_id"] },
    { title = "Instances", metric = "run.googleapis.com/container/instance_count", of = local.our_services, align = "ALIGN_MAX", reduce = "REDUCE_SUM", by = ["resource.label.service_name"] },
    { title = "Memory in use", metric = "run.googleapis.com/container/memory/utilizations", of = local.our_services, align = "ALIGN_PERCENTILE_95", reduce = "REDUCE_MAX", by = ["resource.label.service_name"] },
    { title = "Sweeps", metric = local.counted["sweeps"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
    { title = "Stuck batches, each time that a sweep meets one", metric = local.counted["stuck"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
    { title = "Batches with lines without a price", metric = local.counted["unpriced"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
    { title = "Dead messages", metric = local.counted["dead"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
    { title = "Crashes", metric = local.counted["crashes"], of = local.our_services, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["resource.label.service_name"] },
  ]

  counted = { for key, metric in google_logging_metric.count : key => "logging.googleapis.com/user/${metric.name}" }

  queries = concat(
    [{ title = "Dollars an hour, of batches that ended", query = { prometheusQuery = "sum(increase(${local.cost_sum}[1h])) / 1000000000" } }],
    [
      for chart in local.charts : {
        title = chart.title
        query = {
          timeSeriesFilter = {
            filter = "metric.type=\"${chart.metric}\" ${chart.of}"
            aggregation = {
              alignmentPeriod    = "300s"
              perSeriesAligner   = chart.align
              crossSeriesReducer = chart.reduce
              groupByFields      = chart.by
            }
          }
        }
      }
    ],
  )
}

resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = "Offpeak (${var.prefix})"
    mosaicLayout = {
      columns = 12
      tiles = [
        for index, each in local.queries : {
          xPos   = index % 2 * 6
          yPos   = floor(index / 2) * 4
          width  = 6
          height = 4
          widget = {
            title   = each.title
            xyChart = { dataSets = [{ plotType = "LINE", timeSeriesQuery = each.query }] }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.this]
}
